"""What the tests with the CDK CLI share: one local AWS, and the examples deployed to it at once."""

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from base64 import b64encode
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
from local_aws import (
    ACCOUNT,
    REGION,
    ROOT,
    DeployedFunction,
    aws_client,
    cdk,
    fetch_function_zip,
    find_function,
    local_aws,
    unpack,
)
from pip_projects import FROZEN_INDEX
from postgres import find_programs, postgres
from this_host import CDK, require

from cdk_lambda_package.store import CACHE_DIR_VARIABLE

NO_POSTGRES = "host=localhost"


@dataclass(frozen=True)
class Deployment:
    """A copy of the examples, deployed; what is fetched and unpacked is kept in `folder`."""

    folder: Path
    environment: dict[str, str]
    database: str

    @property
    def examples(self) -> Path:
        return self.folder / "examples"

    def cdk(self, command: str, *arguments: str, synthesized: bool = False) -> str:
        """Run the CLI for the app with all stacks, or for what it synthesized last; return what it said."""
        output = self.folder / "cdk.out"
        app = str(output) if synthesized else f"{sys.executable} all_stacks.py"
        context = f"database={self.database}"
        done = cdk(
            command,
            *arguments,
            "--app",
            app,
            "--context",
            context,
            environment=self.environment,
            output=output,
            cwd=self.examples,
        )
        return done.stdout + done.stderr

    def deploy(self, *arguments: str, synthesized: bool = False) -> str:
        return self.cdk("deploy", *arguments, "--require-approval", "never", synthesized=synthesized)

    def function(self, stack: str, construct_id: str) -> DeployedFunction:
        return find_function(self.environment, stack, construct_id)

    def template(self, stack: str) -> dict:
        body = aws_client("cloudformation", self.environment).get_template(StackName=stack)["TemplateBody"]
        return body if isinstance(body, dict) else json.loads(body)

    def archive(self, function: DeployedFunction) -> Path:
        """Return a copy of the .zip that the function has, seen to be just that."""
        path = self.folder / function.key
        if not path.exists():
            fetch_function_zip(self.environment, function, path)
            with zipfile.ZipFile(path) as package:
                assert package.testzip() is None
        assert b64encode(hashlib.sha256(path.read_bytes()).digest()).decode() == function.sha256
        return path

    def task_root(self, function: DeployedFunction) -> Path:
        """Return the folder with the function's unpacked .zip."""
        folder = self.folder / "task" / function.key.removesuffix(".zip")
        return folder if folder.exists() else unpack(self.archive(function), folder)


@pytest.fixture(scope="session")
def aws(tmp_path_factory, shared_cache) -> Iterator[dict[str, str]]:
    """The environment that leads to a bootstrapped local AWS."""
    require(CDK)
    folder = tmp_path_factory.mktemp("aws")
    with local_aws(folder) as environment:
        environment |= {CACHE_DIR_VARIABLE: str(shared_cache), "PIP_UPLOADED_PRIOR_TO": FROZEN_INDEX}
        cdk("bootstrap", f"aws://{ACCOUNT}/{REGION}", environment=environment, output=folder / "cdk.out")
        yield environment


@pytest.fixture(scope="session")
def deployed(aws, tmp_path_factory) -> Iterator[Deployment]:
    """The examples, deployed by one call of the CLI."""
    folder = tmp_path_factory.mktemp("examples")
    examples = folder / "examples"
    # A copy, since code is edited, and vendor/ isn't part of a checkout.
    unwanted = shutil.ignore_patterns("__pycache__", "cdk.out")
    shutil.copytree(ROOT / "examples", examples, ignore=unwanted)
    make_vendor = [sys.executable, examples / "psycopg2_vendor" / "make_vendor.py"]
    subprocess.run(make_vendor, check=True, capture_output=True)
    programs = find_programs()
    with postgres(programs) if programs else nullcontext(NO_POSTGRES) as database:
        deployment = Deployment(folder, aws, database)
        deployment.deploy("--all", "--method=direct", "--concurrency", "4")
        yield deployment
