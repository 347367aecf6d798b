"""The manifest: what is in a deployment package, where each piece comes from and why. Pure.

Its schema is docs/reference/manifest.schema.json. Two machines that package the same inputs write the same manifest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.requirements.resolution import LockedWheel
from cdk_lambda_package.splicing import Decision, Tree
from cdk_lambda_package.target import Target
from cdk_lambda_package.urls import show_url

MANIFEST_FORMAT = 1


def describe_package(
    *,
    target: Target,
    package_key: str,
    content_digest: str,
    tree: Tree,
    wheels: Sequence[LockedWheel],
    licenses: Mapping[str, Any] = MappingProxyType({}),
    vendored: Iterable[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return the manifest of a tree, without what is known only of the written .zip.

    `licenses` has by the wheels' sha256 what they say of theirs, `vendored` the distributions in vendor/.
    """
    sizes = _sum_by_owner(tree)
    return {
        "format": MANIFEST_FORMAT,
        "package_key": package_key,
        "content_digest": content_digest,
        "target": describe_target(target),
        "size": tree.size,
        "distributions": [_describe_distribution(wheel, sizes, licenses.get(wheel.sha256)) for wheel in wheels],
        "vendored": list(vendored),
        "decisions": [decision._asdict() for decision in tree.decisions],
        "findings": [describe_finding(finding) for finding in tree.findings],
        "files": [
            {
                "path": entry.path,
                "mode": "0755" if entry.executable else "0644",
                "size": entry.size,
                "sha256": entry.digest,
                "owner": entry.owner,
            }
            for entry in tree.entries
        ],
    }


def describe_target(target: Target) -> dict[str, str]:
    """Return what the package was made for."""
    major, minor = target.runtime.system.glibc
    return {
        "runtime": target.runtime.name,
        "architecture": target.architecture.value,
        "python_full_version": target.runtime.full_version,
        "system": target.runtime.system.name,
        "glibc": f"{major}.{minor}",
    }


def describe_finding(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON has it, without what it doesn't know."""
    known = {"id": finding.id, "severity": finding.severity.value, "message": finding.message}
    further = {"path": finding.path, "line": finding.line, "subject": finding.subject}
    return known | {name: value for name, value in further.items() if value is not None}


def read_finding(row: Mapping[str, Any]) -> Finding:
    """Return the finding that was described so."""
    return Finding(**{**row, "severity": Severity(row["severity"])})


def owner_of(wheel: LockedWheel) -> str:
    """Return how the tree names the distribution of a wheel."""
    return f"{wheel.name}=={wheel.version}"


def with_decisions(tree: Tree, decisions: Iterable[Decision]) -> Tree:
    """Return the tree with what was settled outside the merge added to its own."""
    return Tree(
        entries=tree.entries,
        parts=tree.parts,
        records=tree.records,
        decisions=(*decisions, *tree.decisions),
        findings=tree.findings,
    )


def _sum_by_owner(tree: Tree) -> Mapping[str, tuple[int, int]]:
    sums: dict[str, tuple[int, int]] = {}
    for entry in tree.entries:
        files, size = sums.get(entry.owner, (0, 0))
        sums[entry.owner] = (files + 1, size + entry.size)
    return sums


def _describe_distribution(
    wheel: LockedWheel, sizes: Mapping[str, tuple[int, int]], license_: Mapping[str, Any] | None
) -> dict[str, Any]:
    files, size = sizes.get(owner_of(wheel), (0, 0))
    told = {"index": show_url(wheel.index), "source": wheel.source, "license": license_}
    return {
        "name": wheel.name,
        "version": wheel.version,
        "wheel": wheel.filename,
        "sha256": wheel.sha256,
        "origin": _describe_origin(wheel),
        "requested": wheel.requested,
        "required_by": list(wheel.required_by),
        "files": files,
        "size": size,
        **{name: value for name, value in told.items() if value},
    }


def _describe_origin(wheel: LockedWheel) -> str:
    url = urlsplit(wheel.url)
    # A path is another on each machine, and nobody else's business.
    local = url.scheme.split("+")[-1] in ("", "file")
    return f"file:{wheel.filename}" if local else show_url(wheel.url)
