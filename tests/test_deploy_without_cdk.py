"""The command line's .zip file archive through the real AWS CLI, to a local AWS."""

import io
import json
import os
import zipfile

import pytest
from local_aws import ROOT, aws_client, local_aws
from test_docs import DOCS
from test_docs_commands import Workshop
from this_host import has_tools, require_file

pytestmark = pytest.mark.thorough

PAGE = DOCS / "how-to" / "deploy-without-cdk.md"
AWS = ROOT / ".venv" / "peers" / "aws" / "bin" / "aws"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})


@pytest.fixture
def empty_function(tmp_path):
    """A local AWS with a function and a bucket, as the page takes them for granted."""
    require_file(AWS)
    with local_aws(tmp_path) as environment:
        role = aws_client("iam", environment).create_role(RoleName="orders", AssumeRolePolicyDocument=TRUST)
        package = io.BytesIO()
        with zipfile.ZipFile(package, "w") as archive:
            archive.writestr("app.py", "")
        aws_client("lambda", environment).create_function(
            FunctionName="orders",
            Role=role["Role"]["Arn"],
            Code={"ZipFile": package.getvalue()},
            Runtime="python3.13",
            Handler="app.handler",
        )
        aws_client("s3", environment).create_bucket(Bucket="packages-of-shop")
        yield environment


@pytest.mark.skipif(not has_tools("openssl"), reason="this host lacks openssl")
def test_the_commands_of_the_page_replace_the_functions_code(empty_function, tmp_path):
    workshop = Workshop(tmp_path / "workshop")
    workshop.write_app()
    variables = {name: value for name, value in empty_function.items() if name.startswith("AWS_")}
    path = os.pathsep.join([workshop.environment["PATH"], str(AWS.parent)])
    printed = workshop.run(PAGE, further={**variables, "PATH": path})

    told = {command: output.strip() for command, output in printed.items()}
    digest = next(output for command, output in told.items() if command.startswith("openssl"))
    updates = [output for command, output in told.items() if "update-function-code" in command]
    assert updates == [digest, digest]
    function = aws_client("lambda", empty_function).get_function(FunctionName="orders")["Configuration"]
    assert function["CodeSha256"] == digest
    described = json.loads((workshop.shop / "build" / "orders.json").read_text())
    assert function["Handler"] == described["handler"]
    assert function["Architectures"] == [described["architecture"]]
