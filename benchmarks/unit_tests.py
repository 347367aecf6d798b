"""How long tests of stacks take: `python -m benchmarks.unit_tests [--rounds N] [--functions N] [--page PAGE]`.

A project has a stack of functions, with locked requirements of four sets, and ten tests that synthesize its template. pytest runs it with
inline code, with packages left out (`unbundled`), with packages from a full store, and with packages from an empty one. Measured are the
seconds of the whole run of pytest, and within it those of one template: constructing the stack, and `Template.from_stack`. The first template
of a run isn't counted there: it has the start of node in it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.cases import ARCHITECTURE
from benchmarks.report import describe_host, format_machine, format_seconds, format_table, replace_generated

RUNTIME = "python{}.{}".format(*sys.version_info[:2])
SETS = (("requests",), ("fastapi", "mangum"), ("boto3",), ("sqlalchemy", "attrs"))
TESTS = 10
INLINE, UNBUNDLED, FULL, EMPTY = "inline", "unbundled", "full", "empty"
WAYS: Mapping[str, str] = {
    INLINE: "inline code",
    UNBUNDLED: "`unbundled`",
    FULL: "with packages, full store",
    EMPTY: "with packages, empty store",
}

STACK = """\
import os
from pathlib import Path

from aws_cdk import Stack
from aws_cdk import aws_lambda as lambda_

from cdk_lambda_package import PythonFunction

RUNTIME = lambda_.Runtime(os.environ["RUNTIME"], lambda_.RuntimeFamily.PYTHON, supports_inline_code=True)
ARCHITECTURE = {"x86_64": lambda_.Architecture.X86_64, "arm64": lambda_.Architecture.ARM_64}[os.environ["ARCHITECTURE"]]


class ShopStack(Stack):
    def __init__(self, scope, construct_id):
        super().__init__(scope, construct_id)
        for entry in sorted(Path(__file__).parent.glob("svc*")):
            props = {"runtime": RUNTIME, "architecture": ARCHITECTURE}
            if os.environ["WAY"] == "inline":
                code = lambda_.Code.from_inline((entry / "app.py").read_text())
                lambda_.Function(self, entry.name, code=code, handler="index.handler", **props)
            else:
                PythonFunction(self, entry.name, entry=entry, **props)
"""
TEST = """\
import json
import os
from pathlib import Path
from time import perf_counter

import pytest
from aws_cdk import App
from aws_cdk.assertions import Template

from stack import ShopStack

if os.environ["WAY"] == "unbundled":
    pytestmark = pytest.mark.usefixtures("unbundled")


@pytest.mark.parametrize("number", range(int(os.environ["TESTS"])))
def test_each_entry_directory_is_a_function(number):
    began = perf_counter()
    template = Template.from_stack(ShopStack(App(), "Shop"))
    seconds = perf_counter() - began
    template.resource_count_is("AWS::Lambda::Function", len(list(Path(__file__).parent.glob("svc*"))))
    with open(os.environ["RESULT"], "a") as stream:
        stream.write(json.dumps(seconds) + "\\n")
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of pytest: its seconds, and those of each template after the first."""

    run: float
    template: float


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often each way is measured (default: 3)")
    parser.add_argument("--functions", type=int, default=20, help="the functions of the stack (default: 20)")
    parser.add_argument("--page", type=Path, help="a page with the markers to write the table between")
    arguments = parser.parse_args()
    samples: dict[str, list[Sample]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        project = write_project(Path(folder) / "shop", arguments.functions)
        full = Path(folder) / "store"
        lock_all(project, full)
        run_tests(project, FULL, full)
        for _ in range(arguments.rounds):
            for way in WAYS:
                store = Path(folder) / "empty" if way == EMPTY else full
                samples[way].append(run_tests(project, way, store))
                shutil.rmtree(Path(folder) / "empty", ignore_errors=True)
                print(f"{way}: {samples[way][-1]}", file=sys.stderr, flush=True)
    lines = list(format_report(samples, arguments.functions, arguments.rounds))
    print("\n".join(lines))
    if arguments.page:
        replace_generated(arguments.page, lines)


def write_project(folder: Path, functions: int) -> Path:
    """Write the stack, its tests, and an entry directory for each function."""
    for number in range(functions):
        requirements = SETS[number % len(SETS)]
        entry = folder / f"svc{number:02}"
        entry.mkdir(parents=True)
        imports = "".join(f"import {name}\n" for name in requirements)
        code = f"{imports}\nNUMBER = {number}\n\n\ndef handler(event, context):\n    return NUMBER\n"
        (entry / "app.py").write_text(code)
        (entry / "requirements.txt").write_text("".join(f"{name}\n" for name in requirements))
    (folder / "stack.py").write_text(STACK)
    (folder / "test_stack.py").write_text(TEST)
    return folder


def lock_all(project: Path, store: Path) -> None:
    """Lock the requirements of each entry directory; those with the same requirements get the same lock."""
    locks: dict[str, str] = {}
    for entry in sorted(project.glob("svc*")):
        requirements = (entry / "requirements.txt").read_text()
        if requirements not in locks:
            target = ["--runtime", RUNTIME, "--architecture", ARCHITECTURE]
            argv = [sys.executable, "-m", "cdk_lambda_package", "lock", str(entry), *target, "--cache-dir", str(store)]
            subprocess.run(argv, check=True, capture_output=True)
            locks[requirements] = (entry / "pylock.toml").read_text()
        (entry / "pylock.toml").write_text(locks[requirements])


def run_tests(project: Path, way: str, store: Path) -> Sample:
    """Run pytest in a process of its own. Raises `CalledProcessError` if a test fails."""
    result = project.parent / "seconds.jsonl"
    result.unlink(missing_ok=True)
    environment = os.environ | {
        "WAY": way,
        "TESTS": str(1 if way == EMPTY else TESTS),
        "RESULT": str(result),
        "RUNTIME": RUNTIME,
        "ARCHITECTURE": ARCHITECTURE,
        "CDK_LAMBDA_PACKAGE_CACHE_DIR": str(store),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    argv = [sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", "-p", "no:xdist", "test_stack.py"]
    began = time.perf_counter()
    subprocess.run(argv, cwd=project, env=environment, check=True, capture_output=True)
    seconds = time.perf_counter() - began
    templates = [json.loads(line) for line in result.read_text().splitlines()]
    return Sample(run=seconds, template=median(templates[1:] or templates))


def format_report(samples: Mapping[str, Sequence[Sample]], functions: int, rounds: int) -> Iterator[str]:
    """Yield the lines of the generated part: the machine, and a row with the medians of each way."""
    yield from format_machine(describe_host(sys.version.partition(" ")[0]), rounds, RUNTIME)
    yield ""
    head = (
        f"a stack of {functions} functions",
        "one template, s",
        "for each function, ms",
        f"pytest, {TESTS} tests, s",
    )
    yield from format_table(head, (tuple(_row(way, found, functions)) for way, found in samples.items()))


def _row(way: str, samples: Sequence[Sample], functions: int) -> Iterator[str]:
    template, run = (median(getattr(one, name) for one in samples) for name in ("template", "run"))
    yield WAYS[way]
    yield format_seconds(template)
    yield f"{1000 * template / functions:.1f}"
    # With an empty store, there is one test.
    yield "" if way == EMPTY else format_seconds(run)


if __name__ == "__main__":
    main()
