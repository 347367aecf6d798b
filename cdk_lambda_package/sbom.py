"""A manifest as a software bill of materials: CycloneDX 1.6, JSON.

Nothing in it depends on the day or the machine: the serial number is derived from the package key, and there is no
timestamp. The import of this module raises `ToolError` if cyclonedx-python-lib, an extra dependency, isn't installed.
"""

from __future__ import annotations

import enum
import json
import re
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import metadata
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from cdk_lambda_package.carried_sboms import CarriedSbom, Hash, Part, Reference
from cdk_lambda_package.carried_sboms import License as SaidLicense
from cdk_lambda_package.errors import ToolError, count
from cdk_lambda_package.requirements import default_index

try:
    from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentScope, ComponentType
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
# The reference of the app, which is none of a distribution.
_APP = "app"
_PARTLY = "chalice-runtime-only"
# Fixed, so that the same package key has the same serial number.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, _TOOL)

# What the schema of CycloneDX 1.6 accepts of others' files.
_HASH = re.compile(r"[a-fA-F0-9]{32}|[a-fA-F0-9]{40}|[a-fA-F0-9]{64}|[a-fA-F0-9]{96}|[a-fA-F0-9]{128}")
_LONGEST_VERSION = 1024
# An absolute URL of RFC 3986; others, such as git's user@host:path, are none.
_CHARACTER = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*"
_HOST = r"(?://(?:[A-Za-z0-9\-._~!$&'()*+,;=:%]*@)?[A-Za-z0-9\-._~]*(?::\d*)?(?=[/?#]|$)|(?!//))"
_URL = re.compile(rf"[A-Za-z][A-Za-z0-9+.\-]*:{_HOST}{_CHARACTER}(?:#{_CHARACTER})?")

_Row = Mapping[str, Any]
_Choice = TypeVar("_Choice", bound=enum.Enum)


def make_inventory(manifest: _Row, carried: Mapping[str, Sequence[CarriedSbom]] | None = None) -> dict[str, Any]:
    """Return what an SBOM says of the distributions that a manifest lists: the same for every package that has these.

    `carried` has the SBOMs that the distributions carry, by their names.

    Example:
        `make_inventory(package(request).manifest)["components"]`
    """
    bom, needs = _make_bom(manifest, carried or {})
    content: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    del content["metadata"]["timestamp"]
    _add_dependencies(content["dependencies"], needs)
    return content


def inventory_rows(manifest: _Row) -> tuple[list[_Row], list[_Row], list[_Row]]:
    """Return the rows of a manifest that its inventory is made of: distributions, those in vendor/, and decisions about what is in part there.

    Example:
        `inventory_rows(manifest)[0] == manifest["distributions"]`
    """
    partly = [one for one in manifest["decisions"] if one["decision"] == _PARTLY]
    return manifest["distributions"], manifest["vendored"], partly


def make_sbom(inventory: Mapping[str, Any], manifest: _Row, *, name: str) -> dict[str, Any]:
    """Return the SBOM of the package that a manifest describes, for an app of this name; the inventory is that of its distributions.

    Example:
        `make_sbom(make_inventory(manifest), manifest, name="orders")["bomFormat"]` is `"CycloneDX"`.
    """
    facts = {"package_key": manifest["package_key"], **manifest["target"]}
    if "layer" in manifest:
        facts["layer_content_digest"] = manifest["layer"]["content_digest"]
    properties = [{"name": f"{_TOOL}:{fact}", "value": value} for fact, value in sorted(facts.items())]
    version = manifest["content_digest"]
    app = {"bom-ref": _APP, "name": name, "properties": properties, "type": "application", "version": version}
    serial_number = uuid.uuid5(_NAMESPACE, manifest["package_key"]).urn
    return {**inventory, "metadata": {**inventory["metadata"], "component": app}, "serialNumber": serial_number}


def _make_bom(manifest: _Row, carried: Mapping[str, Sequence[CarriedSbom]]) -> tuple[Bom, dict[str, set[str]]]:
    """Return the inventory, and by reference what distributions and their parts depend on in addition, as the carried SBOMs say."""
    # The package's own facts take its place.
    app = Component(type=ComponentType.APPLICATION, name=_APP, bom_ref=_APP)
    tool = Component(type=ComponentType.APPLICATION, name=_TOOL, version=metadata.version(_TOOL))
    bom = Bom(serial_number=_NAMESPACE, metadata=BomMetaData(component=app))
    bom.metadata.tools.components.add(tool)
    distributions, in_vendor, partly = inventory_rows(manifest)
    bare = {one["subject"] for one in partly}
    # A distribution without any file isn't in the package.
    rows = [row for row in distributions if row["files"]]
    components = {row["name"]: _describe_wheel(row, bare) for row in rows}
    vendored = {row["name"]: _describe_vendored(row) for row in in_vendor}
    needs: dict[str, set[str]] = {}
    for distribution, component in (*components.items(), *vendored.items()):
        needs |= _merge(component, distribution, carried.get(distribution, ()))
    bom.components.update([*components.values(), *vendored.values()])
    # The app depends on what it requires, and on distributions without dependents.
    roots = [row for row in rows if row["requested"] or components.keys().isdisjoint(row["required_by"])]
    bom.register_dependency(app, [*(components[row["name"]] for row in roots), *vendored.values()])
    for parent, component in components.items():
        bom.register_dependency(component, [components[row["name"]] for row in rows if parent in row["required_by"]])
    return bom, needs


def _describe_wheel(row: _Row, bare: Collection[str]) -> Component:
    qualifiers, references = _describe_origin(row)
    purl = PackageURL(type="pypi", name=row["name"], version=row["version"], qualifiers=qualifiers)
    owner = f"{row['name']}=={row['version']}"
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
            part="the runtime only" if owner in bare else f"without {omitted}" if omitted else None,
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


@cache
def _spdx_license(text: str) -> License | None:
    if identifier := fixup_id(text):
        return DisjunctiveLicense(id=identifier)
    return LicenseExpression(text) if text and is_expression(text) else None


def _properties(**values: str | None) -> list[Property]:
    return [Property(name=f"{_TOOL}:{name}", value=value) for name, value in values.items() if value]


def _merge(component: Component, name: str, sboms: Iterable[CarriedSbom]) -> dict[str, set[str]]:
    """Merge the SBOMs that a distribution carries into its component, and return by reference what it and its parts depend on.

    Parts are nested there, since they are in the wheel. The files are named there too.
    """
    needs: dict[str, set[str]] = {}
    for sbom in sboms:
        component.external_references.add(_refer_to(sbom))
        _merge_parts(component, name, sbom, needs)
    return needs


def _merge_parts(component: Component, name: str, sbom: CarriedSbom, needs: dict[str, set[str]]) -> None:
    ref, primary = str(component.bom_ref.value), sbom.primary
    own = next((one for one in (primary, *sbom.parts) if one is not None and one.is_distribution(name)), None)
    # auditwheel lists the distribution once more, as a part of itself.
    tops = [one for one in sbom.parts if not (_is_same(one, own) or _is_same(one, primary))]
    tops += [primary] if primary is not None and not _is_same(primary, own) else []
    tops += own.parts if own is not None else ()
    references = _References(f"{ref}/{quote(sbom.path.partition('/')[2])}")
    component.components.update([_describe_part(part, references) for part in tops])
    known = references.known
    if own is not None and own.ref:
        known[own.ref] = ref
    for one, needed in sbom.dependencies.items():
        if one in known:
            needs.setdefault(known[one], set()).update(known[other] for other in needed if other in known)
    _connect(ref, [references.given[id(part)] for part in tops], needs)


def _connect(ref: str, tops: Sequence[str], needs: dict[str, set[str]]) -> None:
    """See to it that each part can be reached from its distribution: others may be left out by tools, as PEP 770 says."""
    reached = {ref, *_reached(ref, needs)}
    needed = {one for several in needs.values() for one in several}
    # First those that no part needs: the others may be reached from them.
    for top in sorted(tops, key=needed.__contains__):
        if top not in reached:
            needs.setdefault(ref, set()).add(top)
            reached |= {top, *_reached(top, needs)}


def _is_same(one: Part, other: Part | None) -> bool:
    return one is other or (other is not None and bool(one.ref) and one.ref == other.ref)


def _reached(start: str, needs: Mapping[str, Iterable[str]]) -> set[str]:
    """Return all that a component depends on in the end."""
    found, waiting = set[str](), [start]
    while waiting:
        new = set(needs.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    return found


class _References:
    """The references of the parts of one file: the file's `prefix`, and the part's id there, or its number.

    `known` has them by the ids, and `given` by the identity of each part. No two parts of a package have the same one.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.known: dict[str, str] = {}
        self.given: dict[int, str] = {}

    def of(self, part: Part) -> str:
        """Return a new reference for a part."""
        # The prefix ends with a quoted path, which has neither `#` nor `:`.
        is_named = bool(part.ref) and part.ref not in self.known
        new = f"{self._prefix}#{part.ref}" if is_named else f"{self._prefix}:{len(self.given)}"
        if is_named:
            self.known[part.ref] = new
        self.given[id(part)] = new
        return new


def _refer_to(sbom: CarriedSbom) -> ExternalReference:
    """Return the reference to a file that a distribution carries, which says whether it was merged."""
    said = f"not merged: {sbom.problem}" if sbom.problem else "merged into this component"
    return ExternalReference(
        type=ExternalReferenceType.BOM,
        url=XsUri(quote(sbom.path)),
        comment=f"carried by the distribution, {said}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sbom.sha256)],
    )


def _describe_part(part: Part, references: _References) -> Component:
    """Return a part as far as it is valid: what isn't makes no SBOM invalid that is right otherwise."""
    return Component(
        bom_ref=references.of(part),
        type=_choice(ComponentType, part.type) or ComponentType.LIBRARY,
        group=part.group or None,
        name=part.name,
        version=part.version if 0 < len(part.version) <= _LONGEST_VERSION else None,
        description=part.description or None,
        scope=_choice(ComponentScope, part.scope),
        purl=_read_purl(part.purl),
        cpe=part.cpe or None,
        hashes=_hashes(part.hashes),
        licenses=list(_said_licenses(part.licenses)),
        external_references=[one for said in part.references if (one := _reference(said)) is not None],
        components=[_describe_part(one, references) for one in part.parts],
    )


def _choice(kind: type[_Choice], value: str) -> _Choice | None:
    try:
        return kind(value)
    except ValueError:
        return None


def _read_purl(text: str) -> PackageURL | None:
    try:
        return PackageURL.from_string(text)
    except ValueError:
        return None


def _hashes(said: Iterable[Hash]) -> list[HashType]:
    found = ((_choice(HashAlgorithm, one.alg), one.content) for one in said)
    return [
        HashType(alg=alg, content=content) for alg, content in found if alg is not None and _HASH.fullmatch(content)
    ]


def _said_licenses(said: Sequence[SaidLicense]) -> Iterator[License]:
    for one in said:
        if one.expression:
            # Only CycloneDX 1.7 has expressions beside other licences.
            known = _spdx_license(one.expression) if len(said) == 1 else None
            yield known or DisjunctiveLicense(name=one.expression)
        elif one.license is not None and (one.license.id or one.license.name):
            identifier = fixup_id(one.license.id)
            url = XsUri(one.license.url) if _URL.fullmatch(one.license.url) else None
            name = None if identifier else one.license.id or one.license.name
            yield DisjunctiveLicense(id=identifier, name=name, url=url)


def _reference(said: Reference) -> ExternalReference | None:
    if not _URL.fullmatch(said.url):
        return None
    return ExternalReference(
        type=_choice(ExternalReferenceType, said.type) or ExternalReferenceType.OTHER,
        url=XsUri(said.url),
        comment=said.comment or None,
        hashes=_hashes(said.hashes),
    )


def _add_dependencies(rows: list[dict[str, Any]], needs: Mapping[str, Iterable[str]]) -> None:
    """Add dependencies to those that the library wrote, in its order.

    As there, what is needed has a row too, if it needs nothing itself. Not by `register_dependency`, which looks at all rows for each.
    """
    by_ref = {row["ref"]: row for row in rows}
    for ref, needed in needs.items():
        for other in needed:
            by_ref.setdefault(other, {"ref": other})
        row = by_ref.setdefault(ref, {"ref": ref})
        if every := sorted({*row.get("dependsOn", ()), *needed} - {ref}):
            row["dependsOn"] = every
    rows[:] = [by_ref[ref] for ref in sorted(by_ref)]
