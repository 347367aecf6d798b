"""A stack with the document's example as its one function."""

import platform
import sys
from pathlib import Path

from aws_cdk import App, CfnOutput, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk_lambda_package import PythonFunction

# The same Python and machine as here, so that the demo can also run what it deploys. An app of yours names its own:
# runtime=lambda_.Runtime.PYTHON_3_13, architecture=lambda_.Architecture.ARM_64. Any host can package for any of them.
RUNTIME = lambda_.Runtime(f"python3.{sys.version_info.minor}", lambda_.RuntimeFamily.PYTHON)
ARM = platform.machine() in {"arm64", "aarch64"}
ARCHITECTURE = lambda_.Architecture.ARM_64 if ARM else lambda_.Architecture.X86_64


class DocumentStack(Stack):
    """The function, and its name as an output."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        function = PythonFunction(
            self,
            "Function",
            entry=Path(__file__).parent / "app",
            runtime=RUNTIME,
            architecture=ARCHITECTURE,
        )
        CfnOutput(self, "FunctionName", value=function.function_name)


app = App()
DocumentStack(app, "DocumentExample")
app.synth()
