"""What a set of files provides to `import`."""

from __future__ import annotations

from collections.abc import Iterable

MODULE_SUFFIXES = (".py", ".pyc", ".so")


def find_units(paths: Iterable[str]) -> frozenset[str]:
    """Return the modules and regular packages that `paths` hold, each by its path without a suffix.

    A unit is owned by whoever has it: it can't be put together from two distributions. Folders without `__init__.py`
    on the way to it are namespaces, which any number of distributions fill together (PEP 420), as in
    `google/cloud/storage`. The `.libs` folders that repaired wheels keep shared libraries in are units too.
    """
    paths = tuple(paths)
    regular = {path.rpartition("/")[0] for path in paths if _is_init(path)}
    return frozenset(unit for path in paths if (unit := _find_unit(path, regular)) is not None)


def is_importable(path: str) -> bool:
    """Tell whether a file of this path is code that an import could run."""
    return path.endswith(MODULE_SUFFIXES)


def _find_unit(path: str, regular: set[str]) -> str | None:
    top, *rest = path.split("/")
    if rest and top.endswith(".libs"):
        return top
    # `bin` is where a wheel's scripts land; a folder whose name isn't an identifier can't be imported from.
    if not is_importable(path) or (rest and (top == "bin" or not top.isidentifier())):
        return None
    folder = top
    for part in rest:
        if folder in regular:
            return folder
        folder = f"{folder}/{part}"
    # The loop ends with the file itself; an extension module's file name is name.<abi>.so.
    head, slash, name = folder.rpartition("/")
    return f"{head}{slash}{name.split('.', 1)[0]}"


def _is_init(path: str) -> bool:
    name = path.rpartition("/")[2]
    return "/" in path and name.split(".", 1)[0] == "__init__" and name.endswith(MODULE_SUFFIXES)
