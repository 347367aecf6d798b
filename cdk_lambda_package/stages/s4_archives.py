"""Stage 4, its end: the archives that a package is written to: the function's, and with `dependencies="layer"` that of a layer.

Whatever is checked, compiled or left out is decided for the whole package. Only then its files are divided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

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

# On Lambda, PATH has /opt/bin, and LD_LIBRARY_PATH has /opt/lib, as they have those of a function's package.
_SYSTEM_FOLDERS = ("bin", "lib")


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
    entries, splices = layout.tree.entries, layout.splices
    if not inputs.layer_root:
        return Archives(function=_archive(entries, splices, lambda _: inputs.root, store))
    is_shared = shared_by(inputs, entries)
    shared = [entry for entry in entries if is_shared(entry)]
    own = tuple(entry for entry in entries if not is_shared(entry))
    function = _archive(own, splices, lambda _: "", store)
    if not shared:
        return Archives(function=function)
    return Archives(function=function, layer=_archive(shared, splices, _root_in_layer(inputs, shared), store))


def shared_by(inputs: Inputs, entries: Iterable[Entry]) -> Callable[[Entry], bool]:
    """Return a function that tells whether a file is in the layer of a package with these files.

    It is one of a requirement or of vendor/. What a command of `after_packaging` made is in the layer if it is in a folder of the
    layer's. A project that is the entry directory is the app's own code.

    Example:
        `shared_by(inputs, layout.tree.entries)(entry)`
    """
    if not inputs.layer_root:
        return lambda _: False
    own = {APP, AFTER_PACKAGING, *inputs.projects}
    tops = {entry.path.partition("/")[0] for entry in entries if entry.owner not in own}

    def is_shared(entry: Entry) -> bool:
        if entry.owner == AFTER_PACKAGING:
            return entry.path.partition("/")[0] in tops
        return entry.owner not in own

    return is_shared


def _root_in_layer(inputs: Inputs, shared: Iterable[Entry]) -> Callable[[str], str]:
    """Return a function that returns the folder of a layer that a file belongs to, by its path in the package."""
    modules = {entry.path.partition("/")[0] for entry in shared if is_importable(entry.path)}
    system = {name for name in _SYSTEM_FOLDERS if name not in modules}
    return lambda path: "" if path.partition("/")[0] in system else inputs.layer_root


def _archive(
    entries: Iterable[Entry], splices: Iterable[Splice], root_of: Callable[[str], str], store: Store
) -> Archive:
    """Return an archive of some of the files of splices, each below the folder that `root_of` returns for its path."""
    roots = {entry.path: root_of(entry.path) for entry in entries}
    placed: list[Splice] = []
    for splice in splices:
        members = splice.segment.members
        for root in dict.fromkeys(roots.values()):
            kept = tuple(index for index in splice.kept if roots.get(members[index].path) == root)
            if kept:
                chosen = splice if len(kept) == len(splice.kept) else Splice(segment=splice.segment, kept=kept)
                placed.append(below(chosen, root, store) if root else chosen)
    moved = (entry._replace(path=f"{roots[entry.path]}/{entry.path}".lstrip("/")) for entry in entries)
    return Archive(entries=tuple(sorted(moved)), splices=tuple(placed))
