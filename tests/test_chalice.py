"""Chalice apps get what Chalice's own packager gives them."""

import pytest
from entries import names_in, package_request, run_clean, unpack, write_files
from readers import assert_reads_alike

from cdk_lambda_package import package

pytestmark = pytest.mark.network

APP = """
    from chalice import Chalice

    app = Chalice(app_name="hello")


    @app.route("/greet/{name}")
    def greet(name):
        return {"hello": name}
"""

EVENT = {
    "requestContext": {"httpMethod": "GET", "resourcePath": "/greet/{name}", "path": "/greet/you", "stage": "api"},
    "pathParameters": {"name": "you"},
    "multiValueQueryStringParameters": None,
    "headers": {},
    "stageVariables": None,
    "body": None,
    "isBase64Encoded": False,
}


@pytest.fixture
def make(tmp_path, shared_store):
    """Packages an app of these files; returns the archive and what was made."""

    def make(files, **options):
        archive = tmp_path / "package.zip"
        request = package_request(entry=write_files(tmp_path / "svc", files), runtime="python3.13", **options)
        made = package(request, lambda _: archive, store=shared_store)
        assert_reads_alike(archive)
        return archive, made

    return make


def content(archive):
    return [name for name in names_in(archive) if ".dist-info/" not in name]


def answer(archive, tmp_path):
    return run_clean(
        unpack(archive, tmp_path / "package"),
        f"import app\nanswer = app.app({EVENT!r}, None)\nprint(answer['statusCode'], answer['body'])",
    )


def test_an_app_that_doesnt_list_chalice_gets_its_runtime_and_answers(make, tmp_path):
    archive, made = make({"app.py": APP})
    assert content(archive) == ["app.py", "chalice/__init__.py", "chalice/app.py"]
    assert {name.split("/")[0].split("-")[0] for name in names_in(archive)} == {"app.py", "chalice"}
    assert answer(archive, tmp_path) == '200 {"hello":"you"}'
    assert [row["name"] for row in made.manifest["distributions"]] == ["chalice"]


def test_the_runtimes_metadata_is_right(make, tmp_path):
    archive, _ = make({"app.py": APP})
    told = run_clean(
        unpack(archive, tmp_path / "package"),
        """
        from importlib.metadata import files, version
        assert all(file.locate().is_file() for file in files("chalice"))
        print(version("chalice"), len(files("chalice")))
        """,
    )
    version, count = told.split()
    assert f"chalice-{version}.dist-info/RECORD" in names_in(archive)
    assert int(count) == len([name for name in names_in(archive) if name.startswith("chalice")])


def test_a_pinned_chalice_is_that_one_and_still_only_its_runtime(make, tmp_path):
    archive, made = make({"app.py": APP, "requirements.txt": "chalice==1.31.0\n"})
    assert content(archive) == ["app.py", "chalice/__init__.py", "chalice/app.py"]
    assert [(row["name"], row["version"]) for row in made.manifest["distributions"]] == [("chalice", "1.31.0")]
    assert answer(archive, tmp_path) == '200 {"hello":"you"}'


def test_what_something_else_needs_stays(make):
    archive, made = make({"app.py": APP, "requirements.txt": "chalice==1.31.0\njmespath==1.0.1\n"})
    assert [row["name"] for row in made.manifest["distributions"]] == ["chalice", "jmespath"]
    assert "jmespath/__init__.py" in content(archive)


def test_the_full_chalice_is_the_whole_distribution_with_what_it_requires(make):
    archive, made = make({"app.py": APP}, chalice="full")
    names = set(content(archive))
    assert {"chalice/deploy/packager.py", "botocore/__init__.py", "click/__init__.py"} <= names
    assert {"chalice", "botocore", "click", "six"} <= {row["name"] for row in made.manifest["distributions"]}


def test_a_vendored_chalice_is_the_users_own(make):
    archive, made = make({"app.py": APP, "vendor/chalice/__init__.py": "Chalice = print\n"})
    assert content(archive) == names_in(archive) == ["app.py", "chalice/__init__.py"]
    assert made.manifest["distributions"] == []


def test_an_app_without_chalice_gets_none(make):
    archive, _ = make({"app.py": "def handler(event, context):\n    return event\n"})
    assert names_in(archive) == ["app.py"]


def test_chalice_can_be_named_as_provided(make):
    archive, _ = make({"app.py": APP}, provided=("chalice",))
    assert names_in(archive) == ["app.py"]
