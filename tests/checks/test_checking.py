"""Checks of whole packages: what is found of an app, and that it is found anew when something changes."""

import pytest
from entries import HANDLER, package_request, sha256, write_files
from raw_zip import member, raw_wheel

from cdk_lambda_package import package
from cdk_lambda_package.errors import FindingsError

RUNTIME = "python3.13"


def findings(entry, store, **options):
    request = package_request(entry=entry, runtime=RUNTIME, **options)
    try:
        return [str(finding) for finding in package(request, store=store).findings]
    except FindingsError as error:
        return [str(finding) for finding in error.findings]


def test_all_errors_of_an_app_come_together_with_their_places(tmp_path, store):
    files = {
        "app.py": f"import helpers\nfrom chalicelib.utils import hii\nimport lib\n{HANDLER}",
        "chalicelib/utils.py": "import telnetlib\nhi = 1\n",
        "vendor/lib/__init__.py": "import yaml\n",
        "helpers.py": "",
    }
    entry = write_files(tmp_path / "svc", files)
    with pytest.raises(FindingsError) as caught:
        package(package_request(entry=entry, runtime=RUNTIME), store=store)
    places = [(finding.id, finding.path, finding.line) for finding in caught.value.findings]
    assert places == [
        ("import-not-found", "app.py", 1),
        ("removed-from-standard-library", "chalicelib/utils.py", 1),
        ("name-not-found", "app.py", 2),
        ("import-not-found", "vendor/lib/__init__.py", 1),
    ]
    assert "set packaging=Packaging(include=['helpers.py'])" in str(caught.value)
    assert package(
        package_request(entry=entry, runtime=RUNTIME, acknowledge=tuple({place[0] for place in places})), store=store
    )


def test_what_comes_to_lie_beside_the_app_is_suggested_at_once(tmp_path, store):
    entry = write_files(tmp_path / "svc", {"app.py": f"import helpers\n{HANDLER}"})
    assert "put it into chalicelib/" in findings(entry, store)[0]
    write_files(entry, {"helpers.py": ""})
    assert "set packaging=Packaging(include=['helpers.py'])" in findings(entry, store)[0]
    assert findings(entry, store, include=("helpers.py",)) == []


def test_what_exclude_leaves_out_is_named(tmp_path, store):
    files = {"app.py": f"import chalicelib.seeds\n{HANDLER}", "chalicelib/seeds.py": ""}
    entry = write_files(tmp_path / "svc", files)
    [found] = findings(entry, store, exclude=("seeds.py",))
    assert "exclude leaves out every file in chalicelib/" in found
    write_files(entry, {"chalicelib/__init__.py": ""})
    [found] = findings(entry, store, exclude=("seeds.py",))
    assert "chalicelib/seeds.py is there, but exclude leaves it out" in found


def test_the_app_is_checked_for_its_runtime(tmp_path, store):
    entry = write_files(tmp_path / "svc", {"app.py": f"import cgi\n{HANDLER}"})
    assert "[removed-from-standard-library]" in findings(entry, store)[0]
    request = package_request(entry=entry, runtime="python3.12")
    assert package(request, store=store).findings == ()


def test_what_is_provided_is_taken_into_account_without_a_change_of_the_package(tmp_path, store):
    entry = write_files(tmp_path / "svc", {"app.py": f"import yaml\n{HANDLER}"})
    assert "[import-not-found]" in findings(entry, store)[0]
    assert findings(entry, store, provided=("pyyaml",)) == []
    assert "[import-not-found]" in findings(entry, store)[0]


@pytest.mark.parametrize(
    ("source", "told"),
    [("", ["import-not-found"]), ("import sys\nsys.modules['demo.made'] = sys\n", [])],
)
def test_a_distributions_package_is_read_before_anything_is_said_of_it(tmp_path, store, source, told):
    entry = write_files(tmp_path / "svc", {"app.py": f"import demo.made\n{HANDLER}"})
    wheel = raw_wheel(entry / "wheels", [member("demo/__init__.py", source)])
    line = f"demo==1.0 --hash=sha256:{sha256(wheel)}"
    write_files(entry, {"requirements.txt": f"--no-index --find-links wheels\n{line}\n"})
    assert [one.rpartition("[")[2].rstrip("]") for one in findings(entry, store)] == told


def test_what_a_command_makes_of_the_package_is_checked(tmp_path, store):
    entry = write_files(tmp_path / "svc", {"app.py": HANDLER})
    command = ("sh", "-c", "echo 'import yaml' >> app.py; echo 'def f(): import bokeh' > lib.py")
    [found] = findings(entry, store, after_packaging=(command,))
    assert found.startswith("app.py:3: 'yaml' is imported")
