"""The tree of a deployment package: the file at each path, and its owner.

Precedence is the app's own files, then vendor/, then requirements. The unit is the distribution: vendor/ replaces a whole
one, so that one half of it can't import the other half of another version.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple, NewType

import msgspec

from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.paths import import_units, is_importable
from cdk_lambda_package.splicing.archive import Series, Splice
from cdk_lambda_package.splicing.segment_format import Member, RecordFile, record_file

ContentDigest = NewType("ContentDigest", str)
"""The sha256 (hex) of a tree: paths, modes and uncompressed bytes. Two packages with the same one are the same to Lambda."""

DIGEST_FORMAT = b"cdk-lambda-package tree 1"

APP, VENDOR, AFTER_PACKAGING = "app", "vendor", "after_packaging"
"""Owners that aren't distributions; distributions are written name==version.

The last owns what the commands of `after_packaging` made or changed.
"""
OWN = (APP, VENDOR, AFTER_PACKAGING)
"""The owners of the user's own files; every other owner is a distribution."""


# As `Member`, nothing for the garbage collector.
class Entry(msgspec.Struct, frozen=True, order=True, gc=False):
    """A file of the tree and who provides it: `app`, `vendor`, `after_packaging`, or `name==version`.

    `identity` is the sha256 (hex) of what stands for the content in the tree's digest, if other bytes mean the same to Lambda:
    those of bytecode that another release of the interpreter compiled.
    """

    path: str
    executable: bool
    size: int
    digest: str
    owner: str
    identity: str = ""

    @classmethod
    def of(cls, member: Member, owner: str, identity: str = "") -> Entry:
        """Return the entry of an owner's file."""
        return cls(member.path, member.executable, member.size, member.digest, owner, identity)


class Decision(NamedTuple):
    """A decision about files or distributions: `decision` is one of a closed set, `subject` what it is about."""

    decision: str
    subject: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Provider:
    """One owner's files for the tree; `wants` tells by its path whether a member is used, and None means all."""

    owner: str
    files: Series
    wants: Callable[[str], bool] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """The files of a package in order of their paths, decisions and findings.

    `kept` has by owner the indices of those of its files that are in the tree, in order.
    """

    entries: tuple[Entry, ...]
    kept: Mapping[str, tuple[int, ...]]
    records: tuple[RecordFile, ...]
    decisions: tuple[Decision, ...]
    findings: tuple[Finding, ...]

    @property
    def size(self) -> int:
        """Bytes that the package takes unzipped."""
        return sum(entry.size for entry in self.entries)


class Omission(NamedTuple):
    """A file that isn't in a package since its function doesn't need it: its path, its owner, and the decision that left it out."""

    path: str
    owner: str
    rule: str


class Saved(NamedTuple):
    """What a package doesn't have since its function doesn't need it: files, bytes unzipped, and bytes in the archive."""

    files: int
    size: int
    archive_size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """A tree, what its archive is spliced from, and each owner's files with the facts that are known of them.

    `saved` is None if nothing was left out for being unneeded; `omitted` are the files that were. `former_owners` has the owners of the
    files that commands of `after_packaging` changed, by path.
    """

    tree: Tree
    splices: tuple[Splice, ...]
    owned: Mapping[str, Series]
    saved: Saved | None = None
    omitted: tuple[Omission, ...] = ()
    former_owners: Mapping[str, str] = field(default_factory=dict)

    @property
    def archive_size(self) -> int:
        """Bytes that the files take in the archive, without its directory."""
        return sum(splice.size for splice in self.splices)


def merge(providers: Sequence[Provider]) -> Tree:
    """Merge providers into a tree; if two have a path, the earlier one is used.

    The order is app, vendor, then distributions in order of their names. Clashes are reported as findings.

    Example:
        `merge([Provider(owner=APP, files=Series(segment))]).entries`
    """
    merging = _Merging()
    kept = {provider.owner: merging.take(provider) for provider in providers if not merging.is_replaced(provider)}
    entries = tuple(sorted(merging.entries.values(), key=attrgetter("path")))
    findings = (*merging.findings, *_folder_clashes(merging.entries), *_case_clashes(entries))
    return Tree(
        entries=entries,
        kept=kept,
        records=tuple(merging.records),
        decisions=tuple(merging.decisions),
        findings=findings,
    )


def digest_tree(entries: Iterable[Entry]) -> ContentDigest:
    """Return the digest of entries in order of their paths; every field is framed, so that no two trees share a digest.

    Example:
        `digest_tree(tree.entries)`
    """
    digest, head = hashlib.sha256(DIGEST_FORMAT), struct.Struct(">IH")
    for entry in entries:
        path = entry.path.encode()
        mode = 0o755 if entry.executable else 0o644
        digest.update(head.pack(len(path), mode) + path + bytes.fromhex(entry.identity or entry.digest))
    return ContentDigest(digest.hexdigest())


class _Merging:
    """The state of a merge."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.records: list[RecordFile] = []
        self.decisions: list[Decision] = []
        self.findings: list[Finding] = []
        self._vendored: frozenset[str] = frozenset()

    def is_replaced(self, provider: Provider) -> bool:
        """Tell whether vendor/ provides a module or package of this distribution, or part of one, and note so."""
        if provider.owner == VENDOR:
            self._vendored = import_units(member.path for member in provider.files.members)
        units = frozenset(provider.files.facts.units)
        shared = sorted(unit for unit in self._vendored if _lies_in(unit, units))
        if shared:
            reason = f"vendor/ provides {', '.join(shared)}"
            self.decisions.append(Decision("distribution-replaced-by-vendor", provider.owner, reason))
        return bool(shared)

    def take(self, provider: Provider) -> tuple[int, ...]:
        """Take the members whose paths are free, and return their indices."""
        kept, lost = [], False
        entries, owner, wants = self.entries, provider.owner, provider.wants
        for index, member in enumerate(provider.files.members):
            path = member.path
            if wants is not None and not wants(path):
                lost = True
            elif (holder := entries.get(path)) is None:
                entries[path] = Entry.of(member, owner)
                kept.append(index)
            elif holder.digest != member.digest:
                self._judge_clash(holder, provider)
                lost = True
        if lost and provider.files.facts.dist_info is not None:
            kept = self._renew_record(provider, kept)
        return tuple(kept)

    def _renew_record(self, provider: Provider, kept: list[int]) -> list[int]:
        """Replace the RECORD of a distribution that isn't complete any more by one of the remaining files."""
        members, path = provider.files.members, f"{provider.files.facts.dist_info}/RECORD"
        left = [index for index in kept if members[index].path != path]
        if len(left) == len(kept):
            return kept  # its RECORD is excluded
        content = record_file((members[index] for index in left), path)
        self.entries[path] = Entry(path, False, len(content), hashlib.sha256(content).hexdigest(), provider.owner)
        self.records.append(RecordFile(path, content))
        return left

    def _judge_clash(self, holder: Entry, loser: Provider) -> None:
        path = holder.path
        self.decisions.append(Decision("file-left-out", f"{loser.owner}: {path}", f"{holder.owner} has this path"))
        explain = _own_file_wins if holder.owner in (APP, VENDOR) else _path_conflict
        self.findings.append(explain(holder, loser.owner))


def _lies_in(unit: str, units: frozenset[str]) -> bool:
    """Tell whether a unit, or a package that it lies in, is among `units`."""
    while unit and unit not in units:
        unit = unit.rpartition("/")[0]
    return bool(unit)


def _own_file_wins(holder: Entry, loser: str) -> Finding:
    return Finding(
        id="own-file-wins",
        severity=Severity.WARNING,
        message=f"{holder.path} is provided by {holder.owner} and, with other content, by {loser}; the package has the "
        f"one of {holder.owner}. Rename yours if {loser} needs its own.",
        path=holder.path,
    )


def _path_conflict(holder: Entry, loser: str) -> Finding:
    importable = is_importable(holder.path)
    return Finding(
        id="path-conflict" if importable else "path-conflict-data",
        severity=Severity.ERROR if importable else Severity.WARNING,
        message=f"{holder.path} is provided with different content by {holder.owner} and {loser}, and a package has room "
        f"for one. Leave one of them out with exclude_distributions, or acknowledge it to keep that of {holder.owner}.",
        path=holder.path,
    )


def _folder_clashes(entries: Mapping[str, Entry]) -> Iterator[Finding]:
    folders: set[str] = set()
    for path in entries:
        folder = path.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    for path in sorted(folders & entries.keys()):
        yield Finding(
            id="file-and-folder",
            severity=Severity.ERROR,
            message=f"{path} is a file of {entries[path].owner} and also a folder that other files are in; it can't be "
            "unpacked. Exclude one of the two.",
            path=path,
        )


def _case_clashes(entries: Sequence[Entry]) -> Iterator[Finding]:
    # Hardly any package has one.
    if len(set(map(str.casefold, map(attrgetter("path"), entries)))) == len(entries):
        return
    seen: dict[str, Entry] = {}
    for entry in entries:
        other = seen.setdefault(entry.path.casefold(), entry)
        if other is not entry:
            yield Finding(
                id="case-clash",
                severity=Severity.WARNING,
                message=f"{entry.path} of {entry.owner} and {other.path} of {other.owner} differ by case only: Lambda has "
                "both, but Windows and macOS would have one.",
                path=entry.path,
            )
