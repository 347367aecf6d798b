"""The imports that lead from the handler to a statement that fails."""

from __future__ import annotations

from typing import NamedTuple

from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.import_analysis import Link


class Chain(NamedTuple):
    """A chain of imports: the user's own statement in it, and a sentence if that isn't the failing one.

    Example:
        `Chain(Link("app.py", 1), "The chain of imports is app.py:1 → demo/__init__.py:2 → cgi.")`
    """

    start: Link
    text: str | None


def chain_to(path: str, line: int, missing: str | None, contents: PackageContents) -> Chain:
    """Return the chain to a line of the module at `path`, from the last statement on that is the user's own.

    `missing` is what the line asks for, if the line itself can be executed.

    Example:
        `chain_to("demo/__init__.py", 2, "cgi", contents).start` is `Link("app.py", 1)` if app.py imports demo there.
    """
    last = Link(path, line)
    if contents.is_own(path):
        # Without the whole graph, which an edit makes necessary only for the chain.
        return Chain(last, None)
    links = (*contents.graph.chain_to(path), last)
    own = [index for index, link in enumerate(links) if contents.is_own(link.path)]
    shown = links[own[-1] if own else 0 :]
    if len(shown) == 1:
        return Chain(shown[0], None)
    places = [f"{contents.place(link.path)}:{link.line}" for link in links]
    ends = [missing] if missing is not None else []
    return Chain(shown[0], f"The chain of imports is {' → '.join([*places, *ends])}.")
