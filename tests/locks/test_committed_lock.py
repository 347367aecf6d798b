"""Locks that are committed beside an app, or above it (acceptance 32)."""

import pytest
from entries import HANDLER, package_request, write_files
from offline import refuse_processes
from wheel_factory import build_wheel, sha256

from cdk_lambda_package.errors import LockError, NoWheelError, OptionError, ToolError
from cdk_lambda_package.pipeline import package


@pytest.fixture
def no_processes(monkeypatch):
    refuse_processes(monkeypatch)


# -- which lock --


def test_a_pylock_in_the_entry_directory_is_used_without_any_process(repository, no_processes):
    repository.lock(repository.package("tool"), repository.package("win", marker="sys_platform == 'win32'"))
    assert repository.build() == {"tool": "1.0"}


def test_a_pylock_above_is_found_up_to_the_repositorys_root(repository):
    repository.lock(repository.package("tool"), path="pylock.toml")
    assert repository.build() == {"tool": "1.0"}
    repository.lock(repository.package("other"), path="../pylock.toml")
    (repository.root / "pylock.toml").unlink()
    assert repository.build() == {}


@pytest.mark.parametrize(("beside", "used"), [("pyproject.toml", True), ("cdk.json", True), ("notes.txt", False)])
def test_outside_of_a_repository_a_lock_above_counts_in_a_projects_directory_only(repository, beside, used):
    (repository.root / ".git").rmdir()
    repository.lock(repository.package("one"), path="pylock.toml")
    repository.write(beside, "")
    assert repository.build() == ({"one": "1.0"} if used else {})
    # A stray lock on the way doesn't stop the search.
    entry = write_files(repository.root / "stray" / "svc", {"app.py": HANDLER})
    repository.lock(path="stray/pylock.toml")
    assert repository.build(entry=entry) == ({"one": "1.0"} if used else {})


def test_outside_of_a_repository_a_lock_in_the_entry_directory_counts(repository):
    (repository.root / ".git").rmdir()
    repository.lock(repository.package("one"))
    assert repository.build() == {"one": "1.0"}


def test_the_nearest_lock_counts(repository):
    repository.lock(repository.package("far"), path="pylock.toml")
    repository.lock(repository.package("near"))
    assert repository.build() == {"near": "1.0"}


def test_requirements_of_its_own_keep_a_function_from_the_lock_above(repository):
    repository.lock(repository.package("tool"), path="pylock.toml")
    repository.write("svc/requirements.txt", "# nothing\n")
    assert repository.build() == {}


def test_a_lock_of_the_functions_name_comes_first(repository):
    for path, name in {"pylock.toml": "all", "pylock.svc.toml": "mine", "pylock.other.toml": "theirs"}.items():
        repository.lock(repository.package(name), path=path)
    assert repository.build() == {"mine": "1.0"}
    (repository.root / "pylock.svc.toml").unlink()
    assert repository.build() == {"all": "1.0"}
    (repository.root / "pylock.toml").unlink()
    assert repository.build() == {}


def test_the_only_named_lock_of_an_entry_directory_is_its_lock(repository):
    repository.lock(repository.package("tool"), path="svc/pylock.api.toml")
    assert repository.build() == {"tool": "1.0"}


def test_a_named_requirements_file_or_lock_overrides_what_would_be_found(repository):
    repository.lock(repository.package("tool"))
    repository.lock(repository.package("other"), path="pylock.more.toml")
    repository.write("svc/none.txt", "")
    assert repository.build(requirements="../pylock.more.toml") == {"other": "1.0"}
    assert repository.build(requirements="none.txt") == {}


def test_the_cdk_apps_own_lock_is_not_a_functions(repository):
    repository.lock(repository.package("aws-cdk-lib", wheels=[repository.wheel("aws-cdk-lib")]), path="pylock.toml")
    made = package(package_request(entry=repository.entry, runtime="python3.13"), store=repository.store)
    assert made.manifest["distributions"] == []
    assert [finding.id for finding in made.findings] == ["lock-of-the-cdk-app"]
    assert repository.build(requirements="../pylock.toml") == {"aws-cdk-lib": "1.0"}


# -- what it says --


def test_groups_and_extras_are_selectable_and_dev_is_off(repository):
    repository.lock(
        repository.package("tool"),
        repository.package("devtool", marker="'dev' in dependency_groups"),
        repository.package("six", marker="'more' in dependency_groups"),
        repository.package("pgx", marker="'db' in extras"),
        **{"dependency-groups": ["dev", "more"], "default-groups": ["dev"], "extras": ["db"]},
    )
    assert repository.build() == {"tool": "1.0"}
    assert repository.build(groups=["more"], extras=["db"]) == {"tool": "1.0", "six": "1.0", "pgx": "1.0"}
    with pytest.raises(LockError, match="groups nope: .* has dev, more"):
        repository.build(groups=["nope"])


def test_groups_without_a_lock_are_misuse(repository):
    with pytest.raises(OptionError, match="groups and extras are those of a lock"):
        repository.build(groups=["more"])


def test_files_are_selected_for_the_target(repository):
    tags = [
        "cp313-cp313-manylinux_2_35_x86_64",
        "cp313-cp313-manylinux_2_34_x86_64",
        "cp312-abi3-manylinux_2_17_aarch64",
    ]
    wheels = [repository.wheel("native", tags=tag) for tag in tags]
    repository.lock(repository.package("native", wheels=wheels))
    for architecture, wheel in (("x86_64", wheels[1]), ("arm64", wheels[2])):
        request = package_request(entry=repository.entry, runtime="python3.13", architecture=architecture)
        [row] = package(request, store=repository.store).manifest["distributions"]
        assert row["wheel"] == wheel.name


def test_a_lock_without_files_for_the_target_names_the_packages(repository):
    packages = [
        repository.package(name, wheels=[repository.wheel(name, tags="cp313-cp313-win_amd64")])
        for name in ("one", "two")
    ]
    repository.lock(*packages, repository.package("tool"))
    with pytest.raises(
        NoWheelError, match=r"svc/pylock\.toml: The lock has no file for python3.13 x86_64 of one 1\.0, two 1\.0"
    ):
        repository.build()


def test_relative_paths_begin_at_the_lock(repository):
    wheel = build_wheel(repository.root / "files", "tool")
    row = {"path": f"files/{wheel.name}", "hashes": {"sha256": sha256(wheel)}}
    repository.lock({"name": "tool", "version": "1.0", "wheels": [row]}, path="pylock.toml")
    assert repository.build() == {"tool": "1.0"}


def test_a_wrong_hash_in_a_lock_is_an_error(repository):
    row = repository.package("tool")
    row["wheels"][0]["hashes"]["sha256"] = "0" * 64
    repository.lock(row)
    with pytest.raises(Exception, match=f"expected sha256 {'0' * 64}, got "):
        repository.build()


@pytest.mark.parametrize(
    "text", ["lock-version = '1.0'", "no toml", "lock-version = '9.0'\ncreated-by='x'\npackages=[]"]
)
def test_a_file_that_is_no_lock_is_an_error(repository, text):
    repository.write("svc/pylock.toml", text)
    with pytest.raises(LockError, match=r"pylock\.toml"):
        repository.build()


def test_a_wheel_in_vendor_takes_the_locks_place(repository):
    repository.lock(repository.package("tool"), repository.package("deep"))
    build_wheel(repository.entry / "vendor", "tool", "2.0", requires_dist=["deep>=1"])
    assert repository.build() == {"tool": "2.0", "deep": "1.0"}
    build_wheel(repository.entry / "vendor", "tool", "2.0", requires_dist=["deep>=2"])
    with pytest.raises(LockError, match=r"vendor/tool-2\.0-py3-none-any\.whl asks for deep>=2, but it has 1\.0"):
        repository.build()


def test_what_is_provided_is_not_taken_from_the_lock(repository):
    repository.lock(repository.package("tool"), repository.package("boto3"))
    repository.write("svc/requirements.txt", "tool\nboto3>=5\n")
    assert repository.build(provided=["boto3"]) == {"tool": "1.0"}


# -- out of date --


@pytest.mark.parametrize(
    ("requirement", "problem"),
    [
        ("tool>=2", "asks for tool>=2, but it has 1.0"),
        ("more", "asks for more, which it doesn't have for python3.13 x86_64"),
        ("-r base.txt", "base.txt:2 asks for more"),
    ],
)
def test_requirements_edited_beside_an_old_lock_are_an_error_with_the_command(repository, requirement, problem):
    repository.lock(repository.package("tool"))
    repository.write("svc/base.txt", "\nmore \\\n  >= 1  # comment\n")
    repository.write("svc/requirements.txt", f"TOOL==1.0 ; python_version > '3' --hash=sha256:00\n{requirement}\n")
    before = (repository.entry / "pylock.toml").read_bytes()
    with pytest.raises(LockError) as raised:
        repository.build()
    assert problem in str(raised.value)
    assert f"cdk-lambda-package lock {repository.entry} --runtime python3.13 --architecture x86_64" in str(raised.value)
    assert (repository.entry / "pylock.toml").read_bytes() == before


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_requirements_are_compared_whatever_their_encoding(repository, encoding):
    repository.lock(repository.package("tool"))
    (repository.entry / "requirements.txt").write_bytes("# \u00fc \\\r\ntool==1.0\r\n".encode(encoding))
    assert repository.build() == {"tool": "1.0"}
    (repository.entry / "requirements.txt").write_bytes("tool==1.0\r\nmore\r\n".encode(encoding))
    with pytest.raises(LockError, match=r"requirements\.txt:2 asks for more"):
        repository.build()


@pytest.mark.parametrize("option", ['-r "more to have.txt"', "--pre --requirem='more to have.txt'"])
def test_what_an_included_file_asks_for_is_compared_however_it_is_included(repository, option):
    repository.lock(repository.package("tool"))
    repository.write("svc/more to have.txt", "more\n")
    repository.write("svc/requirements.txt", f"tool\n{option}\n")
    with pytest.raises(LockError, match=r"more to have\.txt:1 asks for more"):
        repository.build()


@pytest.mark.parametrize("claim", [{"name": "tool", "version": "2.0"}, {"name": "other"}])
def test_a_wheel_by_its_url_is_the_package_that_the_lock_says(repository, claim):
    wheel = repository.wheel("tool")
    file = {"url": wheel.as_uri(), "hashes": {"sha256": sha256(wheel)}}
    repository.lock({"name": "tool", "version": "1.0", "archive": file})
    assert repository.build() == {"tool": "1.0"}
    repository.lock({**claim, "archive": file})
    with pytest.raises(LockError, match=rf"{claim['name']} .*has the file {wheel.name}, which is tool 1\.0"):
        repository.build()


def test_a_requirement_for_elsewhere_needs_no_lock(repository):
    repository.lock(repository.package("tool"))
    repository.write("svc/requirements.txt", "tool\npywin32; sys_platform == 'win32'\n")
    assert repository.build() == {"tool": "1.0"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("project = 3", "project should be a table, not an integer"),
        ('[project]\ndependencies = "tool"', "project.dependencies should be a list, not a string"),
        ("[project]\ndependencies = [1]", "project.dependencies[0] should be a string, not an integer"),
    ],
)
def test_a_pyproject_of_another_form_is_named(repository, text, told):
    repository.lock(repository.package("tool"))
    repository.write("svc/pyproject.toml", text)
    with pytest.raises(LockError) as caught:
        repository.build()
    assert f"pyproject.toml: {told}. Correct it." in str(caught.value)


def test_a_pyproject_edited_beside_an_old_pylock_is_an_error(repository):
    repository.lock(repository.package("tool"))
    repository.write("svc/pyproject.toml", '[project]\nname = "svc"\nversion = "1"\ndependencies = ["tool", "more"]\n')
    with pytest.raises(LockError, match=r"pyproject\.toml asks for more"):
        repository.build()


def test_what_was_read_once_is_remembered_until_a_file_changes(repository, monkeypatch):
    repository.lock(repository.package("tool"))
    repository.write("svc/requirements.txt", "tool\n")
    assert repository.build() == {"tool": "1.0"}
    with monkeypatch.context() as patch:
        patch.setattr("cdk_lambda_package.lock_resolution.select_wheels", None)
        assert repository.build() == {"tool": "1.0"}
    repository.write("svc/requirements.txt", "tool>1\n")
    with pytest.raises(LockError):
        repository.build()


def test_an_app_that_imports_chalice_gets_that_of_the_lock(repository):
    chalice = repository.wheel(
        "chalice",
        files={"chalice/__init__.py": "class Chalice:\n    pass\n", "chalice/app.py": "", "chalice/cli.py": ""},
        requires_dist=["click"],
    )
    packages = [
        repository.package("chalice", wheels=[chalice], dependencies=[{"name": "click"}]),
        repository.package("click"),
    ]
    repository.lock(*packages)
    repository.write("svc/app.py", "from chalice import Chalice\napp = Chalice('x')\n")
    assert repository.build() == {"chalice": "1.0"}


def test_a_lock_whose_tool_is_missing_says_which_file_applies_and_how_to_take_the_other(
    repository, monkeypatch, tmp_path
):
    monkeypatch.setenv("PATH", str(tmp_path))
    repository.write("svc/poetry.lock", "")
    repository.write("svc/pyproject.toml", "[tool.poetry]\n")
    repository.write("svc/requirements.txt", "")
    with pytest.raises(ToolError, match=r"poetry\.lock is read by poetry, which isn't installed") as caught:
        repository.build()
    assert "poetry.lock applies, since a lock comes before the requirements.txt beside it" in str(caught.value)
    assert "packaging=Packaging(requirements='requirements.txt')" in str(caught.value)
    assert repository.build(requirements="requirements.txt") == {}
