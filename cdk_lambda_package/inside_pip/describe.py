"""Describe pip's objects as values for JSON.

Loaded in pip's process by `record.py`; like it, imports only the standard library, its siblings and, once the
replacements are made, pip.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cdk_lambda_package.inside_pip.urls import input_digest

Json = dict[str, Any]


def canonical(name: str) -> str:
    """Return the normalised name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def describe_candidate(candidate: Any) -> str:
    """Return the name and version of what pip was preparing, or its requirement where these aren't known yet."""
    try:
        return f"{candidate.name} {candidate.version}"
    except AttributeError:
        return str(getattr(candidate, "_ireq", ""))


def configuration_files() -> list[list[str]]:
    """Return the configuration files that exist and that pip reads, with their digests."""
    from pip._internal.configuration import Configuration

    if os.environ.get("PIP_CONFIG_FILE") == os.devnull:
        return []
    files = [Path(name) for _, names in Configuration(isolated=False).iter_config_files() for name in names]
    return [[str(path), input_digest(path.read_bytes())] for path in files if path.is_file()]


def describe(ireq: Any) -> Json:
    """Describe a requirement; `applies` is None where its marker can't be evaluated for the target."""
    url = ireq.link.url if ireq.link is not None else None
    row = {
        "name": canonical(ireq.name) if ireq.name else None,
        "requirement": str(ireq.req) if ireq.req is not None else str(url),
        "marker": str(ireq.markers) if ireq.markers is not None else None,
        "extras": sorted(ireq.extras),
        "url": url,
        "form": describe_form(ireq),
        "comes_from": str(ireq.comes_from) if ireq.comes_from is not None else None,
        "hashed": bool(ireq.hash_options),
    }
    try:
        row["applies"] = bool(ireq.match_markers())
    except Exception as error:
        row |= {"applies": None, "marker_error": str(error)}
    return row


def describe_form(ireq: Any) -> str:
    """Tell where a requirement's distribution would come from."""
    if ireq.editable:
        return "editable"
    if ireq.link is None:
        return "index"
    if ireq.link.is_vcs:
        return "vcs"
    if ireq.link.is_existing_dir():
        return "directory"
    return "wheel" if ireq.link.is_wheel else "sdist"


def describe_link(link: Any, outcome: Any) -> Json:
    """Describe a file of an index and what pip thought of it."""
    return {
        "filename": link.filename,
        "requires_python": link.requires_python,
        "yanked": link.is_yanked,
        "accepted": outcome[0].name == "candidate",
        "detail": str(outcome[1]),
    }


def describe_causes(error: BaseException | None) -> Iterator[Json]:
    """Describe the requirements that can't hold together, from the ResolutionImpossible behind an error."""
    while error is not None:
        for requirement, parent in getattr(error, "causes", ()):
            ireq = requirement.get_candidate_lookup()[1]
            yield {
                "name": canonical(requirement.project_name),
                "requirement": str(requirement),
                "parent": parent.name if parent is not None else None,
                "parent_version": str(parent.version) if parent is not None else None,
                "comes_from": str(ireq.comes_from) if parent is None and ireq is not None and ireq.comes_from else None,
            }
        error = error.__cause__


def describe_hashes(error: BaseException) -> Iterator[Json]:
    """Describe the hash errors behind an error: the file, what was promised and what came."""
    for one in getattr(error, "errors", [error]):
        if hasattr(one, "allowed") and hasattr(one, "gots"):
            got = {name: value.hexdigest() for name, value in one.gots.items()}
            ireq = one.req
            yield {
                "requirement": str(getattr(ireq, "req", None) or ireq),
                "comes_from": str(getattr(ireq, "comes_from", None)),
                "expected": one.allowed,
                "actual": got,
            }


def describe_installation(row: Json) -> Json:
    """Keep what the lock needs of an item of pip's installation report."""
    metadata = row["metadata"]
    return {
        "name": metadata["name"],
        "version": metadata["version"],
        "requires_dist": metadata.get("requires_dist", []),
        "requires_python": metadata.get("requires_python"),
        "url": row["download_info"]["url"],
        "hashes": row["download_info"].get("archive_info", {}).get("hashes", {}),
        "is_direct": row["is_direct"],
    }
