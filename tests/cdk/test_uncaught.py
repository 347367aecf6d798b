"""What an app's process prints of an error that it doesn't catch."""

import subprocess
import sys

import pytest
from entries import HANDLER, write_files

pytest.importorskip("aws_cdk", reason="aws-cdk-lib, or the node that it runs on, isn't here", exc_type=ImportError)

APP = """
import sys
{before}
from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_
from cdk_lambda_package import PythonFunction

app = App()
PythonFunction(Stack(app, "S"), "F", entry={entry!r}, runtime=lambda_.Runtime.PYTHON_3_13)
{after}
app.synth()
"""


def said(folder, entry, *, before="", after=""):
    """Run an app, and return what it says on stderr, without jsii's warnings about node."""
    write_files(folder, {"app.py": APP.format(entry=entry, before=before, after=after)})
    done = subprocess.run([sys.executable, "app.py"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    return "\n".join(line for line in done.stderr.splitlines() if not line.startswith("b'"))


def test_an_error_in_the_content_is_printed_once_with_its_id_and_the_frames_of_the_app(tmp_path):
    write_files(tmp_path, {"svc/app.py": HANDLER, "svc/requirements.txt": "flask=>2\n"})
    told = said(tmp_path, "svc")
    assert told.count("write 'flask>=2'. [requirements-not-resolved]") == 1
    assert told.count("  File ") == 1
    assert "app.synth()" in told


def test_a_wrong_entry_shows_the_line_of_the_app_and_no_frame_of_a_library(tmp_path):
    told = said(tmp_path, "")
    assert told.endswith("OptionError: entry is ''; give a path, as a string or a Path, such as 'orders'.")
    assert told.count("  File ") == 1
    assert "PythonFunction(Stack" in told


def test_other_errors_and_hooks_of_the_apps_own_stay_as_they_are(tmp_path):
    write_files(tmp_path, {"svc/app.py": HANDLER})
    assert "ZeroDivisionError: division by zero" in said(tmp_path, "svc", after="1 / 0")
    told = said(tmp_path, "", before="sys.excepthook = lambda kind, error, trace: sys.stderr.write('mine')")
    assert told == "mine"
