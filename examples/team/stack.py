"""Twenty functions of three stacks with one set of dependencies, which each stack has in a layer."""

from pathlib import Path

from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct
from host import ARCHITECTURE, RUNTIME

from cdk_lambda_package import Packaging, PackagingDefaults, PythonFunction

SERVICES = Path(__file__).parent / "services"


class ServiceStack(Stack):
    """A function for each module of a service, with an alias that follows its version."""

    def __init__(self, scope: Construct, construct_id: str, *, service: str) -> None:
        super().__init__(scope, construct_id)
        for module in sorted((SERVICES / service).glob("*.py")):
            function = PythonFunction(
                self,
                module.stem.title().replace("_", ""),
                entry=SERVICES,
                index=f"{service}/{module.name}",
            )
            lambda_.Alias(self, f"{module.stem.title()}Alias", alias_name="live", version=function.current_version)


def define(app: App) -> None:
    """Define the stacks of all services, whose functions have the same defaults."""
    PackagingDefaults.of(app).set(Packaging(dependencies="layer"), runtime=RUNTIME, architecture=ARCHITECTURE)
    for service in ("orders", "billing", "shipping"):
        ServiceStack(app, f"Team{service.title()}", service=service)


if __name__ == "__main__":
    app = App()
    define(app)
    app.synth()
