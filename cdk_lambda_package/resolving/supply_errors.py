"""What pip was kept from doing, in the user's terms: other hosts, later uploads, files without a hash. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cdk_lambda_package.errors import SupplyChainError, UnhashedError
from cdk_lambda_package.requirements.availability import Problem
from cdk_lambda_package.requirements.resolution import find_place
from cdk_lambda_package.resolving.unhashed import is_hashed
from cdk_lambda_package.urls import show_url

Result = Mapping[str, Any]

# pip's names for what a hash-checking run refuses, besides a hash that is wrong.
_UNHASHED = frozenset(
    {"HashErrors", "HashMissing", "HashUnpinned", "VcsHashUnsupported", "DirectoryUrlHashUnsupported"}
)


def find_supply_problems(result: Result, entry: Path) -> Iterator[Problem]:
    """Yield what the rules of the supply chain kept pip from."""
    yield from _find_hosts(result, entry)
    yield from _find_missing_times(result)
    error = result.get("error", {})
    if error.get("type") in _UNHASHED and not error["hashes"]:
        yield from _find_unhashed(result, entry)


def _find_hosts(result: Result, entry: Path) -> Iterator[Problem]:
    for url in result.get("refused_indexes", ()):
        yield Problem(kind=SupplyChainError, message=explain_index(url))
    for row in result.get("refused_urls", ()):
        what = row["requirement"] or result["error"]["preparing"] or "Something"
        place = find_place(row.get("comes_from"), entry)
        prefix = f"{place[0]}:{place[1]}: " if place else ""
        yield Problem(kind=SupplyChainError, message=prefix + explain_file(what, row["url"]))


def explain_index(url: str) -> str:
    """Say that an index mustn't be asked."""
    return (
        f"{show_url(url)} would be asked, and only_index doesn't have its host: remove it from the requirements file or "
        "pip's settings (`pip config list`, PIP_*), or add the host"
    )


def explain_file(what: str, url: str) -> str:
    """Say that a file mustn't be taken."""
    return (
        f"{what} would come from {show_url(url)}, and only_index doesn't have that host: require it from an index whose "
        "host it has, or add the host"
    )


def _find_missing_times(result: Result) -> Iterator[Problem]:
    if result.get("lacks_upload_limit"):
        message = (
            f"pip {result['pip']} can't keep to uploaded_prior_to, pip 26.0 is the first that can: run `python -m pip "
            "install 'pip>=26'`"
        )
        yield Problem(kind=SupplyChainError, message=message)
    message = result.get("error", {}).get("message", "")
    if match := re.match(r"Index (\S+) does not provide upload-time metadata", message):
        message = (
            f"{show_url(match[1])} doesn't say when files were uploaded (PEP 700), so uploaded_prior_to can't be "
            "kept to: use an index that does, or leave uploaded_prior_to out and commit a lock"
        )
        yield Problem(kind=SupplyChainError, message=message)


def _find_unhashed(result: Result, entry: Path) -> Iterator[Problem]:
    rows = [row for row in result["requirements"] if row["applies"] and not is_hashed(row)]
    for row in rows:
        place = find_place(row["comes_from"], entry)
        unable = {"directory": ", a local project, which can't have one", "vcs": ", a checkout, which can't have one"}
        message = (
            f"{f'{place[0]}:{place[1]}: ' if place else ''}{row['requirement']} isn't pinned by a hash"
            f"{unable.get(row['form'], '')}"
        )
        yield Problem(
            kind=UnhashedError, message=f"{message}, which require_hashes or another requirement's hash asks for"
        )
    if not rows:
        message = (
            f"{result['error']['preparing']} isn't pinned by a hash, and everything has to be once one hash is given"
        )
        yield Problem(kind=UnhashedError, message=message)
