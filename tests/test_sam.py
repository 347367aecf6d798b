"""The AWS SAM CLI on the template of a CDK app: it is valid, and `sam local invoke` would mount the files of the package.

Docker isn't here. So the SAM CLI's own code is asked, in its own environment, for the function that it finds in the template, and for the folder that
it would mount.
"""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from entries import HANDLER, write_files
from local_aws import ROOT, TOOLS, cdk
from test_docs import DOCS
from test_docs_commands import Workshop, commands_of
from this_host import CDK, require, require_file

pytestmark = [pytest.mark.deploy, pytest.mark.thorough, pytest.mark.xdist_group("cdk")]

PAGE = DOCS / "how-to" / "invoke-with-sam.md"
SAM = ROOT / ".venv" / "peers" / "aws" / "bin" / "sam"
ASK = """
import json, os, sys
from samcli.commands.local.lib.local_lambda import LocalLambdaRunner
from samcli.lib.providers.sam_function_provider import SamFunctionProvider
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider
from samcli.local.lambdafn.runtime import LambdaRuntime

template, name = sys.argv[1:]
stacks, _ = SamLocalStackProvider.get_stacks(template)
provider = SamFunctionProvider(stacks)
function = provider.get(name)
config = LocalLambdaRunner(None, provider, os.getcwd(), os.getcwd()).get_invoke_config(function)
mount = LambdaRuntime(None, None)._get_code_dir

def files(folder):
    return sorted(os.path.relpath(os.path.join(place, one), folder) for place, _, found in os.walk(folder) for one in found)

print(json.dumps({
    "handler": config.handler,
    "runtime": config.runtime,
    "architecture": config.architecture,
    "code": config.code_abs_path,
    "files": files(mount(config.code_abs_path)),
    "layers": [files(mount(one.codeuri)) for one in function.layers],
}))
"""
STACK = """
from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_
from cdk_lambda_package import Packaging, PythonFunction

app = App()
stack = Stack(app, "Shop")
runtime = lambda_.Runtime.PYTHON_3_13
PythonFunction(stack, "Orders", entry="orders", runtime=runtime)
PythonFunction(
    stack,
    "Bills",
    entry="bills",
    runtime=runtime,
    architecture=lambda_.Architecture.ARM_64,
    packaging=Packaging(dependencies="layer"),
)
app.synth()
"""


@pytest.fixture
def shop(tmp_path) -> Workshop:
    """A workshop with a CDK app, and the variables that every client of AWS reads."""
    require(CDK)
    require_file(SAM)
    workshop = Workshop(tmp_path)
    workshop.write_app()
    files = {"app.py": HANDLER, "vendor/own.py": "A = 1\n", "chalicelib/__init__.py": ""}
    write_files(workshop.shop / "bills", files)
    app = json.dumps({"app": f"{sys.executable} stack.py"})
    write_files(workshop.shop, {"stack.py": STACK, "cdk.json": app})
    return workshop


def further(workshop: Workshop) -> dict[str, str]:
    """Return variables for the SAM CLI: it is found, asks no host of the internet, and needs no account."""
    _, _, path = workshop.environment["PATH"].partition(os.pathsep)
    return {
        # The first of PATH is left out where the real CDK CLI is run.
        "PATH": os.pathsep.join([str(workshop.root / "tools"), str(TOOLS), path, str(SAM.parent)]),
        "SAM_CLI_TELEMETRY": "0",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def ask(workshop: Workshop, name: str) -> dict:
    """Return what the SAM CLI knows of a function, by the id of its construct."""
    template = workshop.shop / "cdk.out" / "Shop.template.json"
    environment = {**os.environ, **further(workshop)}
    environment = {name: value for name, value in environment.items() if not name.startswith("PYTHON")}
    command = [SAM.parent / "python", "-c", ASK, str(template), name]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=workshop.shop)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def names_of(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as opened:
        return sorted(opened.namelist())


def test_the_template_is_valid_and_leads_to_the_files_of_the_package(shop):
    printed = shop.run(PAGE, real_cdk=True, further=further(shop))
    (invocation,) = (one.text for one in commands_of(PAGE) if one.text.startswith("sam local invoke"))
    words = invocation.split()
    assert words[4] == "--template"
    assert (shop.shop / words[5]).is_file()
    assert json.loads((shop.shop / words[7]).read_text()) == {"name": "Ada"}

    found = ask(shop, words[3])
    assert {name: found[name] for name in ("handler", "runtime", "architecture")} == {
        "handler": "app.handler",
        "runtime": "python3.13",
        "architecture": "x86_64",
    }
    archive = Path(found["code"])
    assert archive.parent == shop.shop / "cdk.out"
    assert {"app.py", "requests/__init__.py"} < set(found["files"])
    assert found["files"] == names_of(archive)
    # The page's way to see which archive it is.
    assert archive.name in next(text for command, text in printed.items() if command.startswith("grep"))


def test_a_layer_of_dependencies_is_found_too(shop):
    environment = {**shop.environment, **further(shop)}
    environment["PATH"] = environment["PATH"].partition(os.pathsep)[2]
    cdk("synth", "--quiet", environment=environment, output=shop.shop / "cdk.out", cwd=shop.shop)
    found = ask(shop, "Bills")
    assert found["architecture"] == "arm64"
    assert found["files"] == ["app.py", "chalicelib/__init__.py"]
    assert found["layers"] == [["python/lib/python3.13/site-packages/own.py"]]
