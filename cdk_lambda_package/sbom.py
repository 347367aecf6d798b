"""A manifest as a software bill of materials: CycloneDX 1.6, JSON. Pure.

Nothing in it depends on the day or the machine: the serial number is derived from the package key, and there is no
timestamp. Imports cyclonedx-python-lib, which is an extra dependency, only where one is made.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cdk_lambda_package.errors import ToolError
from cdk_lambda_package.requirements.default_index import find_default_index

if TYPE_CHECKING:
    from cyclonedx.model import ExternalReference, Property
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component
    from cyclonedx.model.license import License
    from packageurl import PackageURL

_TOOL = "cdk-lambda-package"
# Any fixed one: serial numbers of the same package key are the same.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, _TOOL)

Row = Mapping[str, Any]


def require_library() -> None:
    """Raise `ToolError`, saying how to install it, where the library that makes SBOMs is missing."""
    try:
        import cyclonedx.model.bom  # noqa: F401
    except ImportError as error:
        raise ToolError(
            "An SBOM is made with cyclonedx-python-lib, which isn't installed: run `pip install "
            f"'{_TOOL}[sbom]'`. ({error})"
        ) from error


def make_sbom(manifest: Row, *, name: str) -> dict[str, Any]:
    """Return the SBOM of the package that a manifest describes, whose app is called `name`.

    Raises `ToolError` where cyclonedx-python-lib is missing.
    """
    require_library()
    from cyclonedx.output.json import JsonV1Dot6

    content: dict[str, Any] = json.loads(JsonV1Dot6(_make_bom(manifest, name)).output_as_string())
    del content["metadata"]["timestamp"]
    return content


def _make_bom(manifest: Row, name: str) -> Bom:
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType

    app = Component(
        type=ComponentType.APPLICATION,
        name=name,
        version=manifest["content_digest"],
        bom_ref="app",
        properties=_properties(package_key=manifest["package_key"], **manifest["target"]),
    )
    tool = Component(type=ComponentType.APPLICATION, name=_TOOL, version=_find_own_version())
    bom = Bom(serial_number=uuid.uuid5(_NAMESPACE, manifest["package_key"]), metadata=BomMetaData(component=app))
    bom.metadata.tools.components.add(tool)
    # A distribution of which no file is left isn't in the package.
    rows = [row for row in manifest["distributions"] if row["files"]]
    components = {row["name"]: _describe_wheel(row, manifest) for row in rows}
    vendored = [_describe_vendored(row) for row in manifest["vendored"]]
    bom.components.update([*components.values(), *vendored])
    bom.register_dependency(app, [*(components[row["name"]] for row in _find_roots(rows, components)), *vendored])
    for parent, component in components.items():
        bom.register_dependency(component, [components[row["name"]] for row in rows if parent in row["required_by"]])
    return bom


def _find_own_version() -> str | None:
    try:
        return metadata.version(_TOOL)
    except metadata.PackageNotFoundError:
        return None


def _find_roots(rows: Iterable[Row], names: Iterable[str]) -> Iterator[Row]:
    """Yield what the app needs itself: what it requires, and what nothing else in the package does."""
    known = set(names)
    for row in rows:
        if row["requested"] or known.isdisjoint(row["required_by"]):
            yield row


def _describe_wheel(row: Row, manifest: Row) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType

    purl = _name_package(row)
    owner = f"{row['name']}=={row['version']}"
    slim = any(one["decision"] == "chalice-runtime-only" and one["subject"] == owner for one in manifest["decisions"])
    return Component(
        type=ComponentType.LIBRARY,
        name=row["name"],
        version=row["version"],
        bom_ref=str(purl),
        purl=purl,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=row["sha256"])],
        licenses=_name_licenses(row.get("license", {})),
        external_references=_name_origin(row),
        properties=_properties(
            wheel=row["wheel"],
            origin=row["origin"],
            index=row.get("index"),
            built_from_sha256=row.get("source"),
            part="the runtime only" if slim else None,
        ),
    )


def _describe_vendored(row: Row) -> Component:
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    purl = PackageURL(type="pypi", name=row["name"], version=row["version"])
    return Component(
        type=ComponentType.LIBRARY,
        name=row["name"],
        version=row["version"],
        bom_ref=f"vendor/{row['name']}",
        purl=purl,
        licenses=_name_licenses(row.get("license", {})),
        properties=_properties(origin="vendor/"),
    )


def _name_package(row: Row) -> PackageURL:
    """Return the package URL; what isn't from PyPI says where it is from.

    https://github.com/package-url/purl-spec: qualifiers repository_url, download_url, vcs_url and file_name.
    """
    from packageurl import PackageURL

    origin, index = row["origin"], row.get("index", "")
    if origin.startswith("file:"):
        qualifiers = {"file_name": row["wheel"]}
    elif "+" in urlsplit(origin).scheme:
        qualifiers = {"vcs_url": origin}
    elif _is_of_default_index(index or origin):
        qualifiers = {}
    else:
        qualifiers = {"repository_url": index} if index else {"download_url": origin}
    return PackageURL(type="pypi", name=row["name"], version=row["version"], qualifiers=qualifiers)


def _is_of_default_index(url: str) -> bool:
    # What has no qualifier in a purl of type pypi is there (purl specification, type pypi).
    index = find_default_index()
    return urlsplit(url).hostname in (index.host, index.file_host)


def _name_origin(row: Row) -> list[ExternalReference]:
    from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri

    origin = row["origin"]
    if origin.startswith("file:"):
        return []
    if "+" in urlsplit(origin).scheme:
        return [ExternalReference(type=ExternalReferenceType.VCS, url=XsUri(origin))]
    # Of what was built here, the file is the sdist.
    content = row.get("source") or row["sha256"]
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=content)]
    return [ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(origin), hashes=hashes)]


def _name_licenses(said: Row) -> list[License]:
    """Return the licence as SPDX knows it, where the metadata says it so, else under the names that it has there."""
    from cyclonedx.model.license import DisjunctiveLicense

    known = next((found for key in ("expression", "text") if (found := _find_spdx(said.get(key, "")))), None)
    if known is not None:
        return [known]
    names = [line.rpartition(" :: ")[2] for line in said.get("classifiers", ())]
    names = names or [said[key] for key in ("expression", "text") if key in said][:1]
    return [DisjunctiveLicense(name=name) for name in dict.fromkeys(names)]


def _find_spdx(text: str) -> License | None:
    from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
    from cyclonedx.spdx import fixup_id, is_expression

    if identifier := fixup_id(text):
        return DisjunctiveLicense(id=identifier)
    return LicenseExpression(text) if text and is_expression(text) else None


def _properties(**values: str | None) -> list[Property]:
    from cyclonedx.model import Property

    return [Property(name=f"{_TOOL}:{name}", value=value) for name, value in values.items() if value]
