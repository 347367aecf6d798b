"""What the checks add to a build: `python -m benchmarks.checks [--rounds N]`.

Only they are timed, in the process that packages: after an edit of app.py with a full store, where facts of one module
are taken anew, the requirements that it imports are known, and every check runs, and unchanged, where what they found is remembered. The first column includes what
Python takes to import them, the second, in a process that has packaged before, doesn't.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from benchmarks.cases import CASES

RUNTIME = "python3.13"
# Files that the checks must look at one by one: a vendored tree of pure Python.
VENDORED = 2000


def main() -> None:
    """Measure each case, and print a row for it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--case", nargs=2, metavar=("ENTRY", "STORE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(*_measure_here(*map(Path, arguments.case)))
        return
    print("milliseconds                        edited, first  edited, again  unchanged")
    for name, entry in _make_cases():
        store = entry.parent / "store"
        runs = [_measure_in_process(entry, store) for _ in range(arguments.rounds + 1)][1:]
        columns = [f"{1000 * median(column):>15.1f}" for column in zip(*runs, strict=True)]
        print(f"{name:<34}{''.join(columns)}")


def _make_cases() -> Iterator[tuple[str, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            entry = Path(folder, case.name.replace(", ", "-"), "entry")
            entry.mkdir(parents=True)
            (entry / "requirements.txt").write_text("\n".join(case.requirements))
            yield case.name, entry
        entry = Path(folder, "vendored", "entry")
        package = entry / "vendor" / "vendored"
        package.mkdir(parents=True)
        modules = [f"module_{number}" for number in range(VENDORED)]
        (package / "__init__.py").write_text("".join(f"from . import {module}\n" for module in modules))
        for module in modules:
            (package / f"{module}.py").write_text(f"import json\n\n\ndef {module}():\n    return json\n")
        yield f"{VENDORED:,} vendored modules", entry


def _measure_in_process(entry: Path, store: Path) -> list[float]:
    command = [sys.executable, "-m", "benchmarks.checks", "--case", str(entry), str(store)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def _measure_here(entry: Path, store: Path) -> list[float]:
    """Return the seconds that the checks take after an edit, after another one, and after none."""
    from cdk_lambda_package import PackageRequest, Packaging, pipeline, stages
    from cdk_lambda_package.store import Store

    request = PackageRequest(entry=entry, runtime=RUNTIME, packaging=Packaging(acknowledge=["package-too-large"]))
    opened = Store.open(store)
    seconds: list[float] = []

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            began = time.perf_counter()
            made = function(*arguments)
            seconds[-1] += time.perf_counter() - began
            return made

        return call

    names = ("review_key", "check_package", "cure_findings")
    timers: dict[str, Any] = {name: timed(getattr(stages, name)) for name in names}
    with patch.multiple(pipeline, **timers):
        for edit in (True, True, False):
            if edit:
                name = f"module_{time.time_ns() % VENDORED}"
                uses = _imported(entry)[0]
                imports = "".join(f"import {module}\n" for module in _imported(entry))
                text = (
                    f"{imports}\nTIME = {time.time_ns()}\n\n\ndef handler(event, context):\n    return {uses}.{name}\n"
                )
                (entry / "app.py").write_text(text)
            seconds.append(0.0)
            pipeline.package(request, store=opened)
    return seconds


def _imported(entry: Path) -> list[str]:
    """Return the modules that the app imports: all of its requirements."""
    return ["vendored"] if (entry / "vendor").is_dir() else (entry / "requirements.txt").read_text().split()


if __name__ == "__main__":
    main()
