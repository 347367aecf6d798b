"""A local stand-in for AWS, and Lambda's runtime around a deployment package.

moto's server answers as CloudFormation, S3, IAM and Lambda; the runtime interface emulator and the runtime client
(`aws-lambda-rie`, `awslambdaric`) are AWS's own. Nothing here reaches a real account.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from processes import free_port, run, running, wait_for, wait_for_port

ACCOUNT = "123456789012"
REGION = "us-east-1"
BOOTSTRAP_BUCKET = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
TOOLS = Path(sys.executable).parent
ROOT = Path(__file__).parents[1]


def aws_environment(port: int) -> dict[str, str]:
    """Return the environment in which every AWS client talks to the given port of this machine only."""
    # What leads elsewhere; CDK_LAMBDA_PACKAGE_… are this package's own.
    foreign = re.compile("AWS_|CDK_(?!LAMBDA_PACKAGE_)")
    kept = {name: value for name, value in os.environ.items() if not foreign.match(name)}
    return {
        **kept,
        "PATH": os.pathsep.join([str(TOOLS), kept.get("PATH", "")]),
        # By this name and not as 127.0.0.1: moto then reads the template's URL path-style.
        "AWS_ENDPOINT_URL": f"http://localhost:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "NO_PROXY": "localhost,127.0.0.1",
        "no_proxy": "localhost,127.0.0.1",
    }


@contextmanager
def local_aws(folder: Path) -> Iterator[dict[str, str]]:
    """Start AWS's stand-in, with its log in `folder`; yield the environment that leads to it."""
    log = folder / "aws.log"
    # A port that is free when it starts: one that was found free before may be taken by then.
    command = [str(TOOLS / "moto_server"), "-H", "127.0.0.1", "-p", "0"]
    with running(command, log=log, environment=os.environ, cwd=folder) as process:
        yield aws_environment(wait_for(lambda: read_port(log), process, log))


def read_port(log: Path) -> int | None:
    """Return the port that moto's server says it listens on, or None as long as it doesn't."""
    found = re.search(r"Running on http://127\.0\.0\.1:(\d+)", log.read_text())
    return int(found[1]) if found else None


def cdk(
    *arguments: str, environment: Mapping[str, str], output: Path, cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run the CDK CLI, by default at the root of the repository; raises RuntimeError with all it said if it fails."""
    command = ["cdk", *arguments, "--output", str(output), "--no-notices"]
    path = environment.get("PATH")
    executable = shutil.which("cdk", path=path)
    if executable is None:
        raise RuntimeError(f"The CDK CLI is not on PATH ({path}); `make` installs it into .venv.")
    done = run([executable, *command[1:]], environment=environment, cwd=cwd)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


def aws_client(service: str, environment: Mapping[str, str]) -> Any:
    """Return boto3's client of a service."""
    session = boto3.Session(
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
    )
    return session.client(service, endpoint_url=environment["AWS_ENDPOINT_URL"])


@dataclass(frozen=True, kw_only=True, slots=True)
class DeployedFunction:
    """What AWS says of a function: `variables` is its environment, `key` its code's in the bootstrap bucket."""

    name: str
    handler: str
    variables: Mapping[str, str]
    key: str
    sha256: str
    """Of the code, in base64."""


def find_function(environment: Mapping[str, str], stack: str, construct_id: str) -> DeployedFunction:
    """Return a function of a stack, by the id of its construct."""
    resources = aws_client("cloudformation", environment).describe_stack_resources(StackName=stack)["StackResources"]
    (name,) = (
        resource["PhysicalResourceId"]
        for resource in resources
        # CDK puts a hash of eight digits behind the path of ids.
        if resource.get("ResourceType") == "AWS::Lambda::Function"
        and resource["LogicalResourceId"][:-8] == construct_id
    )
    function = aws_client("lambda", environment).get_function(FunctionName=name)
    configuration = function["Configuration"]
    return DeployedFunction(
        name=name,
        handler=configuration["Handler"],
        variables=configuration.get("Environment", {}).get("Variables", {}),
        key=function["Code"]["Location"].rpartition("/")[2],
        sha256=configuration["CodeSha256"],
    )


def fetch_function_zip(environment: Mapping[str, str], function: DeployedFunction, destination: Path) -> Path:
    """Download a function's code from the bootstrap bucket; return the path of the copy."""
    aws_client("s3", environment).download_file(BOOTSTRAP_BUCKET, function.key, str(destination))
    return destination


def missing_for_invocation() -> str | None:
    """Return what is not here of Lambda's runtime, or None if a package can be invoked on this machine."""
    if not (TOOLS / "aws-lambda-rie").exists():
        return "aws-lambda-rie, the runtime interface emulator, which exists for Linux"
    probe = subprocess.run([sys.executable, "-c", "import awslambdaric"], capture_output=True, check=False)
    return "awslambdaric, Lambda's runtime client for Python" if probe.returncode else None


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a deployment package with its modes, as Lambda does; return the folder."""
    with zipfile.ZipFile(archive) as package:
        for member in package.infolist():
            path = Path(package.extract(member, folder))
            path.chmod(member.external_attr >> 16 & 0o777)
    return folder


def invoke(task_root: Path, handler: str, event: Mapping[str, object], *, log: Path) -> object:
    """Run the unpacked package behind Lambda's emulator, send it one event and return its answer."""
    with emulator(task_root, handler, log=log) as call:
        return call(event)


def emulator_command(handler: str, *python: str, port: int) -> list[str]:
    """Return the command of Lambda's emulator at a port, with the handler in a Python, which may have options."""
    return [
        str(TOOLS / "aws-lambda-rie"),
        "--runtime-interface-emulator-address",
        f"127.0.0.1:{port}",
        "--runtime-api-address",
        f"127.0.0.1:{free_port()}",
        *python,
        "-m",
        "awslambdaric",
        handler,
    ]


@contextmanager
def emulator(
    task_root: Path,
    handler: str,
    *,
    log: Path,
    variables: Mapping[str, str] | None = None,
    layers: Path | None = None,
) -> Iterator[Callable[[Mapping[str, object]], object]]:
    """Run the unpacked package behind Lambda's emulator; yield what sends it an event and returns the answer.

    `layers` has what is below /opt on Lambda.
    """
    runtime = f"python3.{sys.version_info.minor}"
    folders = [layers / "python" / "lib" / runtime / "site-packages", layers / "python"] if layers is not None else []
    port = free_port()
    command = emulator_command(handler, sys.executable, port=port)
    environment = {
        **os.environ,
        **(variables or {}),
        "LAMBDA_TASK_ROOT": str(task_root),
        "PYTHONPATH": os.pathsep.join(map(str, [task_root, *folders])),
    }
    url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
    with running(command, log=log, environment=environment, cwd=task_root) as process:
        wait_for_port(port, process, log)
        yield lambda event: post(url, event, log=log)


def post(url: str, event: Mapping[str, object], *, log: Path, seconds: float = 30) -> object:
    """Send an event and return the decoded answer; raises RuntimeError for an error of the handler, or if that takes longer."""
    # No proxy: the address is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, data=json.dumps(event).encode()), timeout=seconds) as response:
            answer = json.load(response)
    # A limit that passes while the answer is read is no URLError.
    except (OSError, ValueError) as error:
        raise RuntimeError(f"The function didn't answer ({error}):\n{log.read_text(errors='replace')}") from error
    if isinstance(answer, dict) and "errorType" in answer:
        raise RuntimeError(f"The handler failed: {json.dumps(answer, indent=2)}")
    return answer
