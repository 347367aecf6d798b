"""The manifest: the content of a deployment package, with the origin of each file.

Its schema is docs/reference/manifest.schema.json. The same inputs give the same manifest on every machine.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict
from urllib.parse import urlsplit

import msgspec
from packaging.utils import canonicalize_name

from cdk_lambda_package.decoding import decode
from cdk_lambda_package.errors import Finding, PackageError, shorten
from cdk_lambda_package.interpreters import Compiler
from cdk_lambda_package.requirements import LockedWheel
from cdk_lambda_package.splicing import VENDOR, Entry, Layout, Member, Series, Tree, read_license
from cdk_lambda_package.target import Target
from cdk_lambda_package.urls import show_url

MANIFEST_FORMAT = 1


class FileRow(TypedDict):
    """A file of a manifest."""

    path: str
    mode: str
    size: int
    sha256: str
    owner: str
    identity: NotRequired[str]


class RequirementRow(TypedDict):
    """A requirement that names a distribution."""

    requirement: str
    place: NotRequired[str]
    by: NotRequired[str]


class DistributionRow(TypedDict):
    """A distribution of a manifest."""

    name: str
    version: str
    wheel: str
    sha256: str
    origin: str
    requested: bool
    required_by: list[str]
    files: int
    size: int
    index: NotRequired[str]
    requirements: NotRequired[list[RequirementRow]]
    omitted: NotRequired[dict[str, int]]


class VendoredRow(TypedDict):
    """A distribution of vendor/."""

    name: str
    version: str


class LinkRow(TypedDict):
    """An import statement."""

    path: str
    line: int


class ImportRow(TypedDict):
    """An owner of modules to which imports lead."""

    owner: str
    loaded: Literal["certain", "perhaps", "later"]
    modules: dict[str, int]
    chain: list[LinkRow]


class DecisionRow(TypedDict):
    """A decision with more than one possible outcome."""

    decision: str
    subject: str
    reason: str


class TargetRow(TypedDict):
    """The target of a package."""

    runtime: str
    architecture: str


class LayerRow(TypedDict):
    """The layer with the dependencies."""

    files: list[FileRow]


class Manifest(TypedDict):
    """A manifest, as far as this library reads one: docs/reference/manifest.schema.json has all of it."""

    format: int
    content_digest: str
    target: TargetRow
    size: int
    distributions: list[DistributionRow]
    vendored: list[VendoredRow]
    imports: list[ImportRow]
    decisions: list[DecisionRow]
    files: list[FileRow]
    lock: NotRequired[str]
    layer: NotRequired[LayerRow]


class _Formatted(TypedDict):
    format: int


def read_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest in a file, as `build --manifest` writes it, as far as `Manifest` has it.

    Raises `PackageError` for another file.

    Example:
        `read_manifest(Path("orders.json"))["distributions"]`
    """
    named, advice = f"{str(path)!r}", "Give the file that `build --manifest` wrote."
    try:
        content = path.read_bytes()
        if content.startswith(_ZIP_MARK):
            raise PackageError(f"{named} is a .zip file archive, which doesn't say where its files are from. {advice}")
        if (found := decode(content, _Formatted)["format"]) > MANIFEST_FORMAT:
            raise PackageError(
                f"{named} is a manifest of format {found}, and this version reads {MANIFEST_FORMAT}. Upgrade cdk-lambda-package."
            )
        manifest: dict[str, Any] = decode(content, Manifest)
    except OSError as error:
        raise PackageError(f"The manifest {named} can't be read: {error.strerror}.") from error
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise PackageError(f"{named} isn't a manifest: {shorten(str(error)).rstrip('.')}. {advice}") from error
    return manifest


_ZIP_MARK = b"PK\x03\x04"
_METADATA = ".dist-info/METADATA"
# The folder of the SBOMs that a distribution carries (PEP 770), below its .dist-info.
_SBOMS = "sboms"


class ArchiveContent(NamedTuple):
    """The files of an archive with their paths there, and their digest."""

    entries: Sequence[Entry]
    digest: str


def describe_package(
    *,
    target: Target,
    package_key: str,
    layout: Layout,
    archives: Sequence[ArchiveContent],
    wheels: Sequence[LockedWheel],
    compiler: Compiler | None = None,
) -> dict[str, Any]:
    """Return the manifest of a layout, without the facts about the written .zip; `archives` are the function's, and a layer's if there is one.

    Example:
        `describe_package(target=target, package_key=key, layout=layout, archives=[content], wheels=wheels)["files"]`
    """
    tree, (function, *layers) = layout.tree, archives
    sizes: defaultdict[str, list[int]] = defaultdict(list)
    for entry in tree.entries:
        sizes[entry.owner].append(entry.size)
    omitted: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for omission in layout.omitted:
        omitted[omission.owner][omission.rule] += 1
    return {
        "format": MANIFEST_FORMAT,
        "package_key": package_key,
        "content_digest": function.digest,
        "target": describe_target(target),
        "size": sum(entry.size for entry in function.entries),
        **({"bytecode": _describe_bytecode(compiler, tree)} if compiler is not None else {}),
        **({"saved": layout.saved._asdict()} if layout.saved is not None else {}),
        "distributions": [
            _describe_distribution(
                wheel,
                sizes[owner_of(wheel)],
                layout.owned[owner_of(wheel)],
                dict(sorted(omitted[owner_of(wheel)].items())),
            )
            for wheel in wheels
        ],
        "vendored": sorted(_describe_vendored(layout), key=itemgetter("name")),
        "decisions": [decision._asdict() for decision in tree.decisions],
        "findings": [describe_finding(finding) for finding in tree.findings],
        "files": list(map(_describe_file, function.entries)),
        **({"layer": _describe_layer(layers[0])} if layers else {}),
    }


def _describe_layer(layer: ArchiveContent) -> dict[str, Any]:
    return {
        "content_digest": layer.digest,
        "size": sum(entry.size for entry in layer.entries),
        "files": list(map(_describe_file, layer.entries)),
    }


def _describe_file(entry: Entry) -> dict[str, Any]:
    return {
        "path": entry.path,
        "mode": "0755" if entry.executable else "0644",
        "size": entry.size,
        "sha256": entry.digest,
        "owner": entry.owner,
        # Another interpreter may make other bytes of the same module.
        **({"identity": entry.identity} if entry.identity else {}),
    }


def _describe_bytecode(compiler: Compiler, tree: Tree) -> dict[str, Any]:
    """Return the interpreter that compiled the modules, with their number and the bytes that they add unzipped."""
    sizes = [entry.size for entry in tree.entries if entry.identity]
    return {
        "interpreter": {"version": compiler.version, "build": compiler.build},
        "magic_number": compiler.magic,
        "modules": len(sizes),
        "size": sum(sizes),
    }


def _describe_vendored(layout: Layout) -> Iterator[dict[str, Any]]:
    """Yield name, version and licence of the distributions whose metadata is in vendor/."""
    # Imported here: few apps have distributions in vendor/.
    from email.parser import BytesParser

    files = layout.owned[VENDOR]
    # Not those that a command of `after_packaging` removed, for example: nothing else has their content.
    kept = (files.members[index] for index in layout.tree.kept.get(VENDOR, ()))
    there = [member for member in kept if f"/{_SBOMS}/" in member.path]
    for index, member in enumerate(files.members):
        if member.path.endswith(_METADATA) and member.path.count("/") == 1:
            metadata = BytesParser().parsebytes(files.read(index), headersonly=True)
            row = {"name": canonicalize_name(str(metadata["Name"] or "")), "version": str(metadata["Version"] or "")}
            if all(row.values()):
                sboms = _list_sboms(there, member.path.partition("/")[0])
                told = {"license": read_license(metadata), "sboms": sboms}
                yield {**row, **{name: value for name, value in told.items() if value}}


def _list_sboms(files: Iterable[Member], dist_info: str | None) -> list[dict[str, str]]:
    """Return the SBOMs in a distribution's folder .dist-info."""
    if dist_info is None:
        return []
    folder = f"{dist_info}/{_SBOMS}/"
    return [{"path": one.path, "sha256": one.digest} for one in files if one.path.startswith(folder)]


def as_json(content: Mapping[str, Any]) -> bytes:
    """Return a manifest or an SBOM as text for people and programs.

    Example:
        `as_json(made.manifest)`
    """
    # Not by json, which writes indented text in Python.
    return msgspec.json.format(msgspec.json.encode(content), indent=1)


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
    wheel: LockedWheel, sizes: Sequence[int], files: Series, omitted: Mapping[str, int]
) -> dict[str, Any]:
    told = {
        "index": show_url(wheel.index),
        "source": wheel.source,
        "license": files.facts.license,
        "omitted": omitted,
        # Those that the package leaves out too: they are about its code.
        "sboms": _list_sboms(files.members, files.facts.dist_info),
    }
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
