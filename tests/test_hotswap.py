"""`cdk deploy --hotswap` of a function whose dependencies are in a layer: only its own code is uploaded and replaced."""

import hashlib
import sys
from base64 import b64encode

import pytest
from entries import write_files
from local_aws import BOOTSTRAP_BUCKET, aws_client, cdk, emulator, find_function, unpack
from this_host import require_lambda

from cdk_lambda_package import cli

# One worker has the one local AWS.
pytestmark = [pytest.mark.deploy, pytest.mark.xdist_group("deploy")]

STACK = """
import sys
from aws_cdk import App, DefaultStackSynthesizer, Stack
from aws_cdk import aws_lambda as lambda_
from cdk_lambda_package import Packaging, PythonFunction

app = App(default_stack_synthesizer=DefaultStackSynthesizer(generate_bootstrap_version_rule=False))
runtime = lambda_.Runtime("python{}.{}".format(*sys.version_info), lambda_.RuntimeFamily.PYTHON)
packaging = Packaging(dependencies="layer")
PythonFunction(Stack(app, "Hotswapped"), "Function", entry="svc", runtime=runtime, packaging=packaging)
app.synth()
"""
RUNTIME = "python{}.{}".format(*sys.version_info)
APP = "import own\ndef handler(event, context):\n    return own.A + {}\n"


@pytest.fixture
def app(tmp_path):
    """A folder with the app, which is edited."""
    return write_files(
        tmp_path / "app", {"stack.py": STACK, "svc/app.py": APP.format(1), "svc/vendor/own.py": "A = 40\n"}
    )


def archives(aws):
    """Return the keys of all .zip file archives that were uploaded."""
    pages = aws_client("s3", aws).get_paginator("list_objects_v2").paginate(Bucket=BOOTSTRAP_BUCKET)
    return {one["Key"] for page in pages for one in page.get("Contents", ()) if one["Key"].endswith(".zip")}


def deploy(app, aws, *options):
    """Deploy; return what the CLI says, and the keys of what it uploaded."""
    before = archives(aws)
    arguments = ("--app", f"{sys.executable} stack.py", "--require-approval", "never", *options)
    done = cdk("deploy", *arguments, environment=aws, output=app / "cdk.out", cwd=app)
    return done.stdout + done.stderr, archives(aws) - before


def template(aws):
    return aws_client("cloudformation", aws).get_template(StackName="Hotswapped")["TemplateBody"]


@pytest.mark.thorough
def test_an_edit_is_hotswapped_with_the_functions_own_code_and_the_layer_stays(aws, app, tmp_path, capsys):
    def fetch(name, key):
        aws_client("s3", aws).download_file(BOOTSTRAP_BUCKET, key, str(tmp_path / name))
        return tmp_path / name

    _, uploaded = deploy(app, aws, "--method=direct")
    before = template(aws)
    (layer,) = (one for one in before["Resources"].values() if one["Type"] == "AWS::Lambda::LayerVersion")
    shared = layer["Properties"]["Content"]["S3Key"]
    assert len(uploaded) == 2
    assert shared in uploaded

    (app / "svc" / "app.py").write_text(APP.format(2))
    told, uploaded = deploy(app, aws, "--hotswap")
    function = find_function(aws, "Hotswapped", "Function")
    assert f"'{function.name}' hotswapped!" in told
    # The call of UpdateFunctionCode named the one object that was uploaded, and the stack is as it was.
    assert uploaded == {function.key}
    assert template(aws) == before
    own, layer_zip = fetch("own.zip", function.key), fetch("layer.zip", shared)
    assert b64encode(hashlib.sha256(own.read_bytes()).digest()).decode() == function.sha256
    assert own.stat().st_size < 1000

    # Both are those of the source, and the function answers with both.
    named = ["--zip", str(own), "--layer-zip", str(layer_zip), "--cache-dir", str(tmp_path / "cache")]
    argv = ["verify", str(app / "svc"), "--runtime", RUNTIME, "--dependencies=layer", *named]
    assert cli.main(argv) == 0, capsys.readouterr()
    require_lambda()
    task, opt = unpack(own, tmp_path / "task"), unpack(layer_zip, tmp_path / "opt")
    with emulator(task, function.handler, log=tmp_path / "log", layers=opt) as call:
        assert call({}) == 42
