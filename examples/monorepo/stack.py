"""Three functions with code of their own, requirements of their own, and a package that all of them share."""

from pathlib import Path

from aws_cdk import App, Stack
from constructs import Construct
from host import ARCHITECTURE, RUNTIME

from cdk_lambda_package import Packaging, PythonFunction

SERVICES = Path(__file__).parent / "services"


class MonorepoStack(Stack):
    """One function for each service."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        for service in ("orders", "receipts", "reports"):
            requirements = f"{service}/requirements.txt"
            PythonFunction(
                self,
                service.title(),
                entry=SERVICES,
                index=f"{service}/app.py",
                runtime=RUNTIME,
                architecture=ARCHITECTURE,
                # The root of the imports, on Lambda as here: `shared` is found beside the service's own folder.
                packaging=Packaging(
                    include=["shared/**"],
                    exclude=["requirements.txt"],
                    requirements=requirements if (SERVICES / requirements).exists() else None,
                ),
            )


if __name__ == "__main__":
    app = App()
    MonorepoStack(app, "MonorepoExample")
    app.synth()
