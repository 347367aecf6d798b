"""pandas and pyarrow for both architectures, from one entry."""

from pathlib import Path

from aws_cdk import App, Duration, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct
from host import RUNTIME

from cdk_lambda_package import Packaging, PythonFunction

# What of the requirements the function doesn't use. Lambda takes 262,144,000 bytes unzipped, and pandas with today's
# pyarrow comes to more than that.
UNUSED = [
    "tests/",
    "*.pyi",  # for type checkers
    "*.pxd",  # for Cython
    "pyarrow/include/",  # for C++
    "pyarrow/*flight*",  # Arrow's own network protocol
]


class DataStack(Stack):
    """The same function twice, on x86_64 and on arm64."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        for name, architecture in (("Intel", lambda_.Architecture.X86_64), ("Arm", lambda_.Architecture.ARM_64)):
            PythonFunction(
                self,
                name,
                entry=Path(__file__).parent / "app",
                runtime=RUNTIME,
                architecture=architecture,
                memory_size=1024,
                timeout=Duration.seconds(30),
                packaging=Packaging(exclude_from_requirements=UNUSED),
            )


if __name__ == "__main__":
    app = App()
    DataStack(app, "DataExample")
    app.synth()
