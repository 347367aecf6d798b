"""A function that talks to PostgreSQL, with psycopg2 from vendor/."""

from pathlib import Path

from aws_cdk import Annotations, App, CfnOutput, Duration, Stack
from constructs import Construct
from host import ARCHITECTURE, RUNTIME

from cdk_lambda_package import PythonFunction

ENTRY = Path(__file__).parent / "app"


class Psycopg2VendorStack(Stack):
    """The function; the context `database` is libpq's connection string: `cdk deploy -c database=host=…`."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        function = PythonFunction(
            self,
            "Visits",
            entry=ENTRY,
            runtime=RUNTIME,
            architecture=ARCHITECTURE,
            environment={"DATABASE": self.node.try_get_context("database") or "host=localhost dbname=postgres"},
            timeout=Duration.seconds(10),
        )
        if not (ENTRY / "vendor" / "psycopg2").is_dir():
            Annotations.of(self).add_error("app/vendor/ has no psycopg2; run make_vendor.py.")
        CfnOutput(self, "FunctionName", value=function.function_name)


if __name__ == "__main__":
    app = App()
    Psycopg2VendorStack(app, "Psycopg2VendorExample")
    app.synth()
