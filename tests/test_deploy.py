"""The document's example through the real CDK CLI, to a local AWS, and from there into Lambda's emulator."""

import json
import zipfile
from pathlib import Path

import pytest
from entries import package_request
from local_aws import (
    ROOT,
    cdk,
    fetch_function_zip,
    find_function,
    invoke,
    unpack,
)
from this_host import require_lambda

from cdk_lambda_package.pipeline import package

# One worker has the one local AWS.
pytestmark = [pytest.mark.deploy, pytest.mark.xdist_group("deploy")]

STACK = "DocumentExample"


@pytest.fixture(scope="session")
def deployment(aws, tmp_path_factory):
    """The folder with `cdk.out`, what the CLI said, and the .zip as it came back from the bucket."""
    folder = tmp_path_factory.mktemp("deployment")
    output = folder / "cdk.out"
    synth = cdk("synth", STACK, "--json", environment=aws, output=output)
    cdk("deploy", STACK, "--require-approval", "never", environment=aws, output=output)
    fetch_function_zip(aws, find_function(aws, STACK, "Function"), folder / "deployed.zip")
    (folder / "synth.stdout").write_text(synth.stdout)
    (folder / "synth.stderr").write_text(synth.stderr)
    return folder


def top_level(archive: Path) -> set[str]:
    with zipfile.ZipFile(archive) as package:
        assert package.testzip() is None
        return {name.split("/")[0] for name in package.namelist()}


def test_the_documents_tree_arrives_in_the_bucket(deployment):
    assert top_level(deployment / "deployed.zip") == {
        "app.py",
        "chalicelib",
        "internalpackage",
        "sortedcontainers",
        "sortedcontainers-1.5.4.dist-info",
    }


def test_what_arrives_is_what_was_synthesized(deployment):
    (asset,) = (deployment / "cdk.out").glob("asset.*.zip")
    assert asset.read_bytes() == (deployment / "deployed.zip").read_bytes()


def test_what_arrives_is_what_package_makes(deployment, tmp_path):
    template = json.loads((deployment / "synth.stdout").read_text())
    (function,) = (item for item in template["Resources"].values() if item["Type"] == "AWS::Lambda::Function")
    runtime, (architecture,) = function["Properties"]["Runtime"], function["Properties"]["Architectures"]
    request = package_request(entry=ROOT / "examples" / "document" / "app", runtime=runtime, architecture=architecture)
    made = package(request, lambda _: tmp_path / "package.zip")
    assert made.path.read_bytes() == (deployment / "deployed.zip").read_bytes()


def test_stdout_of_synth_is_the_template_alone(deployment):
    template = json.loads((deployment / "synth.stdout").read_text())
    (function,) = (item for item in template["Resources"].values() if item["Type"] == "AWS::Lambda::Function")
    assert function["Properties"]["Handler"] == "app.handler"


def test_synth_runs_on_a_supported_node(deployment):
    assert "end-of-life" not in (deployment / "synth.stderr").read_text()


def test_the_deployed_package_answers_behind_lambdas_emulator(deployment):
    require_lambda()
    task_root = unpack(deployment / "deployed.zip", deployment / "task")
    answer = invoke(task_root, "app.handler", {"name": "Lambda"}, log=deployment / "lambda.log")
    assert answer["greeting"] == "Hello, Lambda!"
    assert answer["sortedcontainers"] == "1.5.4"
