"""An app with a large vendor/: `python -m benchmarks.scale_vendor [--files N] [--rounds R] [--old REVISION]`.

One function of a CDK app has an entry directory with 20,000 files in vendor/. The app's process runs with inline code, with
`Code.from_asset` of the directory, with this library as of an earlier revision, and with the one of the checkout. After a first run of each,
a file is edited, all run in turns, and so on: a line of a function changes, or a module gets a new name, so that what its importers find in
it is another thing. The directory of the assembly stays, as it does for a user. Seconds are those of the app's own process, from the first
construct to the end of the synthesis, beyond those with inline code; memory is the peak of that process.
"""

from __future__ import annotations

import json
import platform
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.aims import Verdict
from benchmarks.cases import ARCHITECTURE
from benchmarks.cdk_app import INLINE, OURS, PREPARED
from benchmarks.environments import comparison_parser, earlier_version
from benchmarks.measure import tool_environment
from benchmarks.report import (
    describe_host,
    format_aims,
    format_machine,
    format_seconds,
    format_table,
    replace_generated,
)

RUNTIME = "python{}.{}".format(*sys.version_info[:2])
OLD = "old"
WAYS = (INLINE, PREPARED, OLD, OURS)
FIRST, APP_EDITED, IMPORTED_EDITED, NAME_ADDED, OTHER_EDITED, UNCHANGED = STATES = (
    "first run",
    "app.py edited",
    "imported module edited",
    "name added to an imported module",
    "other module edited",
    "unchanged",
)

# Beyond inline code, in seconds on the machine on which the earlier version took ten seconds for an edit, and `from_asset` five.
MOST_EDITED, MOST_UNCHANGED = 1.5, 0.5
_OLD_EDITED, _PREPARED_EDITED = 10.0, 5.0

_FILES_IN_FOLDER, _FOLDERS_IN_PACKAGE = 45, 5
_IMPORTED_PART = 4
_RUN_BY_PACKAGE = 8
# The first function of each module.
_FIRST = "def first(value: Any) -> Any:\n"

_APP = Path(__file__).with_name("cdk_app.py")


class Cost(NamedTuple):
    """Seconds of the app's process, and its peak memory in bytes."""

    seconds: float
    memory: float


Costs = Mapping[tuple[str, str], Sequence[Cost]]
"""What each round took, by state and way."""


def main() -> None:
    """Measure, and print a table and the aims."""
    parser = comparison_parser(__doc__)
    parser.add_argument("--files", type=int, default=20_000, help="the number of files in vendor/ (default: 20000)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        costs = measure(Path(folder), given.files, given.rounds, given.old)
    machine = format_machine(describe_host(platform.python_version()), given.rounds, RUNTIME)
    lines = [
        *machine,
        f"`vendor/` of {given.files:,} files; the earlier version is {given.old}.",
        "",
        *format_costs(costs),
    ]
    print("\n".join(lines))
    if given.page:
        replace_generated(given.page, lines, part="vendor")


def measure(folder: Path, files: int, rounds: int, old: str) -> Costs:
    """Return what each state took in each way."""
    entry = folder / "entry"
    targets = write_app(entry, files)
    environments = {OLD: {"PYTHONPATH": str(earlier_version(old, folder))}}
    costs: dict[tuple[str, str], list[Cost]] = {}
    for number in range(rounds + 1):
        for state in STATES[1:] if number else (FIRST,):
            edit(targets.get(state), number, adds_name=state in (APP_EDITED, NAME_ADDED))
            # Another one begins in each round.
            for way in (*WAYS[number % len(WAYS) :], *WAYS[: number % len(WAYS)]):
                cost = run_app(entry, folder, way, environments.get(way, {}))
                costs.setdefault((state, way), []).append(cost)
                print(f"{number} {state:<24} {way:<10} {cost.seconds:7.2f} s", file=sys.stderr, flush=True)
    return costs


def edit(file: Path | None, number: int, *, adds_name: bool) -> None:
    """Add a line to a module: to its first function, or a name at its end."""
    if file is not None:
        source = file.read_text()
        changed = source.replace(_FIRST, f"{_FIRST}    edit = {number}\n", 1)
        file.write_text(f"{source}EDIT_{number} = {number}\n" if adds_name else changed)


def run_app(entry: Path, folder: Path, way: str, environment: Mapping[str, str]) -> Cost:
    """Run the app's process in a way, with an assembly and a store of its own."""
    specification, result = folder / "specification.json", folder / "result.json"
    spec = {
        "stack": "Measured",
        "way": OURS if way == OLD else way,
        "entries": [str(entry)],
        "runtime": RUNTIME,
        "architecture": ARCHITECTURE,
        "result": str(result),
    }
    specification.write_text(json.dumps(spec))
    own = {"CDK_OUTDIR": str(folder / way / "cdk.out"), "CDK_LAMBDA_PACKAGE_CACHE_DIR": str(folder / way / "store")}
    done = subprocess.run(
        [sys.executable, _APP, specification],
        env={**tool_environment(Path(sys.executable).parent), **own, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"The app ended with {done.returncode}:\n{done.stderr}")
    told = json.loads(result.read_text())
    return Cost(told["synthesized"], told["memory"])


# The app


def write_app(entry: Path, files: int) -> dict[str, Path]:
    """Write an entry directory whose vendor/ has so many files, the same each time; return the file that each state edits."""
    entry.mkdir(parents=True)
    blocks = list(_blocks(random.Random(0)))  # noqa: S311 - any numbers, the same each time
    packages = []
    for number, size in enumerate(_sizes(files)):
        name = f"package_{number:03}"
        _write_package(entry / "vendor" / name, size, blocks, random.Random(number))  # noqa: S311
        packages.append(name)
    imported = packages[: -(-len(packages) // _IMPORTED_PART)]
    lines = [
        *(f"import {name}" for name in imported),
        "",
        "",
        "def handler(event, context):",
        '    return "ok"',
        "",
        "",
    ]
    (entry / "app.py").write_text("\n".join(lines))
    return {
        APP_EDITED: entry / "app.py",
        IMPORTED_EDITED: entry / "vendor" / imported[-1] / "module_01.py",
        NAME_ADDED: entry / "vendor" / imported[0] / "module_01.py",
        OTHER_EDITED: entry / "vendor" / packages[-1] / "module_01.py",
    }


def _sizes(files: int) -> Iterator[int]:
    """Yield the number of files of each package."""
    most = _FILES_IN_FOLDER * _FOLDERS_IN_PACKAGE
    while files > 0:
        yield min(files, most)
        files -= most


def _write_package(folder: Path, files: int, blocks: Sequence[str], choice: random.Random) -> None:
    counts = [min(_FILES_IN_FOLDER, files - start) for start in range(0, files, _FILES_IN_FOLDER)]
    parts = [f"part_{number}" for number in range(1, len(counts))]
    for number, count in enumerate(counts):
        place = folder / parts[number - 1] if number else folder
        place.mkdir(parents=True)
        runs = [f"module_{other:02}" for other in range(1, min(_RUN_BY_PACKAGE, count))] + ([] if number else parts)
        (place / "__init__.py").write_text(f"from . import {', '.join(runs)}\n" if runs else "")
        for index in range(1, count):
            name, text = _file(index, blocks, choice)
            (place / name).write_text(text)


def _file(index: int, blocks: Sequence[str], choice: random.Random) -> tuple[str, str]:
    """Return the name and the content of a file of a folder: some kilobytes, of which the first ones import each other."""
    # A few hundred bytes each; most files are small, and a few are large.
    chosen = choice.choices(blocks, k=min(1 + round(choice.lognormvariate(2.2, 0.9)), 150))
    if index % 10 == 9:
        return f"data_{index:02}.json", json.dumps({f"key {number}": text for number, text in enumerate(chosen)})
    names = f"from .module_{index - 1:02} import first as before\n" if index > 1 and (index - 1) % 10 != 9 else ""
    head = f'"""Module {index}."""\n\nimport json\nimport os\nfrom typing import Any\n\n{names}\n\n{_FIRST}'
    later = f"    from . import module_{choice.randrange(1, min(index, 9)):02}\n\n" if index % 3 == 0 else ""
    return f"module_{index:02}.py", f"{head}{later}    return json.dumps([value, os.sep])\n\n\n" + "".join(chosen)


def _blocks(choice: random.Random) -> Iterator[str]:
    """Yield functions that compress as source does."""
    words = [
        "".join(choice.choices("aeioulnrst", k=choice.randint(2, 5)) * 2)[: choice.randint(3, 9)] for _ in range(600)
    ]
    for number in range(500):
        one, two, three = choice.sample(words, 3)
        lines = "".join(
            f"    {choice.choice(words)}_{line} = {choice.choice(words)!r} + str({one}[{choice.randrange(99)}]) + {choice.choice(words)!r}\n"
            for line in range(choice.randint(2, 7))
        )
        text = " ".join(choice.sample(words, 9))
        yield f'def {one}_{number}({one}: Any, {two}: int = {choice.randrange(999)}) -> Any:\n    """{text}."""\n{lines}    return {one}, {two}, {three!r}\n\n\n'


# The results


def format_costs(costs: Costs) -> Iterator[str]:
    """Yield a table of what each way adds to inline code, one of the memory, and the aims."""
    states = tuple(dict.fromkeys(state for state, _ in costs))
    added = find_added(costs)
    labels = {PREPARED: "`Code.from_asset` of the directory", OLD: "ours, the earlier version", OURS: "ours"}
    yield from format_table(
        ("seconds beyond inline code", *states),
        ((label, *(format_seconds(added[state, way].seconds) for state in states)) for way, label in labels.items()),
    )
    plain = ", ".join(f"{median(cost.seconds for cost in costs[state, INLINE]):.2f} s ({state})" for state in states)
    yield from ("", f"With inline code, the process takes {plain}.", "")
    yield from format_table(
        ("peak memory beyond inline code, MB", *states),
        ((label, *(f"{added[state, way].memory / 1e6:.0f}" for state in states)) for way, label in labels.items()),
    )
    yield ""
    yield from format_aims(judge(added))


def find_added(costs: Costs) -> dict[tuple[str, str], Cost]:
    """Return the medians of the differences to inline code in the same round."""
    found = {}
    for (state, way), rows in costs.items():
        pairs = list(zip(rows, costs[state, INLINE], strict=True))
        seconds = median(one.seconds - plain.seconds for one, plain in pairs)
        found[state, way] = Cost(seconds, median(one.memory - plain.memory for one, plain in pairs))
    return found


def judge(added: Mapping[tuple[str, str], Cost]) -> Iterator[Verdict]:
    """Yield a verdict on each aim: in seconds, and beside what took ten and five seconds where the aims are from."""
    for state in (IMPORTED_EDITED, NAME_ADDED, OTHER_EDITED, UNCHANGED):
        aim, ours = MOST_UNCHANGED if state == UNCHANGED else MOST_EDITED, added[state, OURS].seconds
        yield Verdict(aim=f"{state}: at most {aim} s", measured=f"{ours:.2f} s", met=ours <= aim)
        edited = OTHER_EDITED if state == UNCHANGED else state
        for way, then, name in (
            (OLD, _OLD_EDITED, "the earlier version's"),
            (PREPARED, _PREPARED_EDITED, "`from_asset`'s"),
        ):
            beside = added[edited, way].seconds
            part = aim / then
            what = f"{state}: at most {part:.2f} of {name} seconds{' for an edit' if state == UNCHANGED else ''}"
            yield Verdict(aim=what, measured=f"{ours / beside:.3f}", met=ours <= part * beside)


if __name__ == "__main__":
    main()
