"""Keep the store small and sound: pruning by size and age, and a look at every byte of it.

What is pruned are keys: a segment, the record that it was verified, a wheel and its metadata go together if they have the same
one. A key was used when the youngest of its files was written, or read as `Store.read` and `Store.find_wheel` write it down.
What processes use at the moment stays.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.store import CACHE_SIZE_VARIABLE, DOWNLOADS, FORMAT, TMP, WHEELS, Store, checksum, discard
from cdk_lambda_package.urls import file_sha256

DEFAULT_SIZE = 10 * 10**9
"""Bytes that the store may have after a build, unless the variable says otherwise."""

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_PERIODS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.IGNORECASE | re.ASCII)
# A file whose time is when the store was pruned last.
_PRUNED = "pruned"
_DAY = 24 * 3600
# Folders of this kind are compared with their digests whenever they are used.
_UNVERIFIED = frozenset({TMP, "prepared"})
# Wheels and other files are below their sha256.
_BY_HASH = frozenset({WHEELS, DOWNLOADS})
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(kw_only=True, slots=True)
class Entry:
    """Everything in the store under one key: its paths, as `kind/name`, with bytes, files, and the time of its last use."""

    paths: list[str] = field(default_factory=list)
    size: int = 0
    files: int = 0
    used: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Pruned:
    """How much was removed, in files and bytes, and the bytes that are left."""

    files: int
    removed: int
    left: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Damage:
    """A path in the store, as `kind/name`, and what is wrong with it."""

    path: str
    fault: str


def parse_size(text: str, place: str) -> int:
    """Return the bytes that a text such as `2GB` or `500 MiB` means; raises `OptionError` that names the `place`.

    Example:
        `parse_size("2GB", "--max-size") == 2_000_000_000`
    """
    match = _NUMBER.fullmatch(text.strip())
    if match is None or match[2].upper() not in _UNITS:
        raise OptionError(f"{place} {text!r} is no size: give a number of B, kB, MB, GB or TB, such as '2GB'.")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def parse_age(text: str, place: str) -> timedelta:
    """Return the time that a text such as `30d` means; raises `OptionError` that names the `place`.

    Example:
        `parse_age("30d", "--older-than") == timedelta(days=30)`
    """
    match = _NUMBER.fullmatch(text.strip())
    if match is None or match[2].lower() not in _PERIODS:
        raise OptionError(
            f"{place} {text!r} is no age: give a number of hours, days or weeks, such as '12h', '30d' or '8w'."
        )
    try:
        return float(match[1]) * _PERIODS[match[2].lower()]
    except OverflowError as error:
        raise OptionError(f"{place} {text!r} is too long an age: give a smaller number.") from error


def size_limit(environ: Mapping[str, str] = os.environ) -> int:
    """Return how many bytes the store may have after a build; raises `OptionError` for a variable that is no size.

    Example:
        `size_limit({"CDK_LAMBDA_PACKAGE_CACHE_SIZE": "2GB"}) == 2_000_000_000`
    """
    text = environ.get(CACHE_SIZE_VARIABLE)
    return parse_size(text, f"${CACHE_SIZE_VARIABLE}") if text else DEFAULT_SIZE


def prune(store: Store, *, max_size: int | None = None, older_than: timedelta | None = None) -> Pruned:
    """Remove what wasn't used for longer than `older_than`, and then the least recently used, down to `max_size` bytes.

    Example:
        `prune(store, max_size=2 * 10**9, older_than=timedelta(days=30)).removed`
    """
    base = store.root / FORMAT
    files = removed = 0
    with store.removing("prunes the store") as used:
        entries = sorted(_read_entries(base).values(), key=lambda entry: entry.used)
        left = sum(entry.size for entry in entries)
        oldest = None if older_than is None else time.time() - older_than.total_seconds()
        for entry in entries:
            is_old = oldest is not None and entry.used < oldest
            is_too_much = max_size is not None and left > max_size
            if (is_old or is_too_much) and used.isdisjoint(entry.paths):
                for path in entry.paths:
                    discard(base / path)
                files, removed, left = files + entry.files, removed + entry.size, left - entry.size
    return Pruned(files=files, removed=removed, left=left)


def tidy(store: Store, max_size: int) -> None:
    """Prune the store down to a size after a build that wrote to it, once a day."""
    if not store.has_new or store.read_only:
        return
    marker = store.root / FORMAT / _PRUNED
    with contextlib.suppress(OSError):
        if not marker.exists():
            # What was made today needn't be pruned today.
            marker.touch()
        elif marker.stat().st_mtime < time.time() - _DAY:
            # First, so that other processes don't do the same.
            marker.touch()
            prune(store, max_size=max_size)


def verify(store: Store, is_segment: Callable[[Path], bool]) -> list[Damage]:
    """Read every file of the store, and remove and return what is damaged; `is_segment` reads a whole segment.

    Example:
        `verify(store, is_segment) == []`
    """
    base = store.root / FORMAT
    damaged = [
        Damage(path=str(path.relative_to(base).as_posix()), fault=fault)
        for kind in _folders(base)
        if kind.name not in _UNVERIFIED
        for path, fault in _damage_of_kind(kind, is_segment)
    ]
    with store.removing("verifies the store") as used:
        for damage in damaged:
            if "/".join(damage.path.split("/")[:2]) not in used:
                discard(base / damage.path)
    return damaged


def _damage_of_kind(kind: Path, is_segment: Callable[[Path], bool]) -> Iterator[tuple[Path, str]]:
    for entry in sorted(kind.iterdir()):
        if kind.name in _BY_HASH:
            if entry.is_dir() and not entry.is_symlink():
                for path in sorted(entry.iterdir()):
                    if fault := _fault(path, lambda path: file_sha256(path) == path.parent.name):
                        yield path, fault
            else:
                yield entry, "isn't a folder"
        elif fault := _fault(entry, is_segment if kind.name == "segments" else _is_record):
            yield entry, fault


def _fault(path: Path, is_whole: Callable[[Path], bool]) -> str | None:
    """Return what is wrong with a file, None if nothing is, or it has gone in between."""
    try:
        if not path.is_file() or path.is_symlink():
            return "isn't a regular file" if os.path.lexists(path) else None
        return None if is_whole(path) else "is damaged"
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"can't be read: {error.strerror}"


def _is_record(path: Path) -> bool:
    digest, _, content = path.read_bytes().partition(b"\n")
    return digest == checksum(content)


def _read_entries(base: Path) -> dict[str, Entry]:
    """Return what the store holds, by key."""
    entries: dict[str, Entry] = {}
    for kind in _folders(base):
        if kind.name == TMP:
            continue
        with contextlib.suppress(OSError):
            for path in kind.iterdir():
                match = _KEY.match(path.name)
                entry = entries.setdefault(match[0] if match else f"{kind.name}/{path.name}", Entry())
                entry.paths.append(f"{kind.name}/{path.name}")
                for found in _files(path):
                    entry.size, entry.files = entry.size + found.st_size, entry.files + 1
                    entry.used = max(entry.used, found.st_mtime)
    return entries


def _folders(base: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(path for path in base.iterdir() if path.is_dir() and not path.is_symlink())
    return []


def _files(path: Path) -> Iterator[os.stat_result]:
    """Yield the stat results of a path, or of everything below it."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            for child in path.iterdir():
                yield from _files(child)
        else:
            yield path.lstat()
