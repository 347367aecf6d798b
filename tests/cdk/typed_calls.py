"""Calls that type checkers accept, and calls that they reject: those on lines that end with `# error`."""

from datetime import timedelta

from aws_cdk import App, Duration, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs

from cdk_lambda_package import Packaging, PackagingDefaults, PythonFunction

stack = Stack(App(), "Shop")
RUNTIME = lambda_.Runtime.PYTHON_3_13

PythonFunction(stack, "Least", entry="orders", runtime=RUNTIME)
PythonFunction(stack, "NoRuntime", entry="orders")
PythonFunction(stack, "Size", entry="orders", runtime=RUNTIME, memory_size=512, timeout=Duration.seconds(30))
PythonFunction(stack, "Omitted", entry="orders", runtime=RUNTIME, memory_size=None, timeout=None, packaging=None)
PythonFunction(stack, "Environment", entry="orders", runtime=RUNTIME, environment={"STAGE": "test"})
PythonFunction(stack, "Vpc", entry="orders", runtime=RUNTIME, vpc=ec2.Vpc(stack, "Vpc"))
PythonFunction(stack, "Queue", entry="orders", runtime=RUNTIME, dead_letter_queue=sqs.Queue(stack, "Dead"))
PythonFunction(stack, "Logs", entry="orders", runtime=RUNTIME, log_group=logs.LogGroup(stack, "Logs"))
PythonFunction(stack, "Snap", entry="orders", runtime=RUNTIME, snap_start=lambda_.SnapStartConf.ON_PUBLISHED_VERSIONS)
PythonFunction(stack, "Packaged", entry="orders", runtime=RUNTIME, packaging=Packaging(exclude=["*.md"], smoke=True))
PythonFunction(stack, "Mapping", entry="orders", runtime=RUNTIME, packaging={"exclude": ["*.md"]})
Packaging(chalice="slim", follow_symlinks="never", uploaded_prior_to="7d", smoke_timeout=timedelta(seconds=5))
Packaging(before_packaging=[["npm", "run", "build"]], pip_environment={"PIP_RETRIES": "1"}, require_hashes=False)

PackagingDefaults.of(stack).set(Packaging(slim=True), runtime=RUNTIME, architecture=lambda_.Architecture.ARM_64)
PackagingDefaults.of(stack).set({"slim": True}, entries_may_set=["build_image"])
PythonFunction(stack, "Read", entry="orders").packaging.slim is True  # noqa: B015

PythonFunction(stack, "Misspelt", entry="orders", runtime=RUNTIME, memorysize=3)  # error
PythonFunction(stack, "Seconds", entry="orders", runtime=RUNTIME, timeout=30)  # error
PythonFunction(stack, "Text", entry="orders", runtime=RUNTIME, memory_size="512")  # error
PythonFunction(stack, "Runtime", entry="orders", runtime="python3.13")  # error
PythonFunction(stack, "Flat", entry="orders", runtime=RUNTIME, exclude=["*.md"])  # error
PythonFunction(stack, "Code", entry="orders", runtime=RUNTIME, code=lambda_.Code.from_inline(""))  # error
PythonFunction(stack, "Packaging", entry="orders", runtime=RUNTIME, packaging=Packaging(exlude=["*.md"]))  # error
PythonFunction(stack, "OnError", entry="orders", runtime=RUNTIME, on_error="ignore")  # error
PackagingDefaults.of(stack).set(runtime="python3.13")  # error
PackagingDefaults.of(stack).set(slim=True)  # error
Packaging(smoke="yes")  # error
Packaging(chalice="thin")  # error
Packaging(smoke_timeout=5)  # error
