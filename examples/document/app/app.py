"""The app: always in the deployment package."""

from importlib.metadata import version

from chalicelib.utils import answer
from internalpackage import greet


def handler(event: dict[str, str], context: object) -> dict[str, str]:
    """Answer with a word from each part of the deployment package."""
    return answer(
        greeting=greet(event.get("name", "world")),
        # Its modules predate Python 3.10 and can't be imported there; what pip would know about it is packaged too.
        sortedcontainers=version("sortedcontainers"),
    )
