"""What comes of building a source, as values: kept apart from the building, which most resolutions don't need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cdk_lambda_package.building.sources import Source, name_source
from cdk_lambda_package.errors import Finding

WHEELS = "wheels"
"""The kind of the store's files that are wheels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltWheel:
    """A wheel in the store: `source` is the digest of what it was built of, `findings` what to know about the build.

    `hosts` are those that were asked for what the build needs, None where nobody looked; all of it was uploaded before
    `uploaded_prior_to` (ISO 8601, "" for no limit).
    """

    name: str
    version: str
    filename: str
    sha256: str
    source: str
    metadata: str
    hosts: tuple[str, ...] | None = None
    uploaded_prior_to: str = ""
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedBuild:
    """Why nothing that the target loads came of a source: the tag or binary, or the build's last lines."""

    source: Source
    reason: str


def describe_build(source: Source, wheel: BuiltWheel) -> dict[str, Any]:
    """Return what a lock in the store says of a wheel that was built here."""
    return {
        "filename": wheel.filename,
        "sha256": wheel.sha256,
        "source": source.digest,
        "url": name_source(source),
        "hosts": list(wheel.hosts or ()),
    }
