"""What the real CDK CLI shows of findings: those of all functions in one run, each once."""

import os
import subprocess
import sys

import pytest
from entries import HANDLER, write_files
from offline import ROOT
from this_host import CDK, SEARCH_PATH, require
from wheel_factory import build_wheel

pytestmark = [pytest.mark.deploy, pytest.mark.xdist_group("cdk")]

RUNTIME = "PYTHON_{}_{}".format(*sys.version_info[:2])
NOT_PINNED = "--no-index\n--find-links ./wheels\n"

APP = """
from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_
from cdk_lambda_package import PythonFunction

app = App()
stack = Stack(app, "Shop")
for name, options in {functions!r}.items():
    PythonFunction(stack, name, entry=name, runtime=lambda_.Runtime.{runtime}, **options)
app.synth()
"""


@pytest.fixture
def synth(tmp_path):
    """Runs `cdk synth` for functions by their options, whose entry directories are beside the app."""
    require(CDK)

    def synth(**functions):
        write_files(tmp_path, {"cdk_app.py": APP.format(functions=functions, runtime=RUNTIME)})
        environment = {
            **os.environ,
            "PATH": SEARCH_PATH,
            "PYTHONPATH": str(ROOT),
            "CDK_LAMBDA_PACKAGE_CACHE_DIR": str(tmp_path / "cache"),
        }
        argv = ["cdk", "synth", "--app", f"{sys.executable} cdk_app.py", "--output", str(tmp_path / "cdk.out")]
        return subprocess.run(
            [*argv, "--no-notices"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return synth


def write_conflict(folder):
    """Write an app with requirements that have other modules at the same path, and other LICENSEs."""
    write_files(folder, {"app.py": HANDLER, "requirements.txt": f"{NOT_PINNED}one\ntwo\n"})
    build_wheel(folder / "wheels", "one", files={"both.py": "A = 1\n", "also.py": "B = 1\n", "LICENSE": "a"})
    build_wheel(folder / "wheels", "two", files={"both.py": "A = 2\n", "also.py": "B = 2\n", "LICENSE": "b"})


def test_everything_wrong_with_all_functions_is_shown_by_one_synth(synth, tmp_path):
    write_conflict(tmp_path / "orders")
    write_files(tmp_path / "bills", {"app.py": HANDLER, "requirements.txt": "flask=>2.0\n"})
    write_files(tmp_path / "mails", {"app.py": f"import chalicelib.a\n{HANDLER}", "chalicelib/a.py": "\n1 / 0\n"})
    done = synth(orders={}, bills={}, mails={"packaging": {"smoke": True}})
    # jsii shows an exception twice: as node had it, and as Python has it.
    said = done.stderr.rpartition("RuntimeError: ")[2]
    assert done.returncode != 0
    once = [
        "both.py is provided with different content by",
        "also.py is provided with different content by",
        "write 'flask>=2.0'",
        "chalicelib/a.py:2: app can't be imported",
        "[smoke-failed]",
    ]
    assert {text: said.count(text) for text in once} == dict.fromkeys(once, 1), said
    assert said.count("[path-conflict]") == 2
    assert "[Shop/orders/Resource] orders: 2 problems:" in said
    assert "acknowledge=['path-conflict:both.py']" in said
    assert "`cdk-lambda-package findings smoke-failed`" in said


@pytest.mark.thorough
def test_warnings_are_annotations_and_what_is_acknowledged_stops_nothing(synth, tmp_path):
    write_conflict(tmp_path / "orders")
    write_files(tmp_path / "mails", {"app.py": f"import os\nos.environ['TABLE']\n{HANDLER}"})
    accepted = ["path-conflict:both.py", "path-conflict:also.py"]
    done = synth(
        orders={"packaging": {"acknowledge": accepted}},
        mails={"packaging": {"smoke": True}, "environment": {"OTHER": "x"}},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("[requirements-not-locked]") == 1
    for name in ("path-conflict-data", "variable-not-set"):
        assert done.stderr.count(f"cdk-lambda-package:{name}") == 1
    assert done.stderr.count("app.py:2: app can't be imported without the environment variable TABLE") == 1
    assert "both.py" not in done.stderr
