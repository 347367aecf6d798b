"""The tree of a deployment package: which file is at which path, and whose it is.

Precedence is the app's own files, then vendor/, then requirements. The unit is the distribution: vendor/ replaces
one whole, so that no half of it is left to be imported by the other half.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, NewType

from cdk_lambda_package.app_directory import import_units, is_importable
from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.splicing.record import write_record
from cdk_lambda_package.splicing.segment import Member

ContentDigest = NewType("ContentDigest", str)
"""The sha256 (hex) of a tree: paths, modes and uncompressed bytes. Two packages with the same one are the same to Lambda."""

DIGEST_FORMAT = b"cdk-lambda-package tree 1"

APP, VENDOR, AFTER_PACKAGING = "app", "vendor", "after_packaging"
"""Owners that aren't distributions; a distribution's name can't be mistaken for one, as it is written name==version.

The last is that of what the commands of `after_packaging` made or changed.
"""


class Entry(NamedTuple):
    """A file of the tree and who provides it: `app`, `vendor`, `after_packaging`, or `name==version`."""

    path: str
    executable: bool
    size: int
    digest: str
    owner: str


class Decision(NamedTuple):
    """Something that was settled on the way: `decision` is one of a closed set, `subject` what it is about."""

    decision: str
    subject: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Files of one owner that want to be in the tree, in the order in which they lie in their segment.

    `dist_info` is a distribution's metadata folder; `units` are its modules and packages (see `importables`). `wants`
    narrows down its members.
    """

    owner: str
    members: tuple[Member, ...]
    dist_info: str | None = None
    units: frozenset[str] = frozenset()
    wants: Callable[[str], bool] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What the tree takes of a source: the indices of its members in order, and whether these are all."""

    owner: str
    members: tuple[Member, ...]
    kept: tuple[int, ...]

    @property
    def complete(self) -> bool:
        """True if every member of the source is in the tree."""
        return len(self.kept) == len(self.members)


class Record(NamedTuple):
    """The RECORD of a distribution that lost files: where it goes, and its content."""

    path: str
    content: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """The files of a package in order of their paths, the sources they come from, and what was settled."""

    entries: tuple[Entry, ...]
    parts: tuple[Part, ...]
    records: tuple[Record, ...]
    decisions: tuple[Decision, ...]
    findings: tuple[Finding, ...]

    @property
    def size(self) -> int:
        """Bytes that the package takes unzipped."""
        return sum(entry.size for entry in self.entries)


def merge(sources: Sequence[Source]) -> Tree:
    """Put sources together, the earlier before the later where both have a path.

    The order is app, vendor, then distributions in order of their names. Clashes come out as findings.
    """
    merging = _Merging()
    kept = [source for source in sources if not merging.is_replaced(source)]
    parts = tuple(merging.take(source) for source in kept)
    entries = tuple(sorted(merging.entries.values()))
    findings = (*merging.findings, *_find_folder_clashes(merging.entries), *_find_case_clashes(entries))
    return Tree(
        entries=entries,
        parts=parts,
        records=tuple(merging.records),
        decisions=tuple(merging.decisions),
        findings=findings,
    )


def digest_tree(entries: Iterable[Entry]) -> ContentDigest:
    """Return the digest of entries in order of their paths; every field is framed, so no two trees share a text."""
    return ContentDigest(hashlib.sha256(b"".join(_frame(entries))).hexdigest())


def _frame(entries: Iterable[Entry]) -> Iterator[bytes]:
    yield DIGEST_FORMAT
    head = struct.Struct(">IH")
    for entry in entries:
        path = entry.path.encode()
        yield head.pack(len(path), 0o755 if entry.executable else 0o644)
        yield path
        yield bytes.fromhex(entry.digest)


class _Merging:
    """The state of one merge."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.records: list[Record] = []
        self.decisions: list[Decision] = []
        self.findings: list[Finding] = []
        self._vendored: frozenset[str] = frozenset()

    def is_replaced(self, source: Source) -> bool:
        """Tell whether vendor/ provides a module or package of this distribution, or part of one, and note so."""
        if source.owner == VENDOR:
            self._vendored = import_units(member.path for member in source.members)
        if source.dist_info is None:
            return False
        shared = sorted(unit for unit in self._vendored if _lies_in(unit, source.units))
        if shared:
            reason = f"vendor/ provides {', '.join(shared)}"
            self.decisions.append(Decision("distribution-replaced-by-vendor", source.owner, reason))
        return bool(shared)

    def take(self, source: Source) -> Part:
        """Take what of a source has its path to itself."""
        kept, lost = [], False
        for index, member in enumerate(source.members):
            if source.wants is not None and not source.wants(member.path):
                lost = True
            elif (holder := self.entries.get(member.path)) is None:
                self.entries[member.path] = Entry(*member, source.owner)
                kept.append(index)
            elif holder.digest != member.digest:
                self._judge_clash(holder, source)
                lost = True
        if lost and source.dist_info is not None:
            kept = self._renew_record(source, kept)
        return Part(owner=source.owner, members=source.members, kept=tuple(kept))

    def _renew_record(self, source: Source, kept: list[int]) -> list[int]:
        """Replace the RECORD of a distribution that isn't whole any more by one of what is left."""
        path = f"{source.dist_info}/RECORD"
        left = [index for index in kept if source.members[index].path != path]
        if len(left) == len(kept):
            return kept  # RECORD isn't wanted
        content = write_record((source.members[index] for index in left), path)
        self.entries[path] = Entry(path, False, len(content), hashlib.sha256(content).hexdigest(), source.owner)
        self.records.append(Record(path, content))
        return left

    def _judge_clash(self, holder: Entry, loser: Source) -> None:
        path = holder.path
        self.decisions.append(Decision("file-left-out", f"{loser.owner}: {path}", f"{holder.owner} has this path"))
        if holder.owner in (APP, VENDOR):
            self.findings.append(_own_file_wins(holder, loser.owner))
        elif is_importable(path):
            self.findings.append(_path_conflict(holder, loser.owner, Severity.ERROR))
        else:
            self.findings.append(_path_conflict(holder, loser.owner, Severity.WARNING))


def _lies_in(unit: str, units: frozenset[str]) -> bool:
    """Tell whether a unit, or a package that it lies in, is among `units`."""
    while unit:
        if unit in units:
            return True
        unit = unit.rpartition("/")[0]
    return False


def _own_file_wins(holder: Entry, loser: str) -> Finding:
    return Finding(
        id="own-file-wins",
        severity=Severity.WARNING,
        message=f"{holder.path} is provided by {holder.owner} and, with other content, by {loser}; the package has the "
        f"one of {holder.owner}. Rename yours if {loser} needs its own.",
        path=holder.path,
    )


def _path_conflict(holder: Entry, loser: str, severity: Severity) -> Finding:
    importable = severity is Severity.ERROR
    return Finding(
        id="path-conflict" if importable else "path-conflict-data",
        severity=severity,
        message=f"{holder.path} is provided with different content by {holder.owner} and {loser}, and a package has room "
        f"for one. Leave one of them out with exclude_distributions, or acknowledge it to keep that of {holder.owner}.",
        path=holder.path,
    )


def _find_folder_clashes(entries: Mapping[str, Entry]) -> Iterator[Finding]:
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


def _find_case_clashes(entries: Iterable[Entry]) -> Iterator[Finding]:
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
