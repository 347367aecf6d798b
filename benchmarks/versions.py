"""Measure this checkout beside another: `python -m benchmarks.versions ../other [--rounds N] [--functions N ...]`.

Four cases: a build after an edit of app.py (the whole process of the command line), an unchanged package in a running process, and
the synthesis of 200 and of 1,000 functions in ten stacks, beside inline code. Each measurement is a process of its own, the
checkouts take turns, and the first turn, which fills the stores, doesn't count. Both run on this checkout's interpreter and
dependencies. The table has the median of the rounds, in milliseconds; those of functions are for one function.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import median

_CHECKOUT = Path(__file__).resolve().parent.parent
_INLINE = "inline code"
_REQUIREMENTS = "boto3==1.40.0\nrequests==2.32.4\n"
_APP = "def handler(event, context): ...\n"
# A file that was edited within the last two seconds is read again, so first let it age.
_RACY_SECONDS = 2.1

_UNCHANGED = """
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from cdk_lambda_package import PackageRequest, package
from cdk_lambda_package.store import Store

entry, store = sys.argv[1], Store.open(sys.argv[2])
output = Path(sys.argv[2]).with_suffix(".zip")

def measure():
    start = perf_counter()
    package(PackageRequest(entry=entry, runtime="python3.13"), lambda digest: output, store=store)
    return perf_counter() - start

print(median([measure() for _ in range(200)][20:]))
"""

_FUNCTIONS = """
import sys
from time import perf_counter
from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_
way, count, entry, out = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
if way != "inline code":
    from cdk_lambda_package import PythonFunction
runtime = lambda_.Runtime.PYTHON_3_13

def define(number):
    stack = stacks[number % len(stacks)]
    if way == "inline code":
        code = lambda_.Code.from_inline("def handler(event, context): ...")
        lambda_.Function(stack, f"F{number}", code=code, runtime=runtime, handler="index.handler")
    else:
        PythonFunction(stack, f"F{number}", entry=entry, runtime=runtime)

app = App(outdir=out)
stacks = [Stack(app, f"Stack{number}") for number in range(10)]
start = perf_counter()
for number in range(count):
    define(number)
app.synth()
print((perf_counter() - start) / count)
"""


def main() -> None:
    """Measure, and print a row for each case."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("other", type=Path, help="the other checkout, such as a git worktree")
    parser.add_argument("--functions", type=int, nargs="*", default=[200, 1000], help="how many functions")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default: 5)")
    arguments = parser.parse_args()
    checkouts = {"this": _CHECKOUT, "other": arguments.other.resolve()}
    print(f"{'milliseconds':34}{'this':>9}{'other':>9}{'ratio':>9}")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        entry, plain = _write_entry(root / "svc", _REQUIREMENTS), _write_entry(root / "plain", "")
        cases: dict[str, Callable[[str], float]] = {
            "after an edit": lambda way: _build_after_edit(entry, root / way, checkouts[way]),
            "unchanged in a process": lambda way: _build_unchanged(entry, root / way, checkouts[way]),
        }
        for count in arguments.functions:
            cases[f"{count:,} functions, each"] = partial(_synthesize, count, plain, root, checkouts)
        for name, measure in cases.items():
            _print_row(name, _medians(measure, tuple(checkouts), arguments.rounds))
        for count in arguments.functions:
            seconds = _medians(partial(_synthesize, count, plain, root, checkouts), (_INLINE,), arguments.rounds)
            print(f"{f'{count:,} functions of {_INLINE}':34}{1000 * seconds[_INLINE]:9.2f}")


def _write_entry(entry: Path, requirements: str) -> Path:
    entry.mkdir()
    (entry / "app.py").write_text(_APP)
    if requirements:
        (entry / "requirements.txt").write_text(requirements)
    return entry


def _medians(measure: Callable[[str], float], ways: tuple[str, ...], rounds: int) -> dict[str, float]:
    turns = [{way: measure(way) for way in ways} for _ in range(rounds + 1)][1:]
    return {way: median(turn[way] for turn in turns) for way in ways}


def _print_row(name: str, medians: Mapping[str, float]) -> None:
    this, other = medians["this"], medians["other"]
    print(f"{name:34}{1000 * this:9.2f}{1000 * other:9.2f}{this / other:9.2f}", flush=True)


def _build_after_edit(entry: Path, store: Path, checkout: Path) -> float:
    (entry / "app.py").write_text(f"{_APP}\nEDITED = {time.time_ns()}\n")
    options = ("--runtime", "python3.13", "--output", store.with_suffix(".zip"), "--cache-dir", store)
    start = time.perf_counter()
    _run(checkout, "-m", "cdk_lambda_package", "build", entry, *options)
    return time.perf_counter() - start


def _build_unchanged(entry: Path, store: Path, checkout: Path) -> float:
    time.sleep(_RACY_SECONDS)
    return _run(checkout, "-c", _UNCHANGED, entry, store)


def _synthesize(count: int, entry: Path, root: Path, checkouts: Mapping[str, Path], way: str) -> float:
    with tempfile.TemporaryDirectory(dir=root) as out:
        store = root / f"{way}-functions"
        return _run(checkouts.get(way, _CHECKOUT), "-c", _FUNCTIONS, way, count, entry, out, store=store)


def _run(checkout: Path, *arguments: object, store: Path | None = None) -> float:
    """Run this interpreter on a checkout's package, and return the number that it prints last, 0 for none."""
    # An installed package has its bytecode, so these have it too.
    pycache = str(Path(tempfile.gettempdir(), "pycache"))
    environment = {**os.environ, "PYTHONPATH": str(checkout), "PYTHONPYCACHEPREFIX": pycache}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    if store:
        environment["CDK_LAMBDA_PACKAGE_CACHE_DIR"] = str(store)
    # In the root directory: a checkout's `benchmarks` and `tests` aren't importable from there.
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{checkout}: {done.stderr}")
    try:
        return float(done.stdout.split()[-1])
    except (IndexError, ValueError):
        return 0.0


if __name__ == "__main__":
    main()
