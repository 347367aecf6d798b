"""What the import graph costs: `python -m benchmarks.graph [--rounds N]`.

An app imports pandas, scipy and scikit-learn, whose wheels are in the store, and of which nothing was read before. Parsing,
reading, tracing and writing are timed apart, in seconds of CPU for each MB of source that the imports reach; then all
checks with the first graph, and those after an edit, in seconds of wall time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from unittest.mock import patch

from cdk_lambda_package import PackageRequest, Packaging, pipeline, stages
from cdk_lambda_package.import_analysis.reader import read_module
from cdk_lambda_package.import_analysis.source import decode_source, parse
from cdk_lambda_package.inspection import inspect
from cdk_lambda_package.stages import read_contents
from cdk_lambda_package.store import Store, discard

RUNTIME, PYTHON = "python3.13", (3, 13)
REQUIREMENTS = ("pandas", "scipy", "scikit-learn")
IMPORTS = ("pandas", "scipy.stats", "scipy.optimize", "sklearn.ensemble")
# What a first graph writes.
_READ = ("modules", "reaches", "syntax")


class Costs(NamedTuple):
    """Seconds of CPU: parsing alone, parsing and reading, tracing with facts that are known, and writing; seconds of wall time.

    `size` is that of the reached source in MB.
    """

    size: float
    parsing: float
    reading: float
    tracing: float
    writing: float
    first: float
    edited: float


def main() -> None:
    """Measure, and print a row for each part."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        entry, store = Path(folder, "entry"), Store.open(Path(folder, "store"))
        entry.mkdir()
        (entry / "requirements.txt").write_text("\n".join(REQUIREMENTS))
        costs = Costs(*map(median, zip(*(_measure(entry, store, number) for number in range(rounds)), strict=True)))
    print(f"{costs.size:.1f} MB of source are reached\n")
    print("seconds of CPU                    all   of a MB")
    total = costs.reading + costs.tracing + costs.writing
    rows = {"parsing alone": costs.parsing, "parsing and reading": costs.reading, "tracing": costs.tracing,
            "writing": costs.writing, "in all": total}  # fmt: skip
    for name, seconds in rows.items():
        print(f"{name:<28}{seconds:>9.2f}{seconds / costs.size:>10.3f}")
    print(f"\nin all, beside parsing alone: {total / costs.parsing:.2f} times")
    print(f"checks with the first graph: {costs.first:.2f} s; after an edit: {1000 * costs.edited:.1f} ms of wall time")


def _measure(entry: Path, store: Store, number: int) -> Iterator[float]:
    # Each edit makes a new content: what was reviewed once isn't checked again.
    _edit(entry, f"ROUND = {number}\n")
    inspect(_request(entry), store)
    for kind in _READ:
        for folder in store.folders(kind):
            discard(folder)
    _edit(entry, f"FIRST = {number}\n")
    first = _seconds_of_checks(entry, store)
    inspected = inspect(_request(entry), store)
    contents, owned = inspected.contents, inspected.layout.owned
    members = {
        (owner, member.path): number for owner, one in owned.items() for number, member in enumerate(one.members)
    }
    owners = {path: contents.entries[path].owner for path in contents.reach.all}
    sources = [owned[owner].read(members[owner, path]) for path, owner in owners.items()]
    yield sum(map(len, sources)) / 1e6
    yield from _parsing_and_reading(sources)
    again = read_contents(inspected.examined.inputs, inspected.layout, store)
    yield _timed(lambda: again.graph)
    yield _timed(again.imports.save)
    yield first
    _edit(entry, f"EDITED = {number}\n")
    yield _seconds_of_checks(entry, store)


def _parsing_and_reading(sources: list[bytes]) -> tuple[float, float]:
    """Return how long parsing takes, and parsing with reading, in turns: a machine that slows down changes both alike."""
    parsing, reading = 0.0, 0.0
    for source in sources:
        parsing += _timed(partial(_parse, source))
        reading += _timed(partial(read_module, source, PYTHON))
    return parsing, reading


def _parse(source: bytes) -> None:
    parse(decode_source(source).encode())


def _request(entry: Path) -> PackageRequest:
    return PackageRequest(entry=entry, runtime=RUNTIME, packaging=Packaging(acknowledge=["package-too-large"]))


def _edit(entry: Path, text: str) -> None:
    imports = "".join(f"import {module}\n" for module in IMPORTS)
    (entry / "app.py").write_text(f"{imports}{text}\ndef handler(event, context):\n    return None\n")


def _seconds_of_checks(entry: Path, store: Store) -> float:
    """Package, and return how long the checks take, the graph among them."""
    seconds: list[float] = []

    def check(*arguments: Any) -> Any:
        began = time.perf_counter()
        review = stages.check_package(*arguments)
        seconds.append(time.perf_counter() - began)
        return review

    with patch.object(pipeline, "check_package", check):
        pipeline.package(_request(entry), store=store)
    return seconds[0]


def _timed(function: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    began = clock()
    function()
    return clock() - began


if __name__ == "__main__":
    main()
