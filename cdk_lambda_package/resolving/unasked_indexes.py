"""What kept pip from asking an index for a package. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from cdk_lambda_package.errors import IndexUnreachableError, UnknownPackageError
from cdk_lambda_package.requirements.availability import Problem


def find_untrusted(messages: Iterable[str]) -> tuple[str, ...]:
    """Return the hosts that pip doesn't ask because nobody said that they can be trusted, from its warnings."""
    found = (re.search(r"The repository located at (\S+) is not a trusted or secure host", text) for text in messages)
    return tuple(dict.fromkeys(match[1] for match in found if match))


def explain_untrusted(host: str) -> str:
    """Return what to say of a host that pip doesn't ask."""
    return f"{host} isn't asked: it has no HTTPS, and isn't trusted. Use its https URL, or give --trusted-host {host}"


def name_cause(problem: Problem, name: str, result: Mapping[str, Any]) -> Problem:
    """Say of an unknown package what kept pip from asking for it, if something did."""
    if problem.kind is not UnknownPackageError:
        return problem
    if hosts := find_untrusted(result.get("messages", ())):
        return Problem(kind=IndexUnreachableError, message="; ".join(map(explain_untrusted, hosts)))
    if not result.get("no_index"):
        return problem
    message = (
        f"no file of {name!r} is where --find-links leads, and no index is asked: --no-index says so, in the "
        "requirements, as PIP_NO_INDEX or in pip.conf. Put a wheel there, or let an index be asked"
    )
    return Problem(kind=UnknownPackageError, message=message)
