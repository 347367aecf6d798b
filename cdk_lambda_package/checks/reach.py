"""Which of the user's own modules run when Lambda imports the handler's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cdk_lambda_package.checks.contents import OWN, PackageContents
from cdk_lambda_package.modules import ImportStatement


class Reach(NamedTuple):
    """Paths of the user's modules: those that run in any case and whose failure nobody catches, and those that may run."""

    certain: frozenset[str]
    perhaps: frozenset[str]


def find_reach(contents: PackageContents) -> Reach:
    """Follow the imports from the handler's module on."""
    certain: set[str] = set()
    perhaps: set[str] = set()
    pending = [(path, True) for path in _find_files(contents, contents.index.removesuffix(".py"))]
    while pending:
        path, sure = pending.pop()
        if path in certain or (path in perhaps and not sure):
            continue
        (certain if sure else perhaps).add(path)
        for statement in contents.module_facts(path).imports:
            runs = sure and statement.certain and not statement.guarded
            alone = not statement.if_missing and not statement.if_found
            pending += ((target, runs and alone) for target in _find_imported(contents, path, statement))
    return Reach(frozenset(certain), frozenset(perhaps - certain))


def find_base(path: str, statement: ImportStatement) -> str | None:
    """Return where what a statement in the module at `path` imports from lies, without a suffix (PEP 328)."""
    folders = path.split("/")[:-1]
    if statement.level > len(folders):
        return None
    parents = folders[: len(folders) - statement.level + 1] if statement.level else []
    return "/".join((*parents, *filter(None, statement.module.split("."))))


def find_file(contents: PackageContents, base: str) -> str | None:
    """Return the path of the user's module or package that lies there, if it does."""
    path = next((path for path in (f"{base}/__init__.py", f"{base}.py") if path in contents.entries), None)
    return path if path is not None and contents.entries[path].owner in OWN else None


def _find_imported(contents: PackageContents, path: str, statement: ImportStatement) -> Iterator[str]:
    base = find_base(path, statement)
    if base is not None:
        yield from _find_files(contents, base)
        yield from (file for name in statement.names if (file := find_file(contents, f"{base}/{name}")) is not None)


def _find_files(contents: PackageContents, base: str) -> Iterator[str]:
    """Yield a module and the packages around it, which Python imports first."""
    parts = base.split("/")
    for count in range(1, len(parts) + 1):
        file = find_file(contents, "/".join(parts[:count]))
        if file is not None:
            yield file
