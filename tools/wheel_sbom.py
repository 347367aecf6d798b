"""The software bill of materials in our own wheel: a build hook of hatchling, which runs whenever a wheel is made.

PEP 770: it is at `.dist-info/sboms/`, so that it comes with every installation, from an index or a file, and can't get lost. It says what
the wheel has from others: no code, but tables that were made from the data of other projects, each named with its version in its head.
What the wheel requires isn't in it, and so isn't listed: its versions are decided by each installation. Nothing depends on the day or
the machine, so that two builds of one commit have the same bytes.
"""

from __future__ import annotations

import json
import re
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FILE = "cdk-lambda-package.cdx.json"
PACKAGE = "cdk_lambda_package"

# The distributions that tables are made from. An unknown one is an error, so that its licence is looked up.
_LICENSES = {"pantsbuild.pants": "Apache-2.0", "typeshed-client": "MIT"}
# Fixed, so that the same content has the same serial number.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, PACKAGE)


class SbomHook(BuildHookInterface[BuilderConfig]):
    """Puts the SBOM into the wheel."""

    PLUGIN_NAME = "custom"

    # The arguments are those of hatchling.
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Write the SBOM to a temporary directory, from where hatchling takes it; `version` is the kind of the build."""
        core = self.metadata.core
        project = {"name": core.name, "version": self.metadata.version, "license": core.license_expression}
        project |= {"description": core.description, "repository": core.urls["Repository"]}
        self._folder = tempfile.TemporaryDirectory(prefix="sbom-")
        path = Path(self._folder.name, FILE)
        path.write_text(json.dumps(make_sbom(project, Path(self.root)), indent=1) + "\n", encoding="utf-8")
        build_data["sbom_files"].append(str(path))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove the temporary directory."""
        self._folder.cleanup()


def make_sbom(project: Mapping[str, str], root: Path) -> dict[str, Any]:
    """Return the SBOM of the wheel that is made of a checkout, as CycloneDX 1.6 has it."""
    purl = f"pkg:pypi/{project['name']}@{project['version']}"
    own = {
        "bom-ref": purl,
        "type": "library",
        "name": project["name"],
        "version": project["version"],
        "description": project["description"],
        "licenses": [{"license": {"id": project["license"]}}],
        "purl": purl,
        "externalReferences": [{"type": "vcs", "url": project["repository"]}],
    }
    sources = [*table_sources(root)]
    content = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"lifecycles": [{"phase": "build"}], "component": own},
        "components": sources,
        "dependencies": [{"ref": purl, "dependsOn": [one["bom-ref"] for one in sources]}],
        # Nothing else in the wheel is from others.
        "compositions": [{"aggregate": "complete", "assemblies": [purl]}],
    }
    return content | {"serialNumber": uuid.uuid5(_NAMESPACE, json.dumps(content)).urn}


def table_sources(root: Path) -> Iterator[dict[str, Any]]:
    """Yield a component for each table that says in its head from which distribution it was made.

    Raises `KeyError` for a distribution whose licence isn't known here.
    """
    for path in sorted((root / PACKAGE).rglob("data/*.txt")):
        head = re.match(r"(?:#.*\n)*", path.read_text(encoding="utf-8"))
        for name, version in re.findall(r"\b([\w.-]+)==([\w.]*\w)", head[0] if head else ""):
            purl = f"pkg:pypi/{name}@{version}"
            yield {
                "bom-ref": f"{path.name}:{purl}",
                "type": "library",
                "name": name,
                "version": version,
                "description": "A table in the wheel was made from its data; none of its code is in the wheel.",
                "licenses": [{"license": {"id": _LICENSES[name]}}],
                "purl": purl,
                "properties": [{"name": "cdk-lambda-package:file", "value": path.relative_to(root).as_posix()}],
            }
