"""What changed between two packages: distributions, the app's own files, sizes. Their manifests are read, or their archives.

The JSON of a comparison has the schema docs/reference/diff.schema.json.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from email.parser import HeaderParser
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

from packaging.utils import canonicalize_name

from cdk_lambda_package.archives import ArchiveError, open_archive, reading_archive
from cdk_lambda_package.errors import PackageError, count

DIFF_FORMAT = 1

_KB = 1_000
_OWN = "app"
# At the top level, or where a layer has modules.
_METADATA = re.compile(r"^(?:python/(?:lib/python3\.\d+/site-packages/)?)?[^/]+\.dist-info/METADATA$")
_CHUNK = 1 << 20
_CHANGES = ("added", "removed", "upgraded", "downgraded", "changed")
_MOST_FILES = 20
# In bytes: no METADATA or RECORD is larger, and a larger one may be a bomb.
_LARGEST = 1 << 24

Manifest = Mapping[str, Any]


def read_archive(path: Path) -> dict[str, Any]:
    """Return what a .zip file archive says of a package, in the form of a manifest: its files, and the distributions with metadata.

    Raises `PackageError` for a file that isn't an archive.

    Example:
        `read_archive(Path("deployed.zip"))["distributions"]`
    """
    try:
        with open_archive(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            _refuse_twins(members)
            found = [_read_distribution(archive, one) for one in members if _METADATA.search(one.filename)]
            distributions = [one for one in found if one is not None]
            owners = {file: owner for owner, _, files in distributions for file in files}
            files = [_describe_member(archive, member, owners.get(member.filename, _OWN)) for member in members]
    except OSError as error:
        raise PackageError(f"The archive {str(path)!r} can't be read: {error.strerror or error}.") from error
    except ArchiveError as error:
        raise PackageError(f"{str(path)!r} isn't a .zip file archive that can be read: {error}.") from error
    return {
        "target": None,
        "size": sum(file["size"] for file in files),
        "files": files,
        "vendored": [],
        "distributions": [{**row, "required_by": []} for _, row, _ in distributions],
    }


def _refuse_twins(members: Iterable[ZipInfo]) -> None:
    """Raise `ArchiveError` for a name that several members have: which one counts is the reader's choice."""
    counts = Counter(member.filename for member in members)
    if twins := [name for name, number in counts.items() if number > 1]:
        raise ArchiveError(f"it has {counts[twins[0]]} files of the name {twins[0]!r}")


def _read_distribution(archive: ZipFile, member: ZipInfo) -> tuple[str, dict[str, str], list[str]] | None:
    """Return an owner, its name and version, and the files that its RECORD lists; None if they can't be known."""
    folder = member.filename.removesuffix("METADATA")
    root = folder.rstrip("/").rpartition("/")[0]
    prefix = f"{root}/" if root else ""
    metadata = HeaderParser().parsestr(_read_text(archive, member.filename))
    name, version = metadata["Name"], metadata["Version"]
    if not name or not version:
        return None
    record = _read_text(archive, f"{folder}RECORD")
    files = [line.rpartition(",")[0].rpartition(",")[0].strip('"') for line in record.splitlines()]
    row = {"name": canonicalize_name(str(name)), "version": str(version)}
    return f"{row['name']}=={version}", row, [*(f"{prefix}{file}" for file in files), member.filename]


def _read_text(archive: ZipFile, path: str) -> str:
    """Return a small text file of an archive, "" for none and for a large one."""
    with reading_archive():
        member = archive.NameToInfo.get(path)
        if member is None or member.file_size > _LARGEST:
            return ""
        with archive.open(member) as stream:
            # The size that is said may be another one.
            return stream.read(_LARGEST).decode(errors="replace")


def _describe_member(archive: ZipFile, member: ZipInfo, owner: str) -> dict[str, Any]:
    digest = hashlib.sha256()
    with reading_archive(), archive.open(member) as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    mode = "0755" if member.external_attr >> 16 & 0o100 else "0644"
    row = {"path": member.filename, "mode": mode, "size": member.file_size, "sha256": digest.hexdigest()}
    return {**row, "owner": owner}


def compare(before: Manifest, after: Manifest, *, names: tuple[str, str] = ("before", "after")) -> dict[str, Any]:
    """Return what changed from one package to another, the largest changes of size first; `names` are shown for the two.

    Example:
        `compare(read_manifest(Path("a.json")), read_manifest(Path("b.json")))["distributions"]`
    """
    old, new = _Content(_owned_as(before, after)), _Content(_owned_as(after, before))
    owners = [_compare_owner(name, old, new) for name in sorted(old.versions.keys() | new.versions.keys())]
    changes = [one for one in owners if one is not None]
    changes.sort(key=lambda one: (-abs(one["size_after"] - one["size_before"]), one["name"]))
    return {
        "format": DIFF_FORMAT,
        "before": _describe_side(names[0], before, old),
        "after": _describe_side(names[1], after, new),
        # An archive doesn't say what it is for.
        "same": not changes and (None in (before["target"], after["target"]) or before["target"] == after["target"]),
        "distributions": [one for one in changes if one["kind"] == "distribution"],
        "own": [one for one in changes if one["kind"] != "distribution"],
    }


def _owned_as(archive: Manifest, manifest: Manifest) -> Manifest:
    """Return what an archive says, with the owners that the other side's manifest has of the same paths: it knows better.

    A manifest stays as it is.
    """
    if archive["target"] is not None or manifest["target"] is None:
        return archive
    rows = [*manifest["files"], *manifest.get("layer", {}).get("files", ())]
    owners = {row["path"]: row["owner"] for row in rows}
    files = [{**row, "owner": owners.get(row["path"], row["owner"])} for row in archive["files"]]
    owning = {row["owner"].partition("==")[0] for row in files}
    distributions = [row for row in archive["distributions"] if row["name"] in owning]
    return {**archive, "files": files, "distributions": distributions}


class _Content:
    """The files of a package by owner, without the versions, and the versions."""

    def __init__(self, manifest: Manifest) -> None:
        files = [*manifest["files"], *manifest.get("layer", {}).get("files", ())]
        self.is_archive = manifest["target"] is None
        self.versions: dict[str, str] = {one["name"]: one["version"] for one in manifest["distributions"]}
        self.required_by = {one["name"]: one["required_by"] for one in manifest["distributions"]}
        self.files: dict[str, dict[str, Mapping[str, Any]]] = {}
        for file in files:
            owner = file["owner"].partition("==")[0]
            self.versions.setdefault(owner, "")
            self.files.setdefault(owner, {})[file["path"]] = file

    def size_of(self, owner: str) -> int:
        return sum(file["size"] for file in self.files.get(owner, {}).values())

    @property
    def size(self) -> int:
        return sum(map(self.size_of, self.files))

    @property
    def number(self) -> int:
        return sum(map(len, self.files.values()))


def _describe_side(name: str, manifest: Manifest, content: _Content) -> dict[str, Any]:
    target = manifest["target"]
    return {
        "name": name,
        "target": {key: target[key] for key in ("runtime", "architecture")} if target is not None else None,
        "content_digest": manifest.get("content_digest"),
        "files": content.number,
        "size": content.size,
    }


def _compare_owner(name: str, old: _Content, new: _Content) -> dict[str, Any] | None:
    versions = [side.versions.get(name) for side in (old, new)]
    content = _by_bytes if old.is_archive or new.is_archive else _by_meaning
    files = list(_compare_files(old.files.get(name, {}), new.files.get(name, {}), content))
    if versions[0] == versions[1] and not files:
        return None
    return {
        "name": name,
        "kind": "distribution" if any(versions) else "own",
        "change": _change_of(*versions),
        "version_before": versions[0] or None,
        "version_after": versions[1] or None,
        "size_before": old.size_of(name),
        "size_after": new.size_of(name),
        "required_by": list(new.required_by.get(name, old.required_by.get(name, ()))),
        "files": files,
    }


def _change_of(before: str | None, after: str | None) -> str:
    if before is None or after is None:
        return "added" if before is None else "removed"
    if before == after:
        return "changed"
    from packaging.version import InvalidVersion, Version

    try:
        return "upgraded" if Version(after) > Version(before) else "downgraded"
    except InvalidVersion:
        return "changed"


def _compare_files(
    old: Mapping[str, Any], new: Mapping[str, Any], content: Callable[[Mapping[str, Any]], str]
) -> Iterator[dict[str, Any]]:
    for path in sorted(old.keys() | new.keys()):
        before, after = old.get(path), new.get(path)
        if before is None or after is None:
            change = "added" if before is None else "removed"
        elif content(before) != content(after):
            change = "changed"
        elif before["mode"] != after["mode"]:
            change = "mode"
        else:
            continue
        sizes = {"size_before": before["size"] if before else None, "size_after": after["size"] if after else None}
        yield {"path": path, "change": change, **sizes}


def _by_bytes(file: Mapping[str, Any]) -> str:
    return str(file["sha256"])


def _by_meaning(file: Mapping[str, Any]) -> str:
    # Two releases of an interpreter may write other bytes of the same module.
    return str(file.get("identity", file["sha256"]))


def format_diff(found: Mapping[str, Any], *, files: bool = False) -> Iterator[str]:
    """Yield the lines of a comparison for people: a line for each distribution; with `files`, all files, else the app's own.

    Example:
        `print(*format_diff(compare(before, after)), sep=os.linesep)`
    """
    before, after = found["before"], found["after"]
    if found["same"]:
        yield f"{before['name']} and {after['name']} have the same content: {count(after['files'], 'file')}"
        return
    growth = _signed(after["size"] - before["size"])
    yield f"{before['name']} → {after['name']}: {_size(before['size'])} → {_size(after['size'])} ({growth}), {before['files']:,} → {count(after['files'], 'file')}"
    if before["target"] != after["target"] and None not in (before["target"], after["target"]):
        yield f"target: {' '.join(before['target'].values())} → {' '.join(after['target'].values())}"
    changes = Counter(one["change"] for one in found["distributions"])
    if changes:
        numbers = ", ".join(f"{changes[name]} {name}" for name in _CHANGES if changes[name])
        yield f"distributions: {numbers}"
        yield ""
        yield from _format_distributions(found["distributions"], files=files)
    for one in found["own"]:
        yield ""
        yield f"{_OWNERS.get(one['name'], one['name'])}: {_signed(one['size_after'] - one['size_before'])}"
        yield from _format_files(one["files"], most=None if files else _MOST_FILES)


_OWNERS = {"app": "your own files", "vendor": "vendor/"}


def _format_distributions(changes: Iterable[Mapping[str, Any]], *, files: bool) -> Iterator[str]:
    rows = [(one, f"{one['name']} {_versions(one)}") for one in changes]
    width = max(len(text) for _, text in rows)
    for one, text in rows:
        size = _signed(one["size_after"] - one["size_before"])
        needed = f"  required by {', '.join(one['required_by'])}" if one["required_by"] else ""
        yield f"  {one['change']:<10}  {text:<{width}}  {size:>12}{needed}".rstrip()
        if files:
            yield from _format_files(one["files"], most=None)


def _versions(one: Mapping[str, Any]) -> str:
    known = [version for version in (one["version_before"], one["version_after"]) if version]
    return " → ".join(dict.fromkeys(known))


def _format_files(files: Iterable[Mapping[str, Any]], *, most: int | None) -> Iterator[str]:
    rows = sorted(files, key=lambda one: (-abs((one["size_after"] or 0) - (one["size_before"] or 0)), one["path"]))
    for one in rows[:most]:
        size = _signed((one["size_after"] or 0) - (one["size_before"] or 0))
        # The names are those of an archive that anybody may have made.
        shown = one["path"] if one["path"].isprintable() else repr(one["path"])
        yield f"    {one['change']:<8}  {size:>12}  {shown}"
    if most is not None and len(rows) > most:
        yield f"    {len(rows) - most:,} more; --files lists them"


def _size(size: int) -> str:
    return f"{size / _KB:,.1f} KB" if size >= _KB else f"{size} B"


def _signed(size: int) -> str:
    return f"{'+' if size >= 0 else '-'}{_size(abs(size))}"
