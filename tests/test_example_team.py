"""The example of a team: twenty functions of three stacks with one layer, deployed by the real CDK CLI to a local AWS.

Its commands for the whole app are tried too.
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile

import pytest
from local_aws import BOOTSTRAP_BUCKET, ROOT, aws_client, cdk, emulator, unpack
from this_host import require_lambda

from cdk_lambda_package.cli import main

pytestmark = pytest.mark.network
# One worker has the one local AWS.
deploying = [pytest.mark.deploy, pytest.mark.thorough, pytest.mark.xdist_group("deploy")]

APP = """
from aws_cdk import App, DefaultStackSynthesizer
from team.stack import define

# Without the rule that looks at the version of the bootstrap stack: moto can't evaluate it when a stack is updated.
app = App(default_stack_synthesizer=DefaultStackSynthesizer(generate_bootstrap_version_rule=False))
define(app)
app.synth()
"""
STACKS = ("TeamOrders", "TeamBilling", "TeamShipping")


def mark_deploying(test):
    """Mark a test that deploys."""
    for mark in deploying:
        test = mark(test)
    return test


@pytest.fixture
def examples(tmp_path):
    """A copy of the example, which is edited."""
    folder = tmp_path / "examples"
    shutil.copytree(
        ROOT / "examples" / "team", folder / "team", ignore=shutil.ignore_patterns("__pycache__", "cdk.out")
    )
    shutil.copy(ROOT / "examples" / "host.py", folder)
    (folder / "app.py").write_text(APP)
    return folder


def deploy(examples, aws):
    """Deploy all stacks; return the sizes of the objects that this uploaded, by their keys."""
    client = aws_client("s3", aws)

    def objects():
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=BOOTSTRAP_BUCKET)
        return {one["Key"]: one["Size"] for page in pages for one in page.get("Contents", ())}

    before = objects()
    arguments = ("--all", "--method=direct", "--concurrency", "3", "--require-approval", "never")
    app = ("--app", f"{sys.executable} app.py")
    cdk("deploy", *arguments, *app, environment=aws, output=examples / "cdk.out", cwd=examples)
    return {key: size for key, size in objects().items() if key not in before and key.endswith(".zip")}


def resources(examples, kind):
    """Return the resources of a kind in the templates, by stack."""
    found = {}
    for stack in STACKS:
        template = json.loads((examples / "cdk.out" / f"{stack}.template.json").read_text())
        found[stack] = {
            name: one["Properties"]
            for name, one in template["Resources"].items()
            if one["Type"] == f"AWS::Lambda::{kind}"
        }
    return found


def layer_of(examples):
    """Return the key of the one asset that the layers of all stacks have."""
    layers = [list(one.values()) for one in resources(examples, "LayerVersion").values()]
    assert [len(one) for one in layers] == [1, 1, 1]
    (key,) = {one["Content"]["S3Key"] for (one,) in layers}
    return key


def versions(examples):
    return {(stack, name) for stack, found in resources(examples, "Version").items() for name in found}


def answer(examples, aws, folder):
    """Invoke a deployed function behind Lambda's emulator, with the layer's files in the place of /opt."""
    require_lambda()
    # By the template: moto updates the code of a published version, in place of the function's.
    functions = resources(examples, "Function")["TeamOrders"].values()
    (function,) = (one for one in functions if one["Handler"] == "orders.create.handler")
    assert len(function["Layers"]) == 1
    for name, key in {"task": function["Code"]["S3Key"], "opt": layer_of(examples)}.items():
        aws_client("s3", aws).download_file(BOOTSTRAP_BUCKET, key, str(folder / f"{name}.zip"))
        unpack(folder / f"{name}.zip", folder / name)
    with emulator(folder / "task", function["Handler"], log=folder / "log", layers=folder / "opt") as call:
        return call({"numbers": [3, 1, 2]})


@mark_deploying
def test_edits_upload_kilobytes_and_other_requirements_move_the_aliases(examples, aws, tmp_path):
    uploaded = deploy(examples, aws)
    first, before = layer_of(examples), versions(examples)
    assert sum(map(len, resources(examples, "Function").values())) == 20
    # A package for each service, and the layer.
    assert len(uploaded) == 4
    assert first in uploaded
    (tmp_path / "first").mkdir()
    told = answer(examples, aws, tmp_path / "first")
    assert told == {"function": "orders.create", "numbers": [1, 2, 3], "release": "2.3.0"}

    module = examples / "team" / "services" / "orders" / "create.py"
    module.write_text(module.read_text().replace("list(numbers)", "list(numbers)[::-1]"))
    uploaded = deploy(examples, aws)
    assert layer_of(examples) == first
    assert len(uploaded) == 1
    assert sum(uploaded.values()) < 10_000
    edited = versions(examples)
    # The seven functions of the service have its folder.
    assert len(edited - before) == 7

    (examples / "team" / "services" / "requirements.txt").write_text("sortedcontainers==2.4.0\n")
    uploaded = deploy(examples, aws)
    assert list(uploaded) == [layer_of(examples)]
    assert not versions(examples) & edited
    (tmp_path / "second").mkdir()
    assert answer(examples, aws, tmp_path / "second") == {
        "function": "orders.create",
        "numbers": [3, 2, 1],
        "release": "2.4.0",
    }


@pytest.mark.thorough
@pytest.mark.xdist_group("cdk")
def test_one_command_locks_and_checks_all_functions(examples, monkeypatch, capsys):
    monkeypatch.chdir(examples)
    app = ("--app", f"{sys.executable} app.py")
    lock, requirements = (
        examples / "team" / "services" / "pylock.toml",
        examples / "team" / "services" / "requirements.txt",
    )
    assert main(["lock", *app]) == 0
    assert "of 20 constructs" in capsys.readouterr().out
    assert main(["lock", *app, "--check"]) == 0
    assert main(["check", *app]) == 0
    assert "20 functions can be packaged" in capsys.readouterr().out

    requirements.write_text(requirements.read_text() + "six\n")
    assert main(["lock", *app, "--check"]) == 1
    assert "team/services/pylock.toml is out of date" in capsys.readouterr().err
    assert b"six" not in lock.read_bytes()
    # A lock that doesn't have what is required is an error of each function.
    assert main(["check", *app]) == 1
    assert "cdk-lambda-package lock --app" in capsys.readouterr().out
    assert main(["lock", *app]) == 0
    assert b"six" in lock.read_bytes()
    subprocess.run([sys.executable, "app.py"], env={**os.environ, "CDK_OUTDIR": str(examples / "cdk.out")}, check=True)
    layers = {
        one["Content"]["S3Key"] for found in resources(examples, "LayerVersion").values() for one in found.values()
    }
    (asset,) = [examples / "cdk.out" / f"asset.{key}" for key in layers]
    assert any(name.endswith("/six.py") for name in zipfile.ZipFile(asset).namelist())

    assert main(["config", "--app", f"{sys.executable} app.py", "TeamOrders/Create"]) == 0
    shown = capsys.readouterr().out
    assert [line.split() for line in shown.splitlines() if "dependencies" in line] == [
        ["dependencies", '"layer"', "PackagingDefaults", "of", "the", "app"]
    ]
