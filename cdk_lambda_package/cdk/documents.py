"""The manifests and SBOMs of a Stage's functions and layers, beside its templates.

They are called by the path of their construct, such as `Prod.Orders.Api.manifest.json`: all of it, so that the files of several Stages can
be collected in one folder, and so that a name says which construct it is about.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from cdk_lambda_package.pipeline import DeploymentPackage
from cdk_lambda_package.stages import OutputFolder, keep_written

# What is the same in names of files on every system. A dot is none: it stands for the path's slashes.
_UNCLEAR = re.compile(r"[^A-Za-z0-9_-]")
# Characters, with the suffix below what file systems allow.
_LONGEST = 200

MANIFEST, SBOM = ".manifest.json", ".cdx.json"
"""The ends of the names. The second is the one by which tools know CycloneDX."""


class Document(NamedTuple):
    """A file that a package's options ask for: the end of its name, the digest of what its content depends on, and its content."""

    suffix: str
    key: str
    content: Callable[[], bytes]


def documents_of(package: DeploymentPackage) -> list[Document]:
    """Return the documents that a package's options ask for.

    Example:
        `[document.suffix for document in documents_of(package)]`
    """
    packaging, found = package.request.packaging, []
    if packaging.value("manifest"):
        found.append(Document(MANIFEST, package.manifest_key, lambda: package.manifest_json))
    if packaging.value("sbom"):
        found.append(Document(SBOM, package.sbom_key, lambda: package.sbom_json))
    return found


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Documents:
    """The documents in a Stage's folder of the assembly, and by their names in lower case the constructs that have them."""

    folder: Path
    named: dict[str, str] = field(default_factory=dict)

    def write(self, path: str, documents: Iterable[Document], folder: OutputFolder) -> None:
        """Write those documents of the construct at a path that aren't there yet, into `folder`, which is the Stage's.

        Raises `OutputError` if one can't be written, and `ToolError` for an SBOM if cyclonedx-python-lib isn't installed.
        """
        for suffix, key, content in documents:
            keep_written(self.folder / f"{self.name_of(path)}{suffix}", content, key, folder)

    def name_of(self, path: str) -> str:
        """Return the name that the documents of a construct have without their ends.

        Example:
            `Documents(folder=Path("cdk.out")).name_of("Orders/Api") == "Orders.Api"`
        """
        ids = path.split("/")
        name = ".".join(_UNCLEAR.sub("-", one) for one in ids)[:_LONGEST]
        # macOS and Windows take names that differ by case for one.
        if name != ".".join(ids) or self.named.setdefault(name.lower(), path) != path:
            name += f"-{hashlib.sha256(path.encode()).hexdigest()[:8]}"
        return name
