"""Which top-level names a set of files provides to `import`."""

from __future__ import annotations

from collections.abc import Iterable

MODULE_SUFFIXES = (".py", ".pyc", ".so")


def classify_top_level(paths: Iterable[str]) -> dict[str, list[str]]:
    """Return the top-level names of `paths` under two keys, each sorted.

    `names` are owned by whoever has them: modules, extension modules, regular packages, and the `.libs` folders that
    repaired wheels keep shared libraries in. `namespaces` are folders with importable files but without
    `__init__.py`, which any number of distributions fill together (PEP 420).
    """
    paths = tuple(paths)
    names = {_module_name(path) for path in paths if "/" not in path and path.endswith(MODULE_SUFFIXES)}
    folders = {path.split("/", 1)[0] for path in paths if "/" in path and _counts(path)}
    regular = {folder for folder in folders if folder.endswith(".libs")}
    regular |= {path.split("/", 1)[0] for path in paths if path.count("/") == 1 and _is_init(path)}
    return {"names": sorted(names | (folders & regular)), "namespaces": sorted(folders - regular)}


def is_importable(path: str) -> bool:
    """Tell whether a file of this path is code that an import could run."""
    return path.endswith(MODULE_SUFFIXES)


def _counts(path: str) -> bool:
    top = path.split("/", 1)[0]
    if top.endswith(".libs"):
        return True
    # `bin` is where a wheel's scripts land; what isn't an identifier can't be imported.
    return top != "bin" and top.isidentifier() and is_importable(path)


def _is_init(path: str) -> bool:
    name = path.split("/", 1)[1]
    return name.split(".", 1)[0] == "__init__" and name.endswith(MODULE_SUFFIXES)


def _module_name(path: str) -> str:
    # An extension module's file name is name.<abi>.so.
    return path.split(".", 1)[0]
