"""Modules of one name: which of them `import` finds, and who is told."""

import pytest
from package_contents import package_contents

from cdk_lambda_package.checks.shadowing import check as check_shadowing

REQUESTS = {"requests==2.32.5: requests/__init__.py": "", "requests==2.32.5: requests/api.py": ""}


def findings(*paths, **options):
    files = paths[0] if isinstance(paths[0], dict) else dict.fromkeys(paths, "")
    return list(check_shadowing(package_contents({"app.py": "", **files}, **options)))


def told(*paths, **options):
    return [f"{finding.id} {finding.path}" for finding in findings(*paths, **options)]


@pytest.mark.parametrize(
    "path", ["email/__init__.py", "calendar.py", "vendor: queue.py", "select.abi3.so", "tomllib.pyc"]
)
def test_a_module_of_the_users_that_hides_the_standard_library_is_told(path):
    place = path.replace("vendor: ", "vendor/")
    assert told(path) == [f"shadows-standard-library {place}"]
    [found] = findings(path)
    assert found.message.startswith(f"{place} takes the place of the standard library's ")


def test_a_finding_can_be_acknowledged_for_one_name():
    assert findings("email/__init__.py")[0].precise_id == "shadows-standard-library:email"
    assert findings({**REQUESTS, "requests.py": ""})[0].precise_id == "shadows-requirement:requests"


def test_what_is_loaded_already_is_never_hidden():
    [found] = findings("time.py")
    assert found.message == ("time.py is never imported: time of the standard library is loaded before. Rename it.")


@pytest.mark.parametrize(
    "path",
    [
        "email/templates/hello.html",  # no module
        "email/texts.py",  # a namespace, which comes last
        "chalicelib/json.py",
        "test/__init__.py",
        "tests/__init__.py",
        "winreg.py",
        "telnetlib.py",
        "demo-1.0.dist-info/METADATA",
    ],
)
def test_what_hides_nothing_is_not_told(path):
    assert told(path) == []


def test_only_the_standard_library_of_the_version_counts():
    assert told("telnetlib.py", runtime="python3.12") == ["shadows-standard-library telnetlib.py"]
    assert told("tomllib.py", runtime="python3.10") == []


def test_a_back_port_that_is_no_longer_needed_is_told_with_its_distribution():
    [found] = findings("dataclasses==0.6: dataclasses.py")
    assert (found.id, found.severity.value) == ("shadows-standard-library", "warning")
    assert "Leave out dataclasses==0.6: python3.13 has the module." in found.message


def test_a_back_port_of_what_was_removed_is_fine():
    assert told("legacy-cgi==2.6: cgi.py", "standard-telnetlib==3.13.0: telnetlib/__init__.py") == []


def test_a_module_beside_a_requirements_package_is_never_found():
    [found] = findings({**REQUESTS, "requests.py": ""})
    assert (found.id, found.path) == ("shadows-requirement", "requests.py")
    assert found.message == (
        "requests/__init__.py of requests==2.32.5 hides requests.py: both have one name for `import`. Rename yours."
    )


def test_a_package_of_the_users_hides_a_requirements_module():
    assert told("six/__init__.py", "six==1.17.0: six.py") == ["shadows-requirement six/__init__.py"]


def test_a_module_hides_a_namespace_of_requirements():
    assert told("google.py", "google-cloud-storage==3.0: google/cloud/storage.py") == ["shadows-requirement google.py"]


def test_a_module_named_as_the_runtimes_sdk_is_told_unless_it_is_required_or_vendored():
    assert told("boto3.py") == ["shadows-requirement boto3.py"]
    assert told("boto3==1.40: boto3/__init__.py", "vendor: six.py") == []


def test_a_module_and_a_folder_of_one_owner_are_his_own_business():
    assert told("helpers.py", "helpers/x.py", "demo==1: demo.py", "demo==1: demo/x.py") == []
    assert told("helpers.py", "helpers/__init__.py") == []


def test_namespaces_and_data_hide_nothing():
    assert told("vendor: google/auth.py", "google-x==1: google/cloud.py", "demo==1: demo.libs/x.so", "demo.py") == []


@pytest.mark.parametrize(
    ("index", "files", "other"),
    [
        ("requests.py", REQUESTS, "requests/__init__.py of requests==2.32.5, which Python finds first"),
        ("json.py", {}, "the standard library's json, which is loaded before"),
        ("time.py", {}, "the standard library's time, which is loaded before"),
        ("json/main.py", {"json/__init__.py": ""}, "the standard library's json, which is loaded before"),
        ("api.py", {"api/__init__.py": ""}, "api/__init__.py, which Python finds first"),
    ],
)
def test_a_handler_that_lambda_would_look_for_elsewhere_is_an_error(index, files, other):
    [found] = findings({**files, index: "def handler(event, context): pass"}, index=index)
    assert (found.id, found.severity.value, found.path) == ("handler-not-found", "error", index)
    assert found.message.startswith(f"Lambda imports {index.partition('/')[0].removesuffix('.py')}, and gets {other}; ")


def test_an_index_that_hides_a_standard_module_is_only_told():
    assert told("calendar.py", index="calendar.py") == ["shadows-standard-library calendar.py"]
