"""Modules that hide others of the same name, or are hidden by them.

On Lambda the task root precedes the runtime's own folders and the standard library in `sys.path`, but modules that the
interpreter and Lambda's runtime client have loaded before can't be replaced.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.paths import is_importable
from cdk_lambda_package.splicing import OWN
from cdk_lambda_package.store import remembered
from cdk_lambda_package.target import ModulePresence, is_always_loaded, is_preinstalled, standard_presence

# Code on Lambda doesn't import these from the standard library, and apps and wheels have folders with such names.
_UNMISSED = frozenset({"__hello__", "__main__", "__phello__", "antigravity", "idlelib", "test", "this", "turtledemo"})


class _Name(NamedTuple):
    """A name at the package's top level: `path` is the module or regular package that Python finds under it.

    `module` is the module's file with this name, and `folders` has the first importable file of each owner in the folder.
    """

    name: str
    path: str
    module: str | None
    folders: dict[str, str]


@remembered("shadows", version=2)
@dataclass(frozen=True, slots=True)
class _Shadows:
    """The findings of this check: they follow from paths, owners and the target."""

    findings: tuple[Finding, ...]


def check(contents: PackageContents) -> Iterator[Finding]:
    """Yield a finding for each name at the package's top level that stands for two modules."""
    yield from contents.surroundings.known(_Shadows, lambda: _Shadows(tuple(_find_shadows(contents)))).findings


def _find_shadows(contents: PackageContents) -> Iterator[Finding]:
    for name in _top_names(contents):
        if _is_divided(name, contents):
            continue
        hidden = _hidden_handler(name, contents)
        if hidden is not None:
            yield hidden
        else:
            yield from _judge_standard(name, contents)
            yield from tuple(_judge_forms(name, contents)) or _judge_preinstalled(name, contents)


def _top_names(contents: PackageContents) -> Iterator[_Name]:
    modules: dict[str, str] = {}
    folders: dict[str, dict[str, str]] = {}
    for path, entry in contents.entries.items():
        top, slash, _ = path.partition("/")
        # Of a folder, the first file counts.
        known = slash and entry.owner in folders.get(top, ())
        if not known and is_importable(path):
            if slash:
                folders.setdefault(top, {}).setdefault(entry.owner, path)
            else:
                modules.setdefault(top.partition(".")[0], path)
    for name in sorted(modules.keys() | folders.keys()):
        found = contents.imports.finder.search_top(name)
        if found is not None and found.path is not None:
            yield _Name(name=name, path=found.path, module=modules.get(name), folders=folders.get(name, {}))


def _is_divided(name: _Name, contents: PackageContents) -> bool:
    """Return whether the module is the function's and the package its layer's: then the module is found first, which is an error elsewhere."""
    in_layer = contents.in_layer
    if in_layer is None or name.module is None or name.path == name.module:
        return False
    return in_layer(contents.entries[name.path]) and not in_layer(contents.entries[name.module])


def _hidden_handler(name: _Name, contents: PackageContents) -> Finding | None:
    """Return an error if Lambda finds another module than the handler's under its name."""
    index = contents.index
    if index.partition("/")[0].removesuffix(".py") != name.name:
        return None
    if is_always_loaded(name.name):
        other = f"the standard library's {name.name}, which is loaded before"
    elif "/" not in index and name.path != index:
        other = f"{_name_file(name.path, contents)}, which Python finds first"
    else:
        return None
    return Finding(
        id="handler-not-found",
        severity=Severity.ERROR,
        message=f"Lambda imports {name.name}, and gets {other}; the handler in {index} is never found. Rename {index}, and "
        "set index= to the new name.",
        path=index,
    )


def _judge_standard(name: _Name, contents: PackageContents) -> Iterator[Finding]:
    runtime = contents.target.runtime
    if standard_presence(name.name, runtime.version) in (None, ModulePresence.ELSEWHERE) or name.name in _UNMISSED:
        return
    owner = contents.entries[name.path].owner
    if is_always_loaded(name.name):
        text = f"is never imported: {name.name} of the standard library is loaded before"
    else:
        text = f"takes the place of the standard library's {name.name} in all that is imported after it"
    fix = "Rename it" if owner in OWN else f"Leave out {owner}: {runtime.name} has the module"
    yield Finding(
        id="shadows-standard-library",
        severity=Severity.WARNING,
        message=f"{_name_file(name.path, contents)} {text}. {fix}.",
        path=contents.place(name.path),
        subject=name.name,
    )


def _judge_preinstalled(name: _Name, contents: PackageContents) -> Iterator[Finding]:
    # In vendor/ and the requirements, such a module replaces the runtime's on purpose.
    if is_preinstalled(name.name) and contents.is_app(name.path):
        yield _hides(name.path, f"{name.name} of Lambda's runtime", contents)


def _judge_forms(name: _Name, contents: PackageContents) -> Iterator[Finding]:
    """Compare the module with the folder of the same name: the folder wins if it is a regular package, else it loses."""
    if name.module is None:
        return
    winner = contents.entries[name.path].owner
    as_module = {contents.entries[name.module].owner: name.module}
    for owner, path in (name.folders if name.path == name.module else as_module).items():
        if owner != winner:
            at = path if owner in OWN else name.path
            yield _hides(name.path, _name_file(path, contents), contents, at=at)


def _hides(path: str, hidden: str, contents: PackageContents, *, at: str | None = None) -> Finding:
    return Finding(
        id="shadows-requirement",
        severity=Severity.WARNING,
        message=f"{_name_file(path, contents)} hides {hidden}: both have one name for `import`. Rename yours.",
        path=contents.place(at or path),
        subject=path.partition("/")[0].partition(".")[0],
    )


def _name_file(path: str, contents: PackageContents) -> str:
    owner = contents.entries[path].owner
    return contents.place(path) if owner in OWN else f"{path} of {owner}"
