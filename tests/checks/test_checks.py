"""The registry of checks: a check is a module of the folder, and nothing lists it."""

import sys

from entries import write_files
from package_contents import package_contents

from cdk_lambda_package import checks

CHECK = """
from cdk_lambda_package.errors import Finding, Severity

def check(contents):
    yield Finding(id="no-readme", severity=Severity.NOTE, message=f"{contents.index} has no README.", path=contents.index)
"""


def test_a_new_module_is_found_by_itself(tmp_path, monkeypatch):
    write_files(tmp_path, {"readme.py": CHECK})
    contents = package_contents({"app.py": "def handler(event, context): ..."})
    assert checks.check(contents) == ()
    monkeypatch.setattr(checks, "__path__", [*checks.__path__, str(tmp_path)])
    assert [finding.id for finding in checks.check(contents)] == ["no-readme"]
    sys.modules.pop("cdk_lambda_package.checks.readme")


def test_findings_come_in_order_of_the_checks_and_of_the_files():
    contents = package_contents(
        {"app.py": "import nowhere\nimport telnetlib\nhandler = 1", "json.py": ""}, runtime="python3.13"
    )
    found = [finding.id for finding in checks.check(contents)]
    assert found == [
        "handler-not-callable",
        "import-not-found",
        "removed-from-standard-library",
        "shadows-standard-library",
    ]
