"""The manifest: the content of a deployment package, with the origin of each file.

Its schema is docs/reference/manifest.schema.json. The same inputs give the same manifest on every machine.
"""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from packaging.utils import canonicalize_name

from cdk_lambda_package.app_directory import AppFile, Origin
from cdk_lambda_package.errors import EntryError, Finding
from cdk_lambda_package.requirements import LockedWheel
from cdk_lambda_package.splicing import Tree, read_license
from cdk_lambda_package.target import Target
from cdk_lambda_package.urls import show_url

MANIFEST_FORMAT = 1

_METADATA = re.compile(r"[^/]+\.dist-info/METADATA")


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
    """Return the manifest of a tree, without the facts about the written .zip.

    `licenses` has the licences of the wheels by their sha256, `vendored` describes the distributions in vendor/.
    """
    sizes: defaultdict[str, list[int]] = defaultdict(list)
    for entry in tree.entries:
        sizes[entry.owner].append(entry.size)
    return {
        "format": MANIFEST_FORMAT,
        "package_key": package_key,
        "content_digest": content_digest,
        "target": describe_target(target),
        "size": tree.size,
        "distributions": [
            _describe_distribution(wheel, sizes[owner_of(wheel)], licenses.get(wheel.sha256)) for wheel in wheels
        ],
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


def describe_vendored(files: Iterable[AppFile]) -> Iterator[dict[str, Any]]:
    """Yield name, version and licence of the distributions whose metadata is in vendor/, sorted by name."""
    found = [file for file in files if file.origin is Origin.VENDOR and _METADATA.fullmatch(file.path)]
    rows = [_describe_vendored(file) for file in found]
    yield from sorted((row for row in rows if row["name"] and row["version"]), key=lambda row: str(row["name"]))


def _describe_vendored(file: AppFile) -> dict[str, Any]:
    # Imported here: few apps have distributions in vendor/.
    from email.parser import BytesParser

    try:
        with Path(file.source).open("rb") as stream:
            metadata = BytesParser().parse(stream, headersonly=True)
    except OSError as error:
        raise EntryError(f"{file.source!r} can't be read any more: {error.strerror}. Package again.") from error
    row = {"name": canonicalize_name(str(metadata["Name"] or "")), "version": str(metadata["Version"] or "")}
    told = read_license(metadata)
    return {**row, "license": told} if told else row


def describe_target(target: Target) -> dict[str, str]:
    """Return a target as JSON."""
    major, minor = target.runtime.system.glibc
    return {
        "runtime": target.runtime.name,
        "architecture": target.architecture.value,
        "python_full_version": target.runtime.full_version,
        "system": target.runtime.system.name,
        "glibc": f"{major}.{minor}",
    }


def describe_finding(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON, without fields that are None."""
    return {name: value for name, value in dataclasses.asdict(finding).items() if value is not None}


def owner_of(wheel: LockedWheel) -> str:
    """Return the tree's name for the distribution of a wheel, such as `six==1.17.0`."""
    return f"{wheel.name}=={wheel.version}"


def _describe_distribution(
    wheel: LockedWheel, sizes: Sequence[int], license_: Mapping[str, Any] | None
) -> dict[str, Any]:
    told = {"index": show_url(wheel.index), "source": wheel.source, "license": license_}
    return {
        "name": wheel.name,
        "version": wheel.version,
        "wheel": wheel.filename,
        "sha256": wheel.sha256,
        "origin": _describe_origin(wheel),
        "requested": wheel.requested,
        "required_by": list(wheel.required_by),
        "files": len(sizes),
        "size": sum(sizes),
        **{name: value for name, value in told.items() if value},
    }


def _describe_origin(wheel: LockedWheel) -> str:
    url = urlsplit(wheel.url)
    # Not the path: it differs between machines, and is private.
    local = url.scheme.split("+")[-1] in ("", "file")
    return f"file:{wheel.filename}" if local else show_url(wheel.url)
