"""A synthesis that is killed while it writes the package, and what is deployed after that."""

import hashlib
import sys
from pathlib import Path

import pytest
from entries import package_request, write_files
from local_aws import cdk, fetch_function_zip, find_function
from offline import RUNTIME, write_offline_entry

from cdk_lambda_package.pipeline import package

pytestmark = [
    pytest.mark.deploy,
    pytest.mark.xdist_group("deploy"),
    pytest.mark.needs("limits for the sizes of files"),
]

NAME = "KilledExample"
# Past that size the system kills the process, at that byte, in the middle of a write, and asks nobody.
STACK = f"""
import os, resource, signal
from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_
from cdk_lambda_package import PythonFunction

if "LARGEST_FILE" in os.environ:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(os.environ["LARGEST_FILE"]),) * 2)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
app = App()
PythonFunction(Stack(app, "{NAME}"), "Function", entry="svc", runtime=lambda_.Runtime.PYTHON_3_13)
app.synth()
"""


@pytest.fixture
def app(tmp_path) -> Path:
    write_offline_entry(tmp_path / "svc")
    return write_files(tmp_path, {"stack.py": STACK, "cdk.json": f'{{"app": "{sys.executable} stack.py"}}', ".git": ""})


@pytest.mark.thorough
def test_what_a_killed_synthesis_left_is_never_deployed(aws, app, tmp_path):
    # It also fills the store: the .zip is then the one large file that a synthesis writes.
    whole = package(package_request(entry=app / "svc", runtime=RUNTIME), lambda _: tmp_path / "whole.zip")
    content, output = (tmp_path / "whole.zip").read_bytes(), app / "cdk.out"
    for size in (len(content) // 2, len(content) - 1):
        with pytest.raises(RuntimeError, match="Subprocess exited"):
            cdk("synth", environment={**aws, "LARGEST_FILE": str(size)}, output=output, cwd=app)
        (unfinished,) = output.glob(".asset.*")
        assert unfinished.read_bytes() == content[:size]
        unfinished.unlink()
        assert list(output.glob("asset.*")) == []
    with pytest.raises(RuntimeError, match="manifest"):
        cdk("deploy", "--app", str(output), environment=aws, output=output, cwd=app)
    # What another tool may have left, without a file beside it that is written first.
    asset = output / f"asset.{hashlib.sha256(whole.content_digest.encode()).hexdigest()}.zip"
    asset.write_bytes(content[: len(content) // 2])
    cdk("deploy", "--require-approval", "never", environment=aws, output=output, cwd=app)
    deployed = fetch_function_zip(aws, find_function(aws, NAME, "Function"), tmp_path / "deployed.zip")
    assert deployed.read_bytes() == content == asset.read_bytes()
