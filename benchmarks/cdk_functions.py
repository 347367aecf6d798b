"""Measure constructing and synthesizing many functions in ten stacks: `python -m benchmarks.cdk_functions [--functions N]`.

Each way is an app in a process of its own, and the ways take turns. With `--package DIR`, the `cdk_lambda_package` of another
checkout is measured beside this one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

_CHECKOUT = Path(__file__).resolve().parent.parent
_STACKS = 10
_APP = """
import sys
from time import perf_counter
from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_
way, count, entry, out = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
if way != "inline":
    from cdk_lambda_package import PythonFunction
runtime = lambda_.Runtime.PYTHON_3_13

def define(app, number):
    stack = stacks[number % len(stacks)]
    if way == "inline":
        code = lambda_.Code.from_inline("def handler(event, context): ...")
        lambda_.Function(stack, f"F{number}", code=code, runtime=runtime, handler="index.handler")
    else:
        PythonFunction(stack, f"F{number}", entry=entry, runtime=runtime)

app = App(outdir=out)
stacks = [Stack(app, f"Stack{number}") for number in range(STACKS)]
start = perf_counter()
for number in range(count):
    define(app, number)
constructed = perf_counter() - start
app.synth()
print(constructed, perf_counter() - start)
"""


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--functions", type=int, nargs="*", default=[200, 1000], help="how many functions")
    parser.add_argument("--rounds", type=int, default=5, help="how often each way is measured (default: 5)")
    parser.add_argument("--package", type=Path, help="another checkout to measure")
    arguments = parser.parse_args()
    ways = {"inline": _CHECKOUT, "ours": _CHECKOUT, **({"other": arguments.package} if arguments.package else {})}
    with tempfile.TemporaryDirectory() as folder:
        entry = Path(folder, "svc")
        entry.mkdir()
        (entry / "app.py").write_text("def handler(event, context): ...\n")
        for count in arguments.functions:
            samples: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
            for turn in range(arguments.rounds + 1):
                for way, checkout in ways.items():
                    seconds = _run(way, count, entry, Path(folder, "out", f"{way}{count}-{turn}"), checkout)
                    # The first turn fills the caches.
                    if turn:
                        samples[way].append(seconds)
            for way, values in samples.items():
                constructed, whole = (median(one) * 1000 / count for one in zip(*values, strict=True))
                print(
                    f"{count:5} functions, {way:6} {constructed:6.2f} ms constructed, {whole:6.2f} ms with synthesis, each"
                )


def _run(way: str, count: int, entry: Path, out: Path, checkout: Path) -> tuple[float, float]:
    environment = {**os.environ, "PYTHONPATH": str(checkout), "CDK_LAMBDA_PACKAGE_CACHE_DIR": f"{entry}-{way}"}
    code = _APP.replace("STACKS", str(_STACKS))
    command = [sys.executable, "-c", code, way, str(count), str(entry), str(out)]
    done = subprocess.run(command, env=environment, cwd=entry, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    constructed, whole = map(float, done.stdout.split())
    return constructed, whole


if __name__ == "__main__":
    main()
