"""A stack with the document's example as its one function."""

from pathlib import Path

from aws_cdk import App, CfnOutput, Stack
from constructs import Construct
from host import ARCHITECTURE, RUNTIME

from cdk_lambda_package import PythonFunction


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


if __name__ == "__main__":
    app = App()
    DocumentStack(app, "DocumentExample")
    app.synth()
