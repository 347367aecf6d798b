"""What many functions cost in CDK: `python -m benchmarks.scale_functions [--functions N ...] [--rounds N] [--old REVISION]`.

An app has N functions in ten stacks. Each has an entry directory with code of its own, and with one of 20 sets of requirements, which
are small wheels, and are locked. The context sets defaults for all, and what the CDK CLI sets there. Four ways take turns: inline code,
`Code.from_asset` of .zip file archives that are ready, this library at an earlier revision, and as it is now. The stores are full.
Each way runs first with a new cdk.out, then with the one that it left.

The table has milliseconds for one function beyond those of inline code, without imports, and megabytes of memory beyond it at the
peak: of the app's process, and of node. They are medians of the rounds.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.aims import Verdict
from benchmarks.cases import ARCHITECTURE, HANDLER
from benchmarks.environments import CHECKOUT, comparison_parser, earlier_version
from benchmarks.measure import tool_environment
from benchmarks.report import describe_host, format_aims, format_machine, format_table, replace_generated
from benchmarks.scale_app import ARCHIVES, INLINE

EARLIER, OURS = "earlier", "ours"
WAYS = (INLINE, ARCHIVES, EARLIER, OURS)
NEW, KEPT = STATES = ("new cdk.out", "kept cdk.out")

RUNTIME = "python3.13"
_STACKS = 10
# Three of these at a time make 20 sets. They need nothing else. Each has a module of the second name.
_SMALL = {
    "attrs": "attr",
    "certifi": "certifi",
    "idna": "idna",
    "six": "six",
    "sortedcontainers": "sortedcontainers",
    "typing-extensions": "typing_extensions",
}
_SETS = tuple(itertools.combinations(_SMALL, 3))
_CONTEXT = {
    # Those of the CDK CLI.
    "aws:cdk:enable-path-metadata": True,
    "aws:cdk:enable-asset-metadata": True,
    # Those of a cdk.json.
    "cdk-lambda-package:acknowledge": ["package-too-large"],
    "cdk-lambda-package:require_hashes": True,
    "cdk-lambda-package:max_lock_age": 168,
}
_APP = Path(__file__).with_name("scale_app.py")
# A file that was edited within the last two seconds is read again, so first let it age.
_RACY_SECONDS = 2.1

# Milliseconds for one function, megabytes of the app's process, and how much more one of most functions may cost than one of fewer.
_AIMS = {NEW: 2.5, KEPT: 2.0}
_MOST_MEMORY = 20
_MOST_GROWTH = 1.15
# The milliseconds of the earlier revision on the machine that the aims are for: on a slower one, its part counts.
_EARLIER = {NEW: 5.6, KEPT: 4.3}


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One run: its seconds, and the bytes that the app's process and node had at their peaks."""

    functions: int
    state: str
    way: str
    turn: int
    seconds: float
    memory: int
    node: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Added:
    """What a way costs beyond inline code: milliseconds for one function, and megabytes of the app's process and of node."""

    milliseconds: float
    memory: float
    node: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """Where to work, and where the earlier version is."""

    root: Path
    earlier: Path

    def entry(self, number: int) -> Path:
        """Return the entry directory of a function; the archive of its package lies beside it."""
        return self.root / "functions" / f"function{number}"

    def environment(self, way: str) -> dict[str, str]:
        """Return the variables of a process that runs a way."""
        # An installed library has its bytecode, so these have it too.
        return tool_environment() | {
            "PYTHONPATH": str(self.earlier if way == EARLIER else CHECKOUT),
            "PYTHONPYCACHEPREFIX": str(self.root / "pycache"),
            "CDK_LAMBDA_PACKAGE_CACHE_DIR": str(self.root / f"store-{'earlier' if way == EARLIER else 'now'}"),
            "CDK_CONTEXT_JSON": json.dumps(_CONTEXT),
        }

    def run(self, way: str, *arguments: str | Path, **variables: str) -> None:
        """Run this interpreter for a way. Raises `RuntimeError` if it fails: no number may come of half the work."""
        command = [sys.executable, *map(str, arguments)]
        environment = self.environment(way) | variables
        done = subprocess.run(command, env=environment, cwd=self.root, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{way} ended with {done.returncode}:\n{done.stdout}{done.stderr}")

    def specify(self, way: str, functions: int) -> Path:
        """Write the specification of an app, and return its path."""
        suffix = ".zip" if way == ARCHIVES else ""
        specification = {
            "way": way,
            "entries": [f"{self.entry(number)}{suffix}" for number in range(functions)],
            "stacks": _STACKS,
            "runtime": RUNTIME,
            "architecture": ARCHITECTURE,
            "result": str(self.root / "result.json"),
        }
        path = self.root / "specification.json"
        path.write_text(json.dumps(specification))
        return path


def main() -> None:
    """Measure, and print the tables."""
    arguments = _read_arguments()
    root: Path = arguments.directory.absolute()
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    site = Site(root=root, earlier=earlier_version(arguments.old, root / "versions"))
    counts = sorted(arguments.functions)
    _say(f"Writing {counts[-1]:,} entry directories, and their archives")
    write_entries(site, counts[-1])
    samples: list[Sample] = []
    # The turn before the first fills the earlier version's store.
    for turn in range(arguments.rounds + 1):
        for count in counts if turn else counts[-1:]:
            for sample in measure(site, count, turn):
                _say(
                    f"{turn or 'warm-up':<8} {sample.functions:6,} {sample.state:<13} {sample.way:<9} {sample.seconds:7.2f} s"
                )
                samples += [sample] if turn else []
    shutil.rmtree(root)
    machine = format_machine(describe_host(platform.python_version()), arguments.rounds, RUNTIME)
    lines = [*machine, *format_results(samples, arguments.old)]
    print("\n".join(lines))
    if arguments.page:
        replace_generated(arguments.page, lines, part="functions")


def _read_arguments() -> argparse.Namespace:
    parser = comparison_parser(__doc__)
    parser.add_argument("--functions", type=int, nargs="+", default=[100, 300, 1000], help="how many functions")
    parser.add_argument("--directory", type=Path, default=CHECKOUT / "build" / "scale-functions", help="where to work")
    return parser.parse_args()


def write_entries(site: Site, functions: int) -> None:
    """Write the entry directories with their locks, and the archives of their packages."""
    locks = [_write_lock(site, names) for names in _SETS]
    for number in range(functions):
        chosen = number % len(_SETS)
        entry = site.entry(number)
        shutil.copytree(locks[chosen], entry)
        imports = "".join(f"import {_SMALL[name]}\n" for name in _SETS[chosen])
        # Each function's own code: with the same, all would share one package.
        (entry / "app.py").write_text(f"{imports}\n\n{HANDLER}\n\nNUMBER = {number}\n")
    time.sleep(_RACY_SECONDS)
    site.run(OURS, _APP, "--archive", site.specify(OURS, functions))


def _write_lock(site: Site, names: Sequence[str]) -> Path:
    """Write requirements and their lock into a folder for a set, and return it."""
    folder = site.root / "sets" / "-".join(names)
    folder.mkdir(parents=True)
    (folder / "app.py").write_text(HANDLER)
    (folder / "requirements.txt").write_text("".join(f"{name}\n" for name in names))
    options = ("--runtime", RUNTIME, "--architecture", ARCHITECTURE)
    # From the index, also where this machine's configuration of pip has folders of links: files that are local are further inputs.
    site.run(OURS, "-m", "cdk_lambda_package", "lock", folder, *options, PIP_CONFIG_FILE=os.devnull, PIP_FIND_LINKS="")
    return folder


def measure(site: Site, functions: int, turn: int) -> Iterator[Sample]:
    """Run all ways, first with a new cdk.out and then with that one. Another way begins in each turn."""
    first = turn % len(WAYS)
    for state in STATES:
        for way in (*WAYS[first:], *WAYS[:first]):
            output = site.root / f"cdk.out-{way}"
            if state == NEW:
                shutil.rmtree(output, ignore_errors=True)
            if hasattr(os, "sync"):
                # The next way doesn't wait for what the last one wrote.
                os.sync()
            site.run(way, _APP, site.specify(way, functions), CDK_OUTDIR=str(output))
            found = json.loads((site.root / "result.json").read_text())
            yield Sample(
                functions=functions,
                state=state,
                way=way,
                turn=turn,
                seconds=found["synthesized"],
                memory=found["memory"],
                node=found["node"],
            )


def compare(samples: Iterable[Sample]) -> dict[tuple[int, str, str], Added]:
    """Return what each way costs beyond inline code, by the number of functions, the state and the way."""
    known = {(one.functions, one.state, one.way, one.turn): one for one in samples}
    found: dict[tuple[int, str, str], list[tuple[float, float, float]]] = {}
    for (functions, state, way, turn), one in known.items():
        inline = known[functions, state, INLINE, turn]
        found.setdefault((functions, state, way), []).append(
            (
                (one.seconds - inline.seconds) * 1000 / functions,
                (one.memory - inline.memory) / 1e6,
                (one.node - inline.node) / 1e6,
            )
        )
    return {
        key: Added(milliseconds=median(column[0]), memory=median(column[1]), node=median(column[2]))
        for key, rows in found.items()
        for column in [list(zip(*rows, strict=True))]
    }


def judge(added: Mapping[tuple[int, str, str], Added]) -> Iterator[Verdict]:
    """Yield a verdict on each aim, for the most functions."""
    *fewer, most = sorted({functions for functions, _, _ in added})
    for state, aim in _AIMS.items():
        ours, earlier = added[most, state, OURS].milliseconds, added[most, state, EARLIER].milliseconds
        yield _at_most(ours, aim, f"{most:,} functions, {state}: adds to each", "ms")
        yield _at_most(
            ours / earlier, aim / _EARLIER[state], f"{most:,} functions, {state}: beside the earlier revision", ""
        )
        if fewer:
            growth = ours / added[fewer[-1], state, OURS].milliseconds
            yield _at_most(growth, _MOST_GROWTH, f"{state}: one of {most:,} functions beside one of {fewer[-1]:,}", "")
    memory = max(added[most, state, OURS].memory for state in STATES)
    yield _at_most(memory, _MOST_MEMORY, f"{most:,} functions: memory that the app's process has more", "MB")


def _at_most(measured: float, aim: float, what: str, unit: str) -> Verdict:
    return Verdict(
        aim=f"{what}, at most {aim:.2f} {unit}".rstrip(),
        measured=f"{measured:.2f} {unit}".rstrip(),
        met=measured <= aim,
    )


def format_results(samples: Sequence[Sample], revision: str) -> Iterator[str]:
    """Yield the aims, and the tables."""
    added = compare(samples)
    labels = {ARCHIVES: "`from_asset` of ready .zip files", EARLIER: f"ours at {revision}", OURS: "ours"}
    yield from ("", *format_aims(judge(added)), "", "Milliseconds for one function beyond inline code:", "")
    rows = dict.fromkeys((functions, state) for functions, state, _ in added)
    inline = {
        key: median(one.seconds for one in samples if (one.functions, one.state, one.way) == (*key, INLINE))
        for key in rows
    }
    yield from format_table(
        ("functions", "cdk.out", "inline code itself", *labels.values()),
        (
            (
                f"{functions:,}",
                state.partition(" ")[0],
                f"{1000 * inline[functions, state] / functions:.2f}",
                *(f"{added[functions, state, way].milliseconds:.2f}" for way in labels),
            )
            for functions, state in rows
        ),
    )
    yield from ("", "Megabytes of memory beyond inline code, of the app's process and of node:", "")
    yield from format_table(
        ("functions", "cdk.out", *labels.values()),
        (
            (
                f"{functions:,}",
                state.partition(" ")[0],
                *(
                    f"{added[functions, state, way].memory:.1f} + {added[functions, state, way].node:.1f}"
                    for way in labels
                ),
            )
            for functions, state in rows
        ),
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
