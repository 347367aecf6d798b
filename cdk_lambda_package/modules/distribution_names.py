"""Which distribution provides a module, and which modules a distribution provides, by name alone.

Mostly the one's name follows from the other's; data/import_names.txt has those that differ.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_DATA = Path(__file__).parent / "data" / "import_names.txt"


def find_distribution(module: str) -> str | None:
    """Return the distribution that is known to provide a module, or a package that it lies in."""
    table = _read_table()
    while module:
        if module in table:
            return table[module][0]
        module = module.rpartition(".")[0]
    return None


def find_modules(distribution: str) -> frozenset[str]:
    """Return the modules that a distribution of this name should have: those known, else one of its own name."""
    name = canonicalize(distribution)
    known = {module for module, names in _read_table().items() if name in map(canonicalize, names)}
    return frozenset(known or {name.replace("-", "_")})


def guess_distribution(module: str) -> str:
    """Return the name that a distribution would have if it were called as its module is."""
    return canonicalize(module.partition(".")[0])


def canonicalize(name: str) -> str:
    """Return a distribution's name as indexes compare it, without an extra.

    https://packaging.python.org/specifications/name-normalization/
    """
    # Not `packaging`'s, whose import would take longer than all the rest of these checks.
    return re.sub(r"[-_.]+", "-", name.partition("[")[0]).strip("-").lower()


@cache
def _read_table() -> dict[str, tuple[str, ...]]:
    text = _DATA.read_text(encoding="utf-8")
    rows = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {module: tuple(names) for module, *names in rows}
