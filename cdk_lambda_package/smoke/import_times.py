"""The times of imports, as `python -X importtime` writes them. Pure.

https://docs.python.org/3/using/cmdline.html#cmdoption-X: each module is written after the ones that it imports, two spaces
deeper than what imports it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_LINE = re.compile(r"import time: +(\d+) \| +(\d+) \| ((?:  )*)(\S+)$", re.M)


class ImportTime(NamedTuple):
    """The time of one import, in microseconds: its own, and in `total` with those inside of it.

    Example:
        `ImportTime("json", own=210, total=1480)`
    """

    module: str
    own: int
    total: int


def read_import_times(output: str, module: str) -> tuple[ImportTime, ...]:
    """Return the times of a module's import and of those inside of it, itself last; none if it wasn't imported.

    Example:
        `read_import_times(stderr, "app")[-1].total`
    """
    rows = [(len(row[3]), ImportTime(row[4], int(row[1]), int(row[2]))) for row in _LINE.finditer(output)]
    ends = [index for index, (depth, row) in enumerate(rows) if not depth and row.module == module]
    if not ends:
        return ()
    first = ends[-1]
    while first and rows[first - 1][0]:
        first -= 1
    return tuple(row for _, row in rows[first : ends[-1] + 1])
