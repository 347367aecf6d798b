"""Stage 4, its end: the archives that a package is written to: the function's, and with `dependencies="layer"` that of a layer.

Whatever is checked, compiled or left out is decided for the whole package. Only then its files are divided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from msgspec.structs import replace

from cdk_lambda_package.errors import CommandError
from cdk_lambda_package.paths import is_importable
from cdk_lambda_package.splicing import (
    AFTER_PACKAGING,
    APP,
    ContentDigest,
    Entry,
    Layout,
    Splice,
    below,
    digest_tree,
    zip_size,
)
from cdk_lambda_package.stages.s3_inputs import Inputs
from cdk_lambda_package.store import Store

# On Lambda, PATH has /opt/bin, and LD_LIBRARY_PATH has /opt/lib.
_SYSTEM_FOLDERS = ("bin", "lib")


class Place(NamedTuple):
    """Where a file is on Lambda: the folder that its archive is unpacked in, and the one in the archive that it is below."""

    mount: str
    root: str = ""

    @property
    def folder(self) -> str:
        """The whole path of the folder, such as `/opt/python`."""
        return f"{self.mount}/{self.root}" if self.root else self.mount


_TASK, _LAYER = Place("/var/task"), Place("/opt")


@dataclass(frozen=True, kw_only=True, slots=True)
class Archive:
    """The files of an archive in order of their paths there, and what it is spliced from."""

    entries: tuple[Entry, ...]
    splices: tuple[Splice, ...]

    @property
    def size(self) -> int:
        """Bytes that the files take unzipped."""
        return sum(entry.size for entry in self.entries)

    @property
    def archive_size(self) -> int:
        """Bytes of the .zip file archive."""
        return zip_size(self.splices)

    @property
    def digest(self) -> ContentDigest:
        """The digest of the content."""
        return digest_tree(self.entries)


@dataclass(frozen=True, kw_only=True, slots=True)
class Archives:
    """The archives of a package; `layer` is None if all is in the function's."""

    function: Archive
    layer: Archive | None = None


def archives_of(inputs: Inputs, layout: Layout, store: Store) -> Archives:
    """Return the archives that a layout is written to, with the paths that their files have there.

    Example:
        `archives_of(inputs, layout, store).function.digest`
    """
    if not (inputs.layer_root or inputs.root):
        return Archives(function=Archive(entries=tuple(layout.tree.entries), splices=tuple(layout.splices)))
    where = places_of(inputs, layout)
    places = {entry.path: where(entry) for entry in layout.tree.entries}
    if not inputs.layer_root:
        return Archives(function=_archive(layout.tree.entries, layout.splices, places, store))
    own = [entry for entry in layout.tree.entries if places[entry.path] is _TASK]
    shared = [entry for entry in layout.tree.entries if places[entry.path] is not _TASK]
    if not own:
        raise CommandError(
            "after_packaging left no file of the function's own package, and Lambda accepts no empty one. Leave a file in it, or write "
            "packaging=Packaging(dependencies='package')."
        )
    return Archives(
        function=_archive(own, layout.splices, places, store),
        layer=_archive(shared, layout.splices, places, store) if shared else None,
    )


def places_of(inputs: Inputs, layout: Layout) -> Callable[[Entry], Place]:
    """Return a function that returns where a file of a package is on Lambda.

    Of what is in a layer, `bin/` and `lib/` are below /opt itself, unless they have Python modules.

    Example:
        `places_of(inputs, layout)(entry).folder` is "/opt/python/lib/python3.13/site-packages".
    """
    root = inputs.layer_root or inputs.root
    if not root:
        return lambda _: _TASK
    is_shared = shared_by(inputs, layout) if inputs.layer_root else lambda _: True
    tops = {
        entry.path.partition("/")[0] for entry in layout.tree.entries if is_importable(entry.path) and is_shared(entry)
    }
    system = tuple(f"{name}/" for name in _SYSTEM_FOLDERS if name not in tops)
    modules = Place(_LAYER.mount, root)

    def where(entry: Entry) -> Place:
        if not is_shared(entry):
            return _TASK
        return _LAYER if entry.path.startswith(system) else modules

    return where


def shared_by(inputs: Inputs, layout: Layout) -> Callable[[Entry], bool]:
    """Return a function that tells whether a file is in the layer of a package.

    It is one of a requirement or of vendor/. A project that is the entry directory is the app's own code. What a command of
    `after_packaging` changed stays where it was, and what it made is in the layer if the next folder around it that has other files has
    those of the layer alone.

    Example:
        `shared_by(inputs, layout)(entry)`
    """
    if not inputs.layer_root:
        return lambda _: False
    own = {APP, *inputs.projects}

    def owner_of(entry: Entry) -> str:
        return layout.former_owners.get(entry.path, entry.owner) if entry.owner == AFTER_PACKAGING else entry.owner

    @cache
    def folders() -> tuple[set[str], set[str]]:
        """The folders that have files of the app, and those that have files of the layer."""
        found: tuple[set[str], set[str]] = set(), set()
        for entry in layout.tree.entries:
            if (owner := owner_of(entry)) != AFTER_PACKAGING:
                found[owner not in own].update(_folders_above(entry.path))
        return found

    def is_shared(entry: Entry) -> bool:
        if (owner := owner_of(entry)) != AFTER_PACKAGING:
            return owner not in own
        apps, layers = folders()
        around = (folder for folder in _folders_above(entry.path) if folder in apps or folder in layers)
        return next(around, None) not in {None, *apps}

    return is_shared


def _folders_above(path: str) -> Iterator[str]:
    """Yield the folders that a file is in, the nearest one first."""
    while path := path.rpartition("/")[0]:
        yield path


def _archive(entries: Iterable[Entry], splices: Iterable[Splice], places: Mapping[str, Place], store: Store) -> Archive:
    """Return an archive of some of the files of splices, each in the folder of the archive that its place says."""
    entries = tuple(entries)
    roots = {entry.path: places[entry.path].root for entry in entries}
    placed: list[Splice] = []
    for splice in splices:
        members = splice.segment.members
        for root in dict.fromkeys(roots.values()):
            kept = tuple(index for index in splice.kept if roots.get(members[index].path) == root)
            if kept:
                chosen = splice if len(kept) == len(splice.kept) else Splice(segment=splice.segment, kept=kept)
                placed.append(below(chosen, root, store) if root else chosen)
    if not any(roots.values()):
        return Archive(entries=entries, splices=tuple(placed))
    moved = (replace(entry, path=f"{root}/{entry.path}") if (root := roots[entry.path]) else entry for entry in entries)
    return Archive(entries=tuple(sorted(moved)), splices=tuple(placed))
