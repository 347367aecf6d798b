"""Projects whose dependencies no lock has."""

import pytest
from entries import HANDLER, package_request, write_files

from cdk_lambda_package import package
from cdk_lambda_package.requirements.resolution import ResolutionRequest
from cdk_lambda_package.requirements.unlocked_project import find_unlocked_project
from cdk_lambda_package.target import Target

TARGET = Target.parse("python3.13", "arm64")
PROJECT = '[project]\nname = "x"\nversion = "1"\ndependencies = {}\n'
POETRY = '[tool.poetry.dependencies]\npython = "^3.12"\nhttpx = "^0.27"\n'
PIPFILE = '[packages]\nhttpx = "*"\n[dev-packages]\npytest = "*"\n'


@pytest.fixture
def entry(tmp_path):
    return write_files(tmp_path / "svc", {".git/HEAD": "", "app.py": HANDLER})


def make(entry, store, **options):
    request = package_request(entry=entry, runtime="python3.13", architecture="arm64", **options)
    return {finding.id: finding for finding in package(request, store=store).findings}


def test_dependencies_that_nothing_packages_are_named_with_the_command_that_locks_them(entry, store):
    write_files(entry, {"pyproject.toml": PROJECT.format('["Sorted_Containers>2; python_version>\'3\'", "six"]')})
    finding = make(entry, store)["project-not-locked"]
    assert "pyproject.toml requires sorted-containers, six, and there is neither" in finding.message
    assert f"`cdk-lambda-package lock {entry} --runtime python3.13 --architecture arm64`" in finding.message
    assert make(entry, store, acknowledge=["project-not-locked:pyproject.toml"]) == {}


@pytest.mark.parametrize(
    ("file", "text", "command"), [("pyproject.toml", POETRY, "poetry lock"), ("Pipfile", PIPFILE, "pipenv lock")]
)
def test_a_project_of_another_tool_is_locked_by_that(entry, file, text, command):
    write_files(entry, {file: text})
    (finding,) = find_unlocked_project(ResolutionRequest(entry=entry, target=TARGET))
    assert f"{file} requires httpx, and" in finding.message
    assert f"`{command}`" in finding.message


@pytest.mark.parametrize(
    "text",
    [
        "[tool.ruff]\nline-length = 120\n",
        PROJECT.format("[]"),
        PROJECT.format('["six"]'),
        PROJECT.format('["aws-cdk-lib", "constructs"]'),
        PROJECT.format('"six"'),
        'project = "x"\n',
        "no toml",
    ],
)
def test_a_project_that_requires_nothing_of_its_functions_is_not_told(entry, text):
    write_files(entry, {"pyproject.toml": text})
    assert find_unlocked_project(ResolutionRequest(entry=entry, target=TARGET, provided=("Six",))) == ()


@pytest.mark.parametrize("option", [{}, {"requirements": "other.txt"}])
def test_a_requirements_file_says_what_is_required_in_place_of_the_project(entry, store, option):
    requirements = option.get("requirements", "requirements.txt")
    write_files(entry, {"pyproject.toml": PROJECT.format('["six"]'), requirements: ""})
    assert make(entry, store, **option) == {}


def test_only_so_many_names_are_listed(entry):
    write_files(entry, {"pyproject.toml": PROJECT.format([f"d{number}" for number in range(9)])})
    (finding,) = find_unlocked_project(ResolutionRequest(entry=entry, target=TARGET))
    assert "requires d0, d1, d2, d3, d4 and 4 more, and" in finding.message
