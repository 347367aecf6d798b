"""What following the imports of vendored modules came to, so that an edit of the app doesn't follow them all again. Pure.

Vendored is what the user answers for and isn't the app's. What the app's modules contain has no part in how imports among
these end, as long as none of them imports a module of the app, and the app enters them in the same order.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.checks.import_resolution import Lack, Reason
from cdk_lambda_package.checks.import_steps import Runs, Step
from cdk_lambda_package.checks.own_modules import find_absolute_name
from cdk_lambda_package.modules.facts import ImportStatement
from cdk_lambda_package.splicing.tree import AFTER_PACKAGING, APP, VENDOR

# Part of the key: raised whenever following the same modules comes to something else.
_FORMAT = "v1"

Reached = tuple[frozenset[str], ...]
"""Paths of modules, for each way of reaching one (see `ImportGraph`)."""


class OtherwiseError(Exception):
    """Vendored modules aren't entered as they were when it was remembered what comes of that."""


class Entrance(NamedTuple):
    """A vendored module that the app imports, `depth` modules deep, and what comes of it.

    Attributes:
        paths: The modules that are run then and weren't before, in order.
        failing: Those of them that certainly fail.
        changers: Those of them that change where Python looks for modules, in order.
        steps: The statements of any of them that ask for something in vain, by its path, in order.
    """

    path: str
    depth: int
    paths: tuple[str, ...]
    failing: tuple[str, ...]
    changers: tuple[str, ...]
    steps: Mapping[str, tuple[Step, ...]]


class VendoredImports(NamedTuple):
    """The modules that the app enters, in order, and what it reaches of vendored ones from those that it names."""

    entrances: tuple[Entrance, ...]
    named: Reached
    reached: Reached

    def enter(self, number: int, path: str, depth: int) -> Entrance:
        """Return what comes of the entrance with this number. Raises `OtherwiseError` if that was another one."""
        if number < len(self.entrances) and self.entrances[number][:2] == (path, depth):
            return self.entrances[number]
        raise OtherwiseError

    def reach(self, count: int, named: Reached) -> Reached:
        """Return what is reached after `count` entrances. Raises `OtherwiseError` if there were others."""
        if count == len(self.entrances) and named == self.named:
            return self.reached
        raise OtherwiseError


def recall(contents: PackageContents) -> VendoredImports:
    """Return what is known of these vendored modules. Raises `OtherwiseError` where that is nothing."""
    known = contents.notes.get(_key(contents)) if contents.notes is not None else None
    if known is None:
        raise OtherwiseError
    return _decode(known)


def remember(imports: VendoredImports, read: Iterable[str], contents: PackageContents) -> None:
    """Keep what came of entering vendored modules, unless the app's modules could have had a part in it.

    `read` are the paths of all modules whose facts were used.
    """
    if contents.notes is not None and imports.entrances and not _imports_app(read, contents):
        contents.notes.keep(_key(contents), _encode(imports))


def _imports_app(read: Iterable[str], contents: PackageContents) -> bool:
    """Tell whether any of these vendored modules may import one of the app's, by its first name."""
    tops = {path.partition("/")[0].partition(".")[0] for path in contents.entries if contents.is_app(path)}
    vendored = (path for path in read if not contents.is_app(path))
    return any(name.partition(".")[0] in tops for path in vendored for name in _list_imports(path, contents))


def _list_imports(path: str, contents: PackageContents) -> Iterator[str]:
    for statement in contents.module_facts(path).imports:
        name = find_absolute_name(path, statement)
        if name is not None:
            # `from . import name` at the top level, where there is no package, finds nothing.
            yield name


def _key(contents: PackageContents) -> str:
    """Return the digest of everything that it depends on: all paths, and what is in the files that aren't the app's."""
    layers = [[layer.known, sorted(layer.files)] for layer in contents.layers]
    target = dataclasses.astuple(contents.target)
    head = json.dumps([_FORMAT, target, contents.index, layers, contents.provided])
    stamped = (VENDOR, AFTER_PACKAGING)
    rows = [
        f"{path}\0{entry.digest if entry.owner in stamped else entry.owner == APP}"
        for path, entry in contents.entries.items()
    ]
    return hashlib.sha256("\0".join([head, *rows]).encode(errors="surrogatepass")).hexdigest()


def _encode(imports: VendoredImports) -> list[Any]:
    entrances = [
        [*entrance[:-1], {path: list(map(_encode_step, steps)) for path, steps in entrance.steps.items()}]
        for entrance in imports.entrances
    ]
    # Most modules are reached in every way, and there may be thousands.
    ways: dict[str, list[str]] = {}
    for path in sorted(frozenset().union(*imports.reached)):
        ways.setdefault("".join("01"[path in way] for way in imports.reached), []).append(path)
    return [entrances, list(map(sorted, imports.named)), ways]


def _encode_step(step: Step) -> list[Any]:
    return [step.statement, step.runs, [[lack.reason.value, *lack[1:]] for lack in step.lacks]]


def _decode(known: Sequence[Any]) -> VendoredImports:
    entrances, named, ways = known
    return VendoredImports(
        entrances=tuple(_decode_entrance(*row) for row in entrances),
        named=tuple(map(frozenset, named)),
        reached=tuple(
            frozenset().union(*(paths for way, paths in ways.items() if way[number] == "1"))
            for number in range(len(named))
        ),
    )


def _decode_entrance(
    path: str, depth: int, paths: list[str], failing: list[str], changers: list[str], steps: dict[str, Any]
) -> Entrance:
    return Entrance(
        path=path,
        depth=depth,
        paths=tuple(paths),
        failing=tuple(failing),
        changers=tuple(changers),
        steps={module: tuple(_decode_step(*row) for row in rows) for module, rows in steps.items()},
    )


def _decode_step(statement: list[Any], runs: int, lacks: list[Any]) -> Step:
    found = tuple(Lack(Reason(reason), *rest) for reason, *rest in lacks)
    return Step(ImportStatement.from_json(statement), Runs(runs), found, ())
