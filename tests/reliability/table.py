"""The results in writing: a table in Markdown between two markers."""

from __future__ import annotations

import os
import platform
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path

from reliability.outcomes import Outcome, Result

BEGIN, END = "<!-- reliability: begin -->\n", "<!-- reliability: end -->"


def make_table(results: Iterable[Result]) -> str:
    """Return a row for each kind of disturbance, in the order of the cases, and what they were tried with."""
    counts: dict[str, Counter[Outcome]] = {}
    for result in results:
        counts.setdefault(result.case.row, Counter())[result.outcome] += 1
    rows = [["disturbance", "number", *Outcome], ["---", *["---:"] * 4]]
    rows += [
        [row, *(f"{n:,}" for n in (count.total(), *map(count.get, Outcome, [0] * 3)))] for row, count in counts.items()
    ]
    total = sum(counts.values(), Counter())
    rows += [["all", *(f"{n:,}" for n in (total.total(), *map(total.get, Outcome, [0] * 3)))]]
    return "\n".join(["", *("| " + " | ".join(map(str, row)) + " |" for row in rows), "", _versions(), "", ""])


def _versions() -> str:
    release = platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}
    system = release.get("PRETTY_NAME", platform.platform(terse=True))
    return (
        f"Python {platform.python_version()}, pip {metadata.version('pip')}, "
        f"cdk-lambda-package {metadata.version('cdk-lambda-package')}, {system}, {os.cpu_count()} cores."
    )


def write_table(results: Sequence[Result], page: Path) -> None:
    """Put the table between the markers of a page. Raises `ValueError` for a page without them."""
    text = page.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise ValueError(f"{page} doesn't have the two markers {BEGIN.strip()} and {END}.")
    pattern = re.compile(f"(?<={re.escape(BEGIN)}).*(?={re.escape(END)})", re.S)
    page.write_text(pattern.sub(lambda _: make_table(results), text), encoding="utf-8")
