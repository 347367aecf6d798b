"""A package as the checks see it: facts that were taken before, and nothing of the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from cdk_lambda_package.app_directory import APP_FOLDER
from cdk_lambda_package.binaries import BinaryFacts
from cdk_lambda_package.chalice import CHALICE
from cdk_lambda_package.checks.distribution_names import modules_of
from cdk_lambda_package.handlers import module_of
from cdk_lambda_package.import_analysis import (
    Environment,
    ImportAnalysis,
    ImportGraph,
    ModuleOrigin,
    Reach,
    SourceFile,
    TextFault,
)
from cdk_lambda_package.keys import key_of
from cdk_lambda_package.layers import Layer, module_reader
from cdk_lambda_package.splicing import AFTER_PACKAGING, APP, OWN, VENDOR, Decision, Entry, Omission
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target, preinstalled_modules

_LAYERS = "/opt/"
# The owners of files that may be the app's own.
_APPS = (APP, AFTER_PACKAGING)

T = TypeVar("T")


class Surroundings:
    """Everything of a package but the content of the app's own sources and data: what an edit of these leaves as it is.

    The paths of the app's files and their owners are part of it, and its binaries. What follows from it alone is remembered.

    Example:
        `contents.surroundings.known(_Shadows, lambda: _find_shadows(contents))`
    """

    def __init__(self, key: str | None = None, store: Store | None = None) -> None:
        """Take the key of all that is part of it, and where to remember; without them nothing is."""
        self.key, self._store = key, store

    def known(self, kind: type[T], find: Callable[[], T]) -> T:
        """Return a value of a `remembered` class that was found earlier, else what `find` returns."""
        if self.key is None or self._store is None:
            return find()
        value = self._store.recall(kind, self.key)
        if value is None:
            value = find()
            self._store.remember(value, self.key)
        return value


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageContents:
    """Everything that checks may ask of a package.

    Attributes:
        target: The target of the package.
        index: The path of the app's own module, usually that of the handler; "" if there is none.
        handler: The handler's name in it; None if it was neither given nor found.
        handlers_outside: Handlers in full that aren't in that module.
        scripts: The text of those which are files of the package, such as `run.sh`, by path.
        place_on_lambda: Returns the path that a file has on Lambda, by its path in the package.
        metadata: Returns the METADATA of an owner that is a distribution, "" if there is none.
        is_wrapped: Whether AWS_LAMBDA_EXEC_WRAPPER is set, so that a program of a layer decides what the handler means.
        entries: The files by path, in order.
        imports: The effects of its modules' imports; see `analyse_imports`.
        surroundings: All of it that an edit of the app leaves as it is.
        faults: Returns `syntax_faults`.
        binaries: The facts of binaries by path.
        bytecode: The magic numbers of .pyc files that are modules without a source, by path.
        vouched: The owners whose wheels' tags promise that their binaries load, except for libraries of a desktop.
        built: The owners whose wheels were built here, such as projects of the user's own.
        projects: The owners that were built of the entry directory, whose code is the user's own.
        layers: The function's layers.
        provided: Canonical names of the distributions that the environment provides.
        archive_size: The size of the function's .zip file archive, in bytes.
        layer_archive_size: That of the layer that the package's dependencies go into, 0 if there is no such layer.
        compiled_size: The unzipped size of the bytecode in both that is compiled for them, in bytes.
        is_slim: Whether the option `slim` is set.
        omitted: The files that it left out, by path.
        unpackaged: Modules of the entry directory that aren't in the package, by path. A folder without any packaged
            file is listed itself, with a slash at the end. Those of a project above begin with "../".
        required_by: The distributions that require each packaged one, by name; "" stands for the app itself.
        decisions: Decisions of earlier stages, such as distributions that were left out.
        in_layer: Tells whether a file is in the layer that the package's dependencies go into; None if there is no such layer.

    Example:
        `contents.reach.certain` are the modules that Lambda certainly runs.
    """

    target: Target
    index: str
    handler: str | None
    entries: Mapping[str, Entry]
    imports: ImportAnalysis
    surroundings: Surroundings = field(default_factory=Surroundings)
    faults: Callable[[], Mapping[str, TextFault]] = dict
    binaries: Mapping[str, BinaryFacts] = field(default_factory=dict)
    bytecode: Mapping[str, int] = field(default_factory=dict)
    vouched: frozenset[str] = frozenset()
    built: frozenset[str] = frozenset()
    projects: frozenset[str] = frozenset()
    layers: tuple[Layer, ...] = ()
    provided: tuple[str, ...] = ()
    archive_size: int = 0
    layer_archive_size: int = 0
    compiled_size: int = 0
    is_slim: bool = False
    omitted: Mapping[str, Omission] = field(default_factory=dict)
    unpackaged: tuple[str, ...] = ()
    required_by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    decisions: tuple[Decision, ...] = ()
    handlers_outside: tuple[str, ...] = ()
    scripts: Mapping[str, str] = field(default_factory=dict)
    is_wrapped: bool = False
    in_layer: Callable[[Entry], bool] | None = None
    place_on_lambda: Callable[[str], str] = lambda path: f"/var/task/{path}"
    metadata: Callable[[str], str] = lambda _: ""

    @property
    def graph(self) -> ImportGraph:
        """The effect of importing the app's own module on Lambda, and further modules of the user's that have a handler.

        It has every statement of every module. Checks ask `reach`, which costs little after an edit, and this one for a message.
        """
        return self.imports.graph(*self.started)

    @property
    def reach(self) -> Reach:
        """The modules that the same import leads to."""
        return self.imports.reach(*self.started)

    @property
    def started(self) -> tuple[str, ...]:
        """The paths of the modules that Lambda imports, as far as they are the package's own; "" for an unknown one."""
        outside = (self.imports.path_of(module_of(handler)) for handler in self.handlers_outside)
        return tuple(dict.fromkeys((self.index, *filter(None, outside))))

    @property
    def syntax_faults(self) -> Mapping[str, TextFault]:
        """The faults of modules that can't be compiled by path, in order of the paths; see `syntax`.

        A check asks for it when it has done the rest: the parser is at work meanwhile.
        """
        return self.faults()

    def is_app(self, path: str) -> bool:
        """Return whether a file is the app's own code, also if a command of `after_packaging` made or changed it."""
        entry = self.entries.get(path)
        return entry is not None and is_app(entry, self.index)

    def owner(self, path: str | None) -> str | None:
        """Return the owner of a file of the package, None for any other."""
        entry = self.entries.get(path or "")
        return entry.owner if entry is not None else None

    def distribution(self, path: str | None) -> str | None:
        """Return the distribution that a file of the package is from; None for the user's own, and for a layer's."""
        owner = self.owner(path)
        return owner if owner not in OWN and owner not in self.projects else None

    def is_own(self, path: str) -> bool:
        """Return whether a file is the user's own: the app's code, from vendor/, or of a project that is the entry directory."""
        owner = self.owner(path)
        return owner in OWN or owner in self.projects

    def place(self, path: str) -> str:
        """Return where the user finds a file: a file from vendor/ is in that folder of the entry directory."""
        entry = self.entries.get(path)
        return f"{VENDOR}/{path}" if entry is not None and entry.owner == VENDOR else path

    def unseen_places(self) -> Iterator[str]:
        """Yield a sentence for each kind of place that may have a missing module and can't be read: layers, and `provided`."""
        unknown = [layer.name for layer in self.layers if not layer.known]
        if unknown:
            yield f"It may be in layer {unknown[0]}, whose files are unknown here."
        outside = [name for name in self.provided if not self._has_modules_of(name)]
        if outside:
            yield f"It may come with {outside[0]}, which provided names."

    def _has_modules_of(self, distribution: str) -> bool:
        """Return whether a distribution has a module in the package or a layer, so that its dependencies are known too."""
        found = (self.imports.finder.find(module) for module in modules_of(distribution))
        return any(one is not None and one.origin in (ModuleOrigin.FILES, ModuleOrigin.OUTSIDE) for one in found)


def is_app(entry: Entry, index: str) -> bool:
    """Return whether a file is the app's own code; `index` is the path of the handler's module."""
    if entry.owner != AFTER_PACKAGING:
        return entry.owner == APP
    return entry.path.partition("/")[0] in (index.partition("/")[0], APP_FOLDER)


def analyse_imports(
    entries: Mapping[str, Entry],
    read: Callable[[str], bytes],
    *,
    target: Target,
    index: str = "",
    binaries: Mapping[str, BinaryFacts] | None = None,
    layers: Sequence[Layer] = (),
    provided: Iterable[str] = (),
    segments: Mapping[str, str] | None = None,
    surroundings: str | None = None,
    store: Store | None = None,
) -> ImportAnalysis:
    """Return what imports of a package's modules do on Lambda; `read` returns the content of a path.

    `index` is the path of the handler's module, which tells the app's own files from others. `segments` are the keys of wheels' segments by owner: what is read of a wheel is remembered with its segment. `surroundings` is the key of `Surroundings`, if it is known.

    Imports are followed in all of them, and in layers whose files are known. On Lambda, `sys.path` has the task root, the
    folders of layers, the runtime's own, and those of the standard library, in this order
    (https://docs.aws.amazon.com/lambda/latest/dg/python-layers.html).

    Example:
        `analyse_imports(entries, read, target=target).graph("app.py")`
    """
    sources = _Sources(entries, segments or {}, layers)
    in_layers = sources.layers
    readers = {layer.name: module_reader(layer) for layer in layers if layer.modules}

    def read_any(path: str) -> bytes:
        layer = in_layers.get(path)
        return readers[layer.name](path.removeprefix(_LAYERS)) if layer is not None else read(path)

    environment = Environment(
        python=target.runtime.version,
        suffixes=target.module_suffixes,
        outside=frozenset(f"{_LAYERS}{path}" for layer in layers for path in layer.files),
        roots=("", f"{_LAYERS}python/lib/{target.runtime.name}/site-packages/", f"{_LAYERS}python/"),
        preinstalled=preinstalled_modules(target.runtime.version),
        provided=frozenset(module for name in provided for module in modules_of(name)),
    )
    filled = frozenset(module for facts in (binaries or {}).values() for module in facts.fills)
    return ImportAnalysis(
        sources,
        read_any,
        environment,
        paths=entries,
        own=frozenset(
            path for owner in _APPS for path in sources.by_owner.get(owner, ()) if is_app(entries[path], index)
        ),
        watched={CHALICE},
        filled=filled,
        surroundings=surroundings,
        store=store,
    )


class _Sources(Mapping[str, SourceFile]):
    """The Python sources of a package and its layers, by path. Each is described when it is asked for: an edit asks for few.

    `by_owner` has the paths of those in the package that aren't from wheels with segments, `layers` has the layers of others.
    """

    def __init__(self, entries: Mapping[str, Entry], segments: Mapping[str, str], layers: Sequence[Layer]) -> None:
        self._entries, self._segments = entries, segments
        # A later layer's file replaces an earlier one's, as Lambda unpacks them.
        self.layers = {f"{_LAYERS}{path}": layer for layer in layers for path in layer.modules}
        numbers = {id(layer): number for number, layer in enumerate(layers)}
        self._owners = {path: f"{_LAYERS}{numbers[id(layer)]}" for path, layer in self.layers.items()}
        self.by_owner: dict[str, list[str]] = {}
        for path, entry in entries.items():
            if entry.owner not in segments and self._is_source(path):
                self.by_owner.setdefault(entry.owner, []).append(path)
        self._groups: dict[str, str] = {}

    def _is_source(self, path: str) -> bool:
        """Return whether a file is a module, or a .pyi file beside one, from which that may read the names of its lazy imports."""
        return path.endswith(".py") or (path.endswith(".pyi") and path.removesuffix("i") in self._entries)

    def _group(self, owner: str) -> str:
        """Return the name of the group of an owner that is no wheel: packages share it if the files have the same paths."""
        if owner not in self._groups:
            paths = self.by_owner.get(owner) or [path for path, other in self._owners.items() if other == owner]
            self._groups[owner] = f"{owner} {key_of(sorted(paths))}"
        return self._groups[owner]

    def __getitem__(self, path: str) -> SourceFile:
        if (layer := self.layers.get(path)) is not None:
            return SourceFile(layer.modules[path.removeprefix(_LAYERS)], self._group(self._owners[path]))
        if path not in self:
            raise KeyError(path)
        entry = self._entries[path]
        segment = self._segments.get(entry.owner)
        return SourceFile(entry.digest, self._group(entry.owner) if segment is None else entry.owner, segment)

    def __contains__(self, path: object) -> bool:
        return path in self.layers or (path in self._entries and self._is_source(str(path)))

    def __iter__(self) -> Iterator[str]:
        yield from filter(self._is_source, self._entries)
        yield from self.layers

    def __len__(self) -> int:
        return sum(1 for _ in self)
