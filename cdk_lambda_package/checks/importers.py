"""Who imports a module of the package, and whether it may fail. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from cdk_lambda_package.checks.contents import OWN, PackageContents
from cdk_lambda_package.modules.facts import ImportStatement


def is_optional(module: str, contents: PackageContents) -> bool:
    """Tell whether a module, by its path without a suffix, is imported only where its failure is provided for.

    That is in a function, under a condition, or with an `except ImportError`, as optional accelerators are. Of
    distributions nothing is read; what nobody is seen to import may be imported by other means.
    """
    statements = list(_find_statements(module, contents))
    return bool(statements) and not any(map(_is_unconditional, statements))


def _is_unconditional(statement: ImportStatement) -> bool:
    return statement.certain and not statement.guarded and not statement.if_missing and not statement.if_found


def _find_statements(module: str, contents: PackageContents) -> Iterator[ImportStatement]:
    dotted = module.replace("/", ".")
    package, inside, _ = module.partition("/")
    for path, entry in contents.entries.items():
        near = path.startswith(f"{package}/") if inside else True
        if near and path.endswith(".py") and entry.owner in OWN:
            for statement in contents.module_facts(path).imports:
                if any(_may_be(dotted, target) for target in _list_targets(statement, path)):
                    yield statement


def _may_be(module: str, target: str) -> bool:
    # What a package vendors may be imported from its own folder, put into sys.path: as `b.c` in place of `a.vendor.b.c`.
    return module == target or ("." in target and module.endswith(f".{target}"))


def _list_targets(statement: ImportStatement, path: str) -> set[str]:
    """Return the modules that a statement may import: what it names, and each name as a submodule of it."""
    parts = path.split("/")[:-1]
    base = parts[: len(parts) - statement.level + 1] if statement.level else []
    full = ".".join((*base, *([statement.module] if statement.module else [])))
    return {full, *(f"{full}.{name}" if full else name for name in statement.names)}
