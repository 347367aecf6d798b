"""A manifest as a software bill of materials: CycloneDX 1.6, JSON.

Nothing in it depends on the day or the machine: the serial number is derived from the package key, and there is no
timestamp. The import of this module raises `ToolError` if cyclonedx-python-lib, an extra dependency, isn't installed.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from importlib import metadata
from typing import Any
from urllib.parse import urlsplit

from cdk_lambda_package.errors import ToolError, count
from cdk_lambda_package.requirements import default_index

try:
    from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.license import DisjunctiveLicense, License, LicenseExpression
    from cyclonedx.output.json import JsonV1Dot6
    from cyclonedx.spdx import fixup_id, is_expression
    from packageurl import PackageURL
except ImportError as error:
    raise ToolError(
        "An SBOM is made with cyclonedx-python-lib, which isn't installed: run `python -m pip install "
        f"'cdk-lambda-package[sbom]'`. ({error})"
    ) from error

_TOOL = "cdk-lambda-package"
# Fixed, so that the same package key has the same serial number.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, _TOOL)

_Row = Mapping[str, Any]


def make_sbom(manifest: _Row, *, name: str) -> dict[str, Any]:
    """Return the SBOM of the package that a manifest describes, for an app of this name.

    Example:
        `make_sbom(package(request).manifest, name="orders")["bomFormat"]` is `"CycloneDX"`.
    """
    content: dict[str, Any] = json.loads(JsonV1Dot6(_make_bom(manifest, name)).output_as_string())
    del content["metadata"]["timestamp"]
    return content


def _make_bom(manifest: _Row, name: str) -> Bom:
    app = Component(
        type=ComponentType.APPLICATION,
        name=name,
        version=manifest["content_digest"],
        bom_ref="app",
        properties=_properties(
            package_key=manifest["package_key"],
            **({"layer_content_digest": manifest["layer"]["content_digest"]} if "layer" in manifest else {}),
            **manifest["target"],
        ),
    )
    tool = Component(type=ComponentType.APPLICATION, name=_TOOL, version=metadata.version(_TOOL))
    bom = Bom(serial_number=uuid.uuid5(_NAMESPACE, manifest["package_key"]), metadata=BomMetaData(component=app))
    bom.metadata.tools.components.add(tool)
    # A distribution without any file isn't in the package.
    rows = [row for row in manifest["distributions"] if row["files"]]
    components = {row["name"]: _describe_wheel(row, manifest) for row in rows}
    vendored = [_describe_vendored(row) for row in manifest["vendored"]]
    bom.components.update([*components.values(), *vendored])
    # The app depends on what it requires, and on distributions without dependents.
    roots = [row for row in rows if row["requested"] or components.keys().isdisjoint(row["required_by"])]
    bom.register_dependency(app, [*(components[row["name"]] for row in roots), *vendored])
    for parent, component in components.items():
        bom.register_dependency(component, [components[row["name"]] for row in rows if parent in row["required_by"]])
    return bom


def _describe_wheel(row: _Row, manifest: _Row) -> Component:
    qualifiers, references = _describe_origin(row)
    purl = PackageURL(type="pypi", name=row["name"], version=row["version"], qualifiers=qualifiers)
    owner = f"{row['name']}=={row['version']}"
    bare = any(one["decision"] == "chalice-runtime-only" and one["subject"] == owner for one in manifest["decisions"])
    omitted = ", ".join(f"{count(files, 'file')} by {rule}" for rule, files in row.get("omitted", {}).items())
    return _component(
        row,
        bom_ref=str(purl),
        purl=purl,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=row["sha256"])],
        external_references=references,
        properties=_properties(
            wheel=row["wheel"],
            origin=row["origin"],
            index=row.get("index"),
            built_from_sha256=row.get("source"),
            part="the runtime only" if bare else f"without {omitted}" if omitted else None,
        ),
    )


def _describe_vendored(row: _Row) -> Component:
    purl = PackageURL(type="pypi", name=row["name"], version=row["version"])
    return _component(row, bom_ref=f"vendor/{row['name']}", purl=purl, properties=_properties(origin="vendor/"))


def _component(row: _Row, **facts: Any) -> Component:
    licenses = _licenses(row.get("license", {}))
    return Component(type=ComponentType.LIBRARY, name=row["name"], version=row["version"], licenses=licenses, **facts)


def _describe_origin(row: _Row) -> tuple[dict[str, str], list[ExternalReference]]:
    """Return the qualifiers of the package URL, which say the origin of what isn't from PyPI, and the references to it.

    https://github.com/package-url/purl-spec: qualifiers repository_url, download_url, vcs_url and file_name.
    """
    origin, index = row["origin"], row.get("index", "")
    if origin.startswith("file:"):
        return {"file_name": row["wheel"]}, []
    if "+" in urlsplit(origin).scheme:
        return {"vcs_url": origin}, [ExternalReference(type=ExternalReferenceType.VCS, url=XsUri(origin))]
    # The file of a wheel that was built here is the sdist.
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=row.get("source") or row["sha256"])]
    file = ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(origin), hashes=hashes)
    if _is_of_default_index(index or origin):
        return {}, [file]
    return {"repository_url": index} if index else {"download_url": origin}, [file]


def _is_of_default_index(url: str) -> bool:
    # A purl of type pypi without qualifiers is on PyPI (purl specification, type pypi).
    index = default_index()
    return index is not None and urlsplit(url).hostname in (index.host, index.file_host)


def _licenses(said: _Row) -> list[License]:
    """Return the licence by its SPDX name if the metadata has one, else by the names in the metadata."""
    known = next((found for key in ("expression", "text") if (found := _spdx_license(said.get(key, "")))), None)
    if known is not None:
        return [known]
    names = [line.rpartition(" :: ")[2] for line in said.get("classifiers", ())]
    names = names or [said[key] for key in ("expression", "text") if key in said][:1]
    return [DisjunctiveLicense(name=name) for name in dict.fromkeys(names)]


def _spdx_license(text: str) -> License | None:
    if identifier := fixup_id(text):
        return DisjunctiveLicense(id=identifier)
    return LicenseExpression(text) if text and is_expression(text) else None


def _properties(**values: str | None) -> list[Property]:
    return [Property(name=f"{_TOOL}:{name}", value=value) for name, value in values.items() if value]
