"""Which distribution provides a module, and which modules a distribution provides, by name alone.

Most names follow from each other. data/import_names.txt has those that differ; in it, `*` is any name.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_DATA = Path(__file__).parent / "data" / "import_names.txt"


def distribution_of(module: str) -> str | None:
    """Return the distribution that is known to provide a module, or a package around it.

    Example:
        `distribution_of("google.cloud.translate_v2")` is `"google-cloud-translate"`.
    """
    table = _read_table()
    while module:
        if module in table:
            return table[module][0]
        module, _, name = module.rpartition(".")
        if any_name := table.get(f"{module}.*"):
            return any_name[0].replace("*", canonicalize(re.sub(r"_v\d+\w*$", "", name)))
    return None


def modules_of(distribution: str) -> frozenset[str]:
    """Return the modules that are known of a distribution, else one with its own name."""
    name = canonicalize(distribution)
    known = {module for module, names in _read_table().items() if name in map(canonicalize, names)}
    return frozenset(known or {name.replace("-", "_")})


def guessed_distribution(module: str) -> str:
    """Return the name of a distribution that is called like its module."""
    return canonicalize(module.partition(".")[0])


def canonicalize(name: str) -> str:
    """Return a distribution's name as indexes compare it, without an extra.

    https://packaging.python.org/specifications/name-normalization/
    """
    # Not `packaging`'s, whose import takes longer than all checks.
    return re.sub(r"[-_.]+", "-", name.partition("[")[0]).strip("-").lower()


@cache
def _read_table() -> dict[str, tuple[str, ...]]:
    text = _DATA.read_text(encoding="utf-8")
    rows = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {module: tuple(names) for module, *names in rows}
