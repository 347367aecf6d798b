"""Local files and folders that a resolution was made of: where each is, and what is in it.

A place is relative to the entry directory, so that in every checkout it means that checkout's own file. `with_places` and
`without_places` do the same for the `file:` URLs in a resolution.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from cdk_lambda_package.app_directory import FactsReader, FileFacts, FoundFile, StatCache, SymlinkFollowMode, list_files
from cdk_lambda_package.errors import ContentError, RequirementsError
from cdk_lambda_package.requirements.resolution import InputKind, LocalInput
from cdk_lambda_package.store import Store
from cdk_lambda_package.urls import input_digest, local_path

# The suffixes that pip looks at in a folder of --find-links.
_LINKED = (
    ".whl",
    ".zip",
    ".gz",
    ".tgz",
    ".tar",
    ".bz2",
    ".tbz",
    ".xz",
    ".txz",
    ".tlz",
    ".lz",
    ".lzma",
    ".html",
    ".htm",
)
# What earlier builds left in a project; setuptools would package stale modules from its build folder.
_LEFTOVERS = re.compile(r"build/(lib|bdist\.|temp\.)|dist/[^/]+\.(whl|tar\.gz)$|([^/]+/)*[^/]+\.egg-info/")
_URL = re.compile(r"""file://(/[^\s#;"'\\]*)""")
_ENTRY = "file:${ENTRY}/"
_PLACE = re.compile(r"""file:\$\{ENTRY\}/([^\s#;"'\\]*)""")


def relative_place(path: str | Path, entry: Path) -> str:
    """Return the path from the entry directory, or the path itself if it is on another drive.

    Example:
        `relative_place("/app/shared", Path("/app/orders"))` is `"../shared"`.
    """
    if Path(path).is_relative_to(entry):
        return Path(path).relative_to(entry).as_posix()
    try:
        # `..` leads to where a directory really is, whatever links lead to it.
        return Path(os.path.relpath(_real(entry) / path, _real(entry))).as_posix()
    except ValueError:
        return str(path)


def without_places(text: str, entry: Path) -> str:
    """Return the text with every `file:` URL in it relative to the entry directory."""
    base = _real(entry).as_uri().removeprefix("file://")

    def relate(match: re.Match[str]) -> str:
        path = match[1]
        own = entry.as_uri().removeprefix("file://") + "/"
        place = path.removeprefix(own) if path.startswith(own) else posixpath.relpath(path, base)
        return f"{_ENTRY}{place}{'/' if path.endswith('/') and not place.endswith('/') else ''}"

    return _URL.sub(relate, text) if "file://" in text else text


def with_places(text: str, entry: Path) -> str:
    """Return the text that `without_places` made, for this entry directory."""
    if _ENTRY not in text:
        return text
    base = _real(entry).as_uri().removeprefix("file://")

    def complete(match: re.Match[str]) -> str:
        return f"file://{posixpath.normpath(f'{base}/{match[1]}')}{'/' if match[1].endswith('/') else ''}"

    return _PLACE.sub(complete, text)


def read_inputs(
    inputs: Iterable[LocalInput], entry: Path, environ: Mapping[str, str], store: Store
) -> tuple[LocalInput, ...]:
    """Return the inputs with the digests of what is at their places now; "absent" for what isn't there.

    The store remembers digests of files by their stat results. Raises `RequirementsError` for a project that can't be
    read, and `OSError` for any other file or folder.
    """
    inputs = tuple(inputs)
    if all(one.digest for one in inputs):
        return inputs
    cache, real = StatCache(store, entry, purpose="*inputs"), _real(entry)
    read = cache.reader(_read_facts)
    found = tuple(
        one if one.digest else replace(one, digest=_digest(one.kind, real / one.place, environ, store, read))
        for one in inputs
    )
    cache.save()
    return found


def _digest(kind: InputKind, path: Path, environ: Mapping[str, str], store: Store, read: FactsReader) -> str:
    if not path.exists():
        return "absent"
    if kind is InputKind.TEXT:
        return input_digest(path.read_bytes(), environ)
    if kind is InputKind.PROJECT:
        return digest_project(path, store)
    if kind is InputKind.FILE or not path.is_dir():
        return read(str(path), path.stat()).digest
    if kind is InputKind.LINKS:
        files = sorted(one for one in path.iterdir() if one.name.lower().endswith(_LINKED) and one.is_file())
        rows = [(one.name, read(str(one), one.stat()).digest) for one in files]
    else:
        listed = list_files(path, starts=None, wanted=lambda _: True, mode=SymlinkFollowMode.ALWAYS).files
        rows = [(one.path, read(one.source, one.stat).digest) for one in listed]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def changed_since(inputs: Iterable[LocalInput], entry: Path, time: float) -> bool:
    """Tell whether a folder of links changed since a time in seconds: then pip may have seen it otherwise than it is."""
    return any(
        max(found.st_mtime, found.st_ctime) > time
        for one in inputs
        if one.kind is InputKind.LINKS
        for found in _stats(_real(entry) / one.place)
    )


def _stats(path: Path) -> Iterator[os.stat_result]:
    if path.exists():
        yield path.stat()
        if path.is_dir():
            yield from (one.stat() for one in path.iterdir() if one.name.lower().endswith(_LINKED) and one.is_file())


def links_of(locations: Iterable[str], entry: Path, kind: InputKind) -> Iterator[LocalInput]:
    """Yield the local ones of pip's locations of links or indexes: paths, or `file:` URLs."""
    for location in locations:
        if location.startswith("file:"):
            yield LocalInput(kind=kind, place=relative_place(local_path(location), entry))
        elif "://" not in location:
            yield LocalInput(kind=kind, place=relative_place(location, entry))


def digest_project(project: Path, store: Store | None = None) -> str:
    """Return the digest of a project's files: of their paths, x bits and content, and of no times.

    What the store remembers of a file isn't read again. Raises `RequirementsError` for a project that can't be read.

    Example:
        `digest_project(Path("../shared"), store)`
    """
    cache = StatCache(store, project, purpose="*project") if store is not None else None
    read = cache.reader(_read_facts) if cache else _read_facts
    rows = [
        [file.path, bool(file.stat.st_mode & 0o111), read(file.source, file.stat).digest]
        for file in project_files(project)
    ]
    if cache is not None:
        cache.save()
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def project_files(project: Path) -> tuple[FoundFile, ...]:
    """Return the files of a project that a build sees; raises `RequirementsError` for one that can't be read."""
    try:
        found = list_files(project, starts=None, wanted=lambda path: not _LEFTOVERS.match(path), mode=_FOLLOW)
        return found.checked()
    except ContentError as error:
        raise RequirementsError(f"The local project {project} can't be copied: {error}") from error


_FOLLOW = SymlinkFollowMode.ALWAYS


def _read_facts(path: str, _: os.stat_result) -> FileFacts:
    # A build decides what is executable, so nothing else is asked.
    try:
        with Path(path).open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise RequirementsError(f"{path} can't be read: {error.strerror}.") from error
    return FileFacts(digest, executable=False, imports_chalice=False)


def _real(entry: Path) -> Path:
    return Path(os.path.realpath(entry))
