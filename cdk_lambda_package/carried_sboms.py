"""The SBOMs that distributions carry in `.dist-info/sboms` (PEP 770): CycloneDX 1.x and SPDX 2.x, as JSON.

PEP 770 allows files of any format there, and nothing checks them before. A file that isn't read says why, and is no error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from packaging.utils import canonicalize_name

from cdk_lambda_package.decoding import decode
from cdk_lambda_package.splicing import Segment, read_member

# Bytes; that of a large build, with all of its tools, has half a million.
_LARGEST = 1 << 24
# Parts in parts; files have up to two.
_DEEPEST = 20

_NOT_JSON = "it isn't JSON"
_UNKNOWN = "it is neither CycloneDX 1 nor SPDX 2"
_UNFIT = "it isn't as its format demands"
_TOO_LARGE = f"it is larger than {_LARGEST:,} bytes"

# https://spdx.github.io/spdx-spec/v2.3/package-information/: these values say nothing of a licence or a URL.
_SAYS_NOTHING = frozenset({"", "NONE", "NOASSERTION"})
# https://spdx.github.io/spdx-spec/v2.3/relationships-between-SPDX-elements/: whether the first element needs the second, or the other way.
_NEEDS = frozenset({"DEPENDS_ON", "DYNAMIC_LINK", "STATIC_LINK"})
_NEEDED_BY = frozenset({"DEPENDENCY_OF", "RUNTIME_DEPENDENCY_OF"})


class Hash(msgspec.Struct, frozen=True):
    """A digest of a file, by CycloneDX's name of the algorithm."""

    alg: str
    content: str


class NamedLicense(msgspec.Struct, frozen=True):
    """A licence, by its SPDX id or by another name."""

    id: str = ""
    name: str = ""
    url: str = ""


class License(msgspec.Struct, frozen=True):
    """A licence, or an SPDX expression."""

    license: NamedLicense | None = None
    expression: str = ""


class Reference(msgspec.Struct, frozen=True):
    """A URL about a part, by CycloneDX's name of its kind."""

    type: str
    url: str
    comment: str = ""
    hashes: tuple[Hash, ...] = ()


class Part(
    msgspec.Struct,
    frozen=True,
    rename={"ref": "bom-ref", "references": "externalReferences", "parts": "components"},
):
    """Software that a distribution has in it, in the words of CycloneDX; `ref` is its id in the file, "" if it has none."""

    name: str
    ref: str = ""
    type: str = "library"
    group: str = ""
    version: str = ""
    description: str = ""
    scope: str = ""
    purl: str = ""
    cpe: str = ""
    hashes: tuple[Hash, ...] = ()
    licenses: tuple[License, ...] = ()
    references: tuple[Reference, ...] = ()
    parts: tuple[Part, ...] = ()

    def is_distribution(self, name: str) -> bool:
        """Tell whether this is the distribution that the file is in, whose name is normalised (PEP 503)."""
        return canonicalize_name(self.name) == name and (not self.purl or self.purl.startswith("pkg:pypi/"))


@dataclass(frozen=True, kw_only=True, slots=True)
class CarriedSbom:
    """An SBOM that a distribution carries: its path in the wheel, its digest, and its content.

    `primary` is the part that the file is about, None if it doesn't say. `dependencies` has by the id of a part those of the parts that it
    needs. `problem` is why the file wasn't read, "" if it was.
    """

    path: str
    sha256: str
    problem: str = ""
    primary: Part | None = None
    parts: tuple[Part, ...] = ()
    dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_carried(
    rows: Iterable[Mapping[str, Any]], segments: Iterable[Segment]
) -> dict[str, tuple[CarriedSbom, ...]] | None:
    """Return the SBOMs by the names of the distributions that a manifest's `rows` describe; None if the `segments` don't have them all.

    Example:
        `read_carried(manifest["distributions"], [find_wheel_segment(sha256, store)])["pillow"][0].parts`
    """
    listed = {row["name"]: row["sboms"] for row in rows if row.get("sboms")}
    wanted = {one["sha256"] for sboms in listed.values() for one in sboms}
    contents = {digest: content for segment in segments for digest, content in _contents(segment, wanted)}
    if wanted - contents.keys():
        return None
    return {
        name: tuple(read_sbom(one["path"], one["sha256"], contents[one["sha256"]]) for one in sboms)
        for name, sboms in listed.items()
    }


def _contents(segment: Segment, wanted: set[str]) -> Iterator[tuple[str, bytes | None]]:
    """Yield those contents of a segment that are wanted, by digest; None for one that is too large."""
    for index, member in enumerate(segment.members):
        if member.digest in wanted:
            yield member.digest, read_member(segment, index) if member.size <= _LARGEST else None


class _Head(msgspec.Struct, frozen=True):
    """The fields by which a format is recognised."""

    bom_format: str = msgspec.field(default="", name="bomFormat")
    spec_version: str = msgspec.field(default="", name="specVersion")
    spdx_version: str = msgspec.field(default="", name="spdxVersion")


def read_sbom(path: str, sha256: str, content: bytes | None) -> CarriedSbom:
    """Read a file; None is the content of one that is too large. The reason why one isn't read is the same on every machine.

    Example:
        `read_sbom("demo-1.0.dist-info/sboms/demo.cdx.json", sha256, content).problem`
    """

    def refuse(problem: str) -> CarriedSbom:
        return CarriedSbom(path=path, sha256=sha256, problem=problem)

    if content is None:
        return refuse(_TOO_LARGE)
    try:
        head: _Head = decode(content, _Head)
    except msgspec.ValidationError:
        return refuse(_UNKNOWN)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return refuse(_NOT_JSON)
    try:
        if head.bom_format == "CycloneDX" and head.spec_version.startswith("1."):
            found = _read_cyclonedx(decode(content, _CycloneDX))
        elif head.spdx_version.startswith("SPDX-2."):
            found = _read_spdx(decode(content, _Spdx))
        else:
            return refuse(_UNKNOWN)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return refuse(_UNFIT)
    primary, parts, dependencies = found
    if any(_is_deep(part, _DEEPEST) for part in (*parts, *([primary] if primary is not None else []))):
        return refuse(_UNFIT)
    return CarriedSbom(path=path, sha256=sha256, primary=primary, parts=parts, dependencies=dependencies)


_Found = tuple[Part | None, tuple[Part, ...], dict[str, tuple[str, ...]]]


def _is_deep(part: Part, most: int) -> bool:
    return most == 0 or any(_is_deep(one, most - 1) for one in part.parts)


# https://cyclonedx.org/docs/1.6/json/: the part of the format that is about software. Versions from 1.2 to 1.7 have it.


class _Metadata(msgspec.Struct, frozen=True):
    component: Part | None = None


class _Dependency(msgspec.Struct, frozen=True):
    ref: str
    depends_on: tuple[str, ...] = msgspec.field(default=(), name="dependsOn")


class _CycloneDX(msgspec.Struct, frozen=True):
    metadata: _Metadata = _Metadata()
    components: tuple[Part, ...] = ()
    dependencies: tuple[_Dependency, ...] = ()


def _read_cyclonedx(document: _CycloneDX) -> _Found:
    needs: dict[str, tuple[str, ...]] = {}
    for one in document.dependencies:
        needs[one.ref] = (*needs.get(one.ref, ()), *one.depends_on)
    return document.metadata.component, document.components, needs


# https://spdx.github.io/spdx-spec/v2.3/: packages, and the relationships between them.


class _SpdxChecksum(msgspec.Struct, frozen=True, rename="camel"):
    algorithm: str
    checksum_value: str


class _SpdxReference(msgspec.Struct, frozen=True, rename="camel"):
    reference_type: str
    reference_locator: str


class _SpdxPackage(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    id: str = msgspec.field(name="SPDXID")
    version_info: str = ""
    summary: str = ""
    primary_package_purpose: str = "LIBRARY"
    download_location: str = ""
    homepage: str = ""
    license_concluded: str = ""
    license_declared: str = ""
    checksums: tuple[_SpdxChecksum, ...] = ()
    external_refs: tuple[_SpdxReference, ...] = ()


class _SpdxRelationship(msgspec.Struct, frozen=True, rename="camel"):
    spdx_element_id: str
    relationship_type: str
    related_spdx_element: str


class _Spdx(msgspec.Struct, frozen=True, rename="camel"):
    id: str = msgspec.field(name="SPDXID", default="SPDXRef-DOCUMENT")
    packages: tuple[_SpdxPackage, ...] = ()
    relationships: tuple[_SpdxRelationship, ...] = ()
    document_describes: tuple[str, ...] = ()


def _read_spdx(document: _Spdx) -> _Found:
    parts = [_part_of(package) for package in document.packages]
    by_id = {part.ref: part for part in parts}
    described = list(document.document_describes)
    needs: dict[str, tuple[str, ...]] = {}
    for one in document.relationships:
        first, kind, second = one.spdx_element_id, one.relationship_type, one.related_spdx_element
        if kind == "DESCRIBES" and first == document.id:
            described.append(second)
        elif kind in _NEEDS:
            needs[first] = (*needs.get(first, ()), second)
        elif kind in _NEEDED_BY:
            needs[second] = (*needs.get(second, ()), first)
    # A file about several packages has no primary one.
    known = [by_id[one] for one in dict.fromkeys(described) if one in by_id]
    return known[0] if len(known) == 1 else None, tuple(parts), needs


def _part_of(package: _SpdxPackage) -> Part:
    licenses = (package.license_concluded, package.license_declared)
    known = next((text for text in licenses if text not in _SAYS_NOTHING), "")
    return Part(
        name=package.name,
        ref=package.id,
        type=package.primary_package_purpose.lower(),
        version=package.version_info,
        description=package.summary,
        purl=_locator(package.external_refs, "purl"),
        cpe=_locator(package.external_refs, "cpe23Type") or _locator(package.external_refs, "cpe22Type"),
        hashes=tuple(Hash(_name_algorithm(one.algorithm), one.checksum_value) for one in package.checksums),
        # An id is an expression too.
        licenses=(License(expression=known),) if known else (),
        references=tuple(
            Reference(kind, url)
            for kind, url in (("distribution", package.download_location), ("website", package.homepage))
            if url not in _SAYS_NOTHING
        ),
    )


def _locator(references: Sequence[_SpdxReference], kind: str) -> str:
    return next((one.reference_locator for one in references if one.reference_type == kind), "")


def _name_algorithm(name: str) -> str:
    """Return CycloneDX's name of an algorithm, such as SHA-256, for SPDX's, such as SHA256."""
    return f"SHA-{name[3:]}" if name.startswith("SHA") and name[3:].isdigit() else name
