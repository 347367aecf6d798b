"""The files of an entry directory that are packaged, folder by folder.

A folder is the unit in which files are recognised: as long as it has the same names, and each file its stat result, so have its files
their content. Then nothing is made for its files one by one: their names and digests stay as they were written down, until something
asks for them. A vendor/ of 20,000 files is a few hundred folders.

Files are compressed in batches of neighbours, so that an edit compresses few of them again.
"""

from __future__ import annotations

import contextlib
import enum
import hashlib
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple, TypeVar

import msgspec

from cdk_lambda_package.app_directory.opening import FoundFile, stat_entry
from cdk_lambda_package.decoding import decode
from cdk_lambda_package.keys import outside_key

T = TypeVar("T")

VENDOR_FOLDER = "vendor"
_VENDORED = f"{VENDOR_FOLDER}/"

# A file changed twice within one tick of the file system's clock keeps its stat result. A file that was touched this
# shortly before it was read is read again the next time; the coarsest clock in use, FAT's, ticks every two seconds.
_RACY_NS = 2_000_000_000


class FileFacts(NamedTuple):
    """Facts of a file's content: sha256 (hex), whether Lambda should execute it, whether it imports chalice.

    `head` has the first bytes of a .pyc file, which tell the Python that takes it; nothing of other files.
    """

    digest: str
    executable: bool
    imports_chalice: bool
    head: bytes = b""


class FileStamp(NamedTuple):
    """The fields of a stat result that change whenever the content does; programs can't set the change time back."""

    size: int
    modified_ns: int
    changed_ns: int
    inode: int


_NO_STAMP = FileStamp(-1, -1, -1, -1)
"""The stamp of no file: what has it is read again."""

FactsReader = Callable[[FoundFile], FileFacts]
"""Returns the facts of a file that was listed; raises `ChangedFileError` if it is another one by now."""


def file_stamp(found: os.stat_result) -> FileStamp:
    """Return the stamp of a file; as long as it stays the same, so does the content.

    Example:
        `file_stamp(path.stat()) == known` tells whether a file is unchanged.
    """
    return FileStamp(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def is_racy(stamp: FileStamp, began_ns: int) -> bool:
    """Tell whether a file that was read from this time on may change without another stamp.

    Example:
        `is_racy(file_stamp(path.stat()), time.time_ns())` is True for a file that was written just now.
    """
    return max(stamp.modified_ns, stamp.changed_ns) > began_ns - _RACY_NS


class Origin(enum.StrEnum):
    """Where a file of the entry directory comes from: the user's own code, or vendor/."""

    APP = "app"
    VENDOR = "vendor"


@dataclass(frozen=True, kw_only=True, slots=True)
class AppFile:
    """One of the user's files: `path` in the package, `source` on this machine, `size` in bytes, `digest` sha256 (hex).

    No part of `source` below the folder `root` is a link; "" is the folder that the file is in.

    Example:
        `AppFile(path="app.py", source="/orders/app.py", size=80, executable=False, digest="9f…", origin=Origin.APP)`
    """

    path: str
    source: str = field(metadata=outside_key("where the file is on this machine; `digest` says what is in it"))
    size: int = field(metadata=outside_key("`digest` says what is in it"))
    executable: bool
    digest: str
    origin: Origin
    root: str = field(default="", metadata=outside_key("where the file is on this machine"))

    @classmethod
    def of(cls, found: FoundFile, facts: FileFacts, origin: Origin) -> AppFile:
        """Return a listed file with its facts."""
        return cls(
            path=found.path,
            source=found.source,
            size=found.stat.st_size,
            executable=facts.executable,
            digest=facts.digest,
            origin=origin,
            root=found.root,
        )


class FileRow(NamedTuple):
    """A file of a folder. `source` and `root` say where a followed link leads; "" is the file with that name in the folder."""

    name: str
    size: int
    facts: FileFacts
    source: str = ""
    root: str = ""


_Rows = tuple[FileRow, ...]


class Part(NamedTuple):
    """Neighbouring files of a folder, the first of them by name. `digest` covers their paths, modes and content.

    `weight` is about what compressing them costs. `rows` are the files' rows as JSON: most are never asked for.
    """

    first: str
    weight: int
    digest: str
    rows: msgspec.Raw


class FolderFiles(NamedTuple):
    """The files of one folder that are packaged, or those of a folder of bytecode caches, of which some may be.

    `prefix` begins their paths in the entry directory: "" or a folder with a slash at the end. `place` is where the folder really is;
    no part of that below `root` is a link.
    """

    prefix: str
    place: str
    root: str
    parts: tuple[Part, ...]
    imports_chalice: bool = False

    @property
    def origin(self) -> Origin:
        """The origin of the files."""
        return Origin.VENDOR if self.is_vendored else Origin.APP

    @property
    def is_vendored(self) -> bool:
        """True for a folder of vendor/, and that itself."""
        return self.prefix.startswith(_VENDORED)

    @property
    def package_prefix(self) -> str:
        """The beginning of the files' paths in the package."""
        return self.prefix.removeprefix(_VENDORED)

    @property
    def rows(self) -> Iterator[FileRow]:
        """The rows of the files, in order of their names."""
        for part in self.parts:
            yield from _read_rows(part)

    @property
    def paths(self) -> Iterator[str]:
        """The paths of the files in the package."""
        return (f"{self.package_prefix}{row.name}" for row in self.rows)

    @property
    def tops(self) -> Iterator[str]:
        """The names that the files have at the top level of the package."""
        if self.package_prefix:
            yield from [self.package_prefix.partition("/")[0]] if self.parts else ()
        else:
            yield from self.paths

    @property
    def files(self) -> Iterator[AppFile]:
        """The files, in order of their names."""
        return self.files_of(self.rows)

    def files_of(self, rows: Iterable[FileRow]) -> Iterator[AppFile]:
        """Yield the files of rows."""
        prefix, origin, place = self.package_prefix, self.origin, os.path.join(self.place, "")  # noqa: PTH118
        for name, size, facts, source, root in rows:
            yield AppFile(
                path=f"{prefix}{name}",
                source=source or f"{place}{name}",
                size=size,
                executable=facts.executable,
                digest=facts.digest,
                origin=origin,
                root=root or self.root,
            )

    def only(self, wants: Callable[[str], bool]) -> FolderFiles:
        """Return the same folder with some of its files, told by their paths in the package."""
        rows = [row for row in self.rows if wants(f"{self.package_prefix}{row.name}")]
        return FolderFiles(prefix=self.prefix, place=self.place, root=self.root, parts=_divide_rows(self.prefix, rows),
                           imports_chalice=any(row.facts.imports_chalice for row in rows))  # fmt: skip


def _read_rows(part: Part) -> _Rows:
    rows: _Rows = decode(part.rows, _Rows)
    return rows


# Batches

# A batch has files of at least this weight, in most cases of twice as much; a folder's part and a batch of several at most of the third.
_LEAST, _USUAL, _MOST = 64, 64, 256
# Compressing a file of this size takes about as long as what any file costs.
_WEIGHED_SIZE = 16_384


def _divide_rows(prefix: str, rows: Sequence[FileRow]) -> tuple[Part, ...]:
    """Return the rows of a folder in parts; most folders are one."""
    beginning = prefix.removeprefix(_VENDORED)
    weights = [1 + row.size // _WEIGHED_SIZE for row in rows]
    runs = _runs(list(zip(rows, weights, strict=True)), lambda one: one[1], lambda one: f"{beginning}{one[0].name}")
    return tuple(_make_part(beginning, run) for run in runs)


def _make_part(prefix: str, weighed: Sequence[tuple[FileRow, int]]) -> Part:
    rows = [row for row, _ in weighed]
    # No name of a file that is packaged has a control character.
    lines = (f"{prefix}{row.name}\0{row.facts.executable:d}{row.facts.digest}\n" for row in rows)
    digest = hashlib.sha256("".join(lines).encode(errors="surrogatepass")).hexdigest()
    weight = sum(weight for _, weight in weighed)
    return Part(rows[0].name, weight, digest, msgspec.Raw(msgspec.json.encode(rows)))


def _runs(items: Iterable[T], weigh: Callable[[T], int], name: Callable[[T], str]) -> Iterator[list[T]]:
    """Yield neighbours in runs of about the same weight.

    A run begins at an item whose name says so. So another file moves the runs around it, and no others.
    """
    run: list[T] = []
    weight = 0
    for item in items:
        own = weigh(item)
        may_begin = weight >= _LEAST and zlib.crc32(name(item).encode(errors="surrogatepass")) % _USUAL < own
        if run and (may_begin or weight + own > _MOST):
            yield run
            run, weight = [], 0
        run.append(item)
        weight += own
    if run:
        yield run


class Batch(NamedTuple):
    """Files that are compressed into one segment. The same files make the same batches on every machine.

    `digest` covers the paths, modes and content of the files.
    """

    digest: str
    pieces: tuple[tuple[FolderFiles, Part], ...]

    @property
    def files(self) -> Iterator[AppFile]:
        """The files, folder by folder."""
        return (file for folder, part in self.pieces for file in folder.files_of(_read_rows(part)))


def _joined_digest(digests: Iterable[str]) -> str:
    # All are of the same length.
    return hashlib.sha256("".join(digests).encode()).hexdigest()


class FileSet:
    """The packaged files of one origin.

    Example:
        `FileSet(folders).digest`
    """

    def __init__(self, folders: Iterable[FolderFiles]) -> None:
        """Take the folders in order of their paths."""
        self.folders = tuple(folders)

    @cached_property
    def batches(self) -> tuple[Batch, ...]:
        """The batches in which the files are compressed."""
        pieces = ((folder, part) for folder in self.folders for part in folder.parts)
        runs = _runs(pieces, lambda one: one[1].weight, lambda one: f"{one[0].package_prefix}{one[1].first}")
        return tuple(Batch(digest=_joined_digest(part.digest for _, part in run), pieces=tuple(run)) for run in runs)

    @cached_property
    def digest(self) -> str:
        """What covers the paths, modes and content of all files."""
        return _joined_digest(batch.digest for batch in self.batches)

    @property
    def files(self) -> tuple[AppFile, ...]:
        """The files in order of their paths."""
        return tuple(sorted((file for folder in self.folders for file in folder.files), key=attrgetter("path")))

    @cached_property
    def tops(self) -> frozenset[str]:
        """The names of files and folders that the files have at the top level of the package."""
        return frozenset(top for folder in self.folders for top in folder.tops)

    def paths_in(self, *prefixes: str) -> Iterator[str]:
        """Yield the paths of the files that are directly in one of these folders of the package, each "" or with a slash at the end."""
        return (path for folder in self.folders if folder.package_prefix in prefixes for path in folder.paths)


# What is remembered


def _as_text(stamps: list[int]) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(stamps))


def _stamps_in(numbers: list[int]) -> Iterator[FileStamp]:
    return map(FileStamp, *(iter(numbers),) * len(FileStamp._fields))


class KnownFolder(NamedTuple):
    """A folder as it was listed and read: the names of all its entries, folders with a slash at the end, and the stamps of its files.

    `names` are those of `joined_names`, None if it has links, and other things by whose names nothing can be told: then each of its
    files is looked for by itself. `left_out` are the files that aren't read, and `unwanted` the modules among them by their paths. `chosen` tells whether it is packaged whether or not a
    pattern matches. `stamps` is JSON with the numbers of the first file's stamp, then those of the next: text is compared as a whole.
    """

    place: str
    root: str
    chosen: bool
    names: str | None
    left_out: list[str]
    unwanted: list[str]
    stamps: msgspec.Raw = _as_text([])
    imports_chalice: bool = False
    parts: tuple[Part, ...] = ()


def joined_names(names: Iterable[str]) -> str:
    """Return names as one text. No name has a slash, but that at the end of a folder's.

    Example:
        `joined_names(["app.py", "lib/", "x.py"])` is `"app.py/lib//x.py"`.
    """
    return "/".join(names)


class FolderMemory:
    """What is known of the folders of an entry directory, by their prefixes, and what of it is so now.

    Example:
        ```python
        memory = FolderMemory(known)
        app = read_app(entry, Selection(), read_facts, memory)
        known = memory.current
        ```
    """

    def __init__(
        self, known: Mapping[str, KnownFolder] | None = None, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        """Take what an earlier run kept as `current`; files are listed and read from now on."""
        self._known = known or {}
        self._began_ns = now_ns()
        self.current: dict[str, KnownFolder] = {}

    @property
    def has_changed(self) -> bool:
        """True if anything else is known than at the beginning."""
        return self.current != self._known

    def recognise(
        self, prefix: str, place: str, root: str, entries: Sequence[os.DirEntry[str]], names: list[str], *, chosen: bool
    ) -> KnownFolder | None:
        """Return what is known of a folder if it has the same entries, each file with its stamp; they are in order of their `names`."""
        known = self._known.get(prefix)
        joined = joined_names(names)
        if known is None or known.names != joined or known[:3] != (place, root, chosen):
            return None
        if known.left_out or "//" in joined or joined.endswith("/"):
            skipped = set(known.left_out)
            entries = [one for one, name in zip(entries, names, strict=True) if name[-1] != "/" and name not in skipped]
        stamps: list[int] = []
        try:
            for entry in entries:
                # As `file_stamp` does, which takes a quarter longer.
                found = stat_entry(entry)
                stamps += (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
            if _as_text(stamps) != known.stamps:
                return None
        except (OSError, OverflowError):
            return None
        self.current[prefix] = known
        return known

    def content(self, prefix: str) -> FolderFiles:
        """Return the files of a folder that was recognised."""
        known = self.current[prefix]
        return FolderFiles(prefix=prefix, place=known.place, root=known.root, parts=known.parts,
                           imports_chalice=known.imports_chalice)  # fmt: skip

    def read(
        self, seen: KnownFolder, prefix: str, files: Iterable[FoundFile], read: Callable[[FoundFile], FileFacts | None]
    ) -> FolderFiles:
        """Return the files of a folder, in order of their names, of which those are read that are new or changed.

        `seen` has what was listed of it, without stamps and parts. If `read` returns None, the file is left out, and asked for again.
        """
        known = self._rows(prefix)
        rows, stamps, is_whole, is_new = list[FileRow](), list[int](), True, False
        for file in files:
            stamp, name = file_stamp(file.stat), file.path[len(prefix) :]
            source = file.source if file.source != os.path.join(seen.place, name) else ""  # noqa: PTH118
            row = known.get((name, source, stamp))
            facts = row.facts if row is not None else read(file)
            if row is None:
                is_new = True
                stamp = _NO_STAMP if is_racy(stamp, self._began_ns) else stamp
            if facts is None:
                is_whole = False
                continue
            rows.append(FileRow(name, file.stat.st_size, facts, source, file.root if source else ""))
            stamps += stamp
        if known and not is_new and self._is_current(prefix, seen, stamps):
            return self.content(prefix)
        imports_chalice, parts = any(row.facts.imports_chalice for row in rows), _divide_rows(prefix, rows)
        kept = seen._replace(names=seen.names if is_whole else None, imports_chalice=imports_chalice, parts=parts)
        if kept.names is None:
            # Another function may have files that this one leaves out, and finds them as they were.
            stamped = list(zip(rows, _stamps_in(stamps), strict=True))
            stamped += [(row, stamp) for (_, _, stamp), row in known.items() if row.name in seen.left_out]
            stamped.sort(key=lambda one: one[0].name)
            stamps = [number for _, stamp in stamped for number in stamp]
            kept = kept._replace(left_out=[], parts=_divide_rows(prefix, [row for row, _ in stamped]))
        # Numbers of files on Windows may be larger than those of JSON.
        with contextlib.suppress(OverflowError):
            self.current[prefix] = kept._replace(stamps=_as_text(stamps))
        return FolderFiles(
            prefix=prefix, place=seen.place, root=seen.root, parts=parts, imports_chalice=imports_chalice
        )

    def _is_current(self, prefix: str, seen: KnownFolder, stamps: list[int]) -> bool:
        """Return whether a folder is as it is known, with these stamps; then it is kept so."""
        known = self._known[prefix]
        same = seen._replace(stamps=known.stamps, imports_chalice=known.imports_chalice, parts=known.parts)
        if known.names is None:
            same = same._replace(names=None, left_out=[])
        if same != known or _as_text(stamps) != known.stamps:
            return False
        self.current[prefix] = known
        return True

    def _rows(self, prefix: str) -> dict[tuple[str, str, FileStamp], FileRow]:
        """Return the rows that are known of a folder's files, by name, source and stamp."""
        known = self._known.get(prefix)
        if known is None:
            return {}
        rows = [row for part in known.parts for row in _read_rows(part)]
        stamps = _stamps_in(decode(known.stamps, list[int]))
        return {(row.name, row.source, stamp): row for row, stamp in zip(rows, stamps, strict=True)}

    def keep_others(self, tops: Iterable[str]) -> None:
        """Keep what is known below other names at the top level: another function may have its module there."""
        tops = set(tops)
        others = {prefix: one for prefix, one in self._known.items() if prefix.partition("/")[0] not in tops}
        self.current = others | self.current
