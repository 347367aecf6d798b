"""The construct in TypeScript: compiled by the real tsc, synthesized by the real CDK CLI, with the asset of `PythonFunction`."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from entries import HANDLER, write_files
from local_aws import TOOLS, cdk
from offline import ROOT
from test_docs import DOCS
from test_docs_commands import commands_of, shows
from this_host import CDK, require, require_file

pytestmark = [pytest.mark.deploy, pytest.mark.xdist_group("cdk")]

PAGE = DOCS / "how-to" / "use-from-typescript.md"
MODULES = ROOT / ".venv" / "typescript" / "node_modules"
# npm isn't here: as npx does, it runs a program that the app has installed.
NPX = '#!/bin/sh\nprogram=$1\nshift\nexec "node_modules/.bin/$program" "$@"\n'
TWO_FUNCTIONS = """
import { App, Stack } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { PythonFunction } from './python-function';

const app = new App();
const stack = new Stack(app, 'Shop');
const runtime = lambda.Runtime.PYTHON_3_13;
new PythonFunction(stack, 'Orders', { entry: 'orders', runtime });
new PythonFunction(stack, 'Refunds', {
  entry: 'orders',
  runtime,
  architecture: lambda.Architecture.ARM_64,
  handler: 'refund',
  options: ['--exclude', '*.md'],
  memorySize: 512,
});
"""
TWO_HANDLERS = f"{HANDLER}\n\ndef refund(event, context):\n    return event\n"


@pytest.fixture
def app(tmp_path) -> Path:
    """A copy of the example, with what npm has installed."""
    require(CDK)
    require_file(MODULES)
    folder = tmp_path / "shop"
    unwanted = shutil.ignore_patterns("node_modules", "build", "cdk.out", "__pycache__")
    shutil.copytree(ROOT / "examples" / "typescript", folder, ignore=unwanted)
    (folder / "node_modules").symlink_to(MODULES)
    return folder


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    tools = write_files(tmp_path / "tools", {"npx": NPX})
    (tools / "npx").chmod(0o755)
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(tools), str(TOOLS), os.environ["PATH"]]),
        # The CDK CLI asks no host of the internet.
        "CDK_NOTICES": "false",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
    }


def synthesize(app: Path, environment: dict[str, str]) -> tuple[dict, str]:
    """Return the template, and what the CLI says."""
    done = cdk("synth", "--quiet", environment=environment, output=app / "cdk.out", cwd=app)
    return json.loads((app / "cdk.out" / "Shop.template.json").read_text()), done.stdout + done.stderr


def functions_of(template: dict) -> dict[str, dict]:
    """Return the properties of the functions, by the ids of their constructs."""
    functions = {
        name[:-8]: resource["Properties"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Function"
    }
    for properties in functions.values():
        del properties["Role"]
    return functions


def test_the_asset_is_that_of_the_construct_in_python(app, environment, tmp_path, monkeypatch):
    import aws_cdk
    from aws_cdk import aws_lambda as lambda_

    from cdk_lambda_package import Packaging, PythonFunction

    write_files(app, {"stack.ts": TWO_FUNCTIONS, "orders/app.py": TWO_HANDLERS, "orders/chalicelib/notes.md": "\n"})
    (app / "orders" / "requirements.txt").unlink()
    write_files(app, {"orders/vendor/own.py": "A = 1\n"})
    ours, _ = synthesize(app, environment)

    monkeypatch.chdir(app)
    python_app = aws_cdk.App(outdir=str(tmp_path / "python.out"))
    stack = aws_cdk.Stack(python_app, "Shop")
    runtime = lambda_.Runtime.PYTHON_3_13
    PythonFunction(stack, "Orders", entry="orders", runtime=runtime)
    PythonFunction(
        stack,
        "Refunds",
        entry="orders",
        runtime=runtime,
        architecture=lambda_.Architecture.ARM_64,
        handler="refund",
        packaging=Packaging(exclude=["*.md"]),
        memory_size=512,
    )
    template = python_app.synth().get_stack_by_name("Shop").template

    functions = functions_of(ours)
    assert functions == functions_of(template)
    assert functions["Orders"]["Code"] != functions["Refunds"]["Code"]
    for properties in functions.values():
        asset = f"asset.{properties['Code']['S3Key']}"
        assert (app / "cdk.out" / asset).read_bytes() == (tmp_path / "python.out" / asset).read_bytes()


@pytest.mark.thorough
@pytest.mark.network
def test_the_commands_of_the_page_print_what_it_shows(app, environment):
    commands = [one for one in commands_of(PAGE) if one.reason is None]
    assert [one.text.split()[0] for one in commands].count("cdk") == 2
    for command in commands:
        done = subprocess.run(
            ["sh", "-c", command.text], cwd=app, env=environment, capture_output=True, text=True, timeout=300
        )
        told = done.stdout + done.stderr
        fails = any(line.startswith("Error: ") for line in command.output)
        assert (done.returncode != 0) == fails, f"{command.text}\n{told}"
        assert shows(command.output, told.splitlines()), f"{command.text}\n{told}"


def test_an_error_is_shown_as_the_command_says_it(app, environment):
    write_files(app, {"orders/app.py": "import nowhere\n\n\n" + HANDLER})
    (app / "orders" / "requirements.txt").unlink()
    with pytest.raises(RuntimeError) as raised:
        synthesize(app, environment)
    lines = str(raised.value).splitlines()
    assert "Error: Shop/Orders can't be packaged." in lines
    assert any("orders/app.py:1: " in line and "nowhere" in line for line in lines)
    # No line of compressed JavaScript.
    assert max(map(len, lines)) < 600


def test_a_handler_that_is_unknown_is_an_error(app, environment):
    write_files(app, {"orders/app.py": "A = 1\n"})
    (app / "orders" / "requirements.txt").unlink()
    with pytest.raises(RuntimeError, match=r"Shop/Orders can't be packaged(.|\n)*handler"):
        synthesize(app, environment)


def test_a_command_that_is_missing_is_an_error_that_says_so(app, environment):
    (app / "bin").mkdir()
    for name in ("node", "cdk", "sh", "env", "readlink", "dirname", "uname"):
        (app / "bin" / name).symlink_to(shutil.which(name, path=environment["PATH"]))
    environment["PATH"] = f"{environment['PATH'].partition(os.pathsep)[0]}{os.pathsep}{app / 'bin'}"
    with pytest.raises(
        RuntimeError, match="cdk-lambda-package can't be started .*ENOENT.*Is it installed, and on PATH"
    ):
        synthesize(app, environment)


@pytest.mark.thorough
def test_a_warning_is_an_annotation(app, environment):
    write_files(app, {"orders/app.py": HANDLER})
    (app / "orders" / "requirements.txt").unlink()
    stack = app / "stack.ts"
    stack.write_text(stack.read_text().replace("entry: 'orders',", "entry: 'orders', options: ['--include', 'no/**'],"))
    _, told = synthesize(app, environment)
    # The CDK CLI of each version shows it in another form.
    assert "include has 'no/**'" in told
    assert "cdk-lambda-package:include-selects-nothing" in told


@pytest.mark.thorough
def test_a_stack_that_is_not_bundled_needs_no_package(app, environment):
    shutil.rmtree(app / "orders")
    done = cdk("ls", environment=environment, output=app / "cdk.out", cwd=app)
    assert done.stdout == "Shop\n"
