"""`make reliability`: disturb builds in every way, and write what became of them into the page.

make reliability                              all cases, and the table
make reliability ARGS="--only io-edit"        the cases of one subject
make reliability ARGS="--only kills 17"       one case, once more
make reliability ARGS="--every 5"             each fifth case of all, and no table
make reliability ARGS="--no-table"            leaves the page as it is

The status is 1 if any outcome is wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from inherited_signals import heed_signals
from offline import ROOT

from reliability import clearing, flips, io_faults, kills, races, ways
from reliability.outcomes import Case, Outcome, Result, run_case
from reliability.scene import Scene, make_scene
from reliability.table import make_table, write_table

PAGE = ROOT / "docs" / "explanation" / "reliability.md"
SUBJECTS = ("token", "flips", "io-edit", "io-splice", "io-cold", "kills", "clearing", "races")


def all_cases(scene: Scene, source_scene: Scene, root: Path, subjects: Iterable[str]) -> Iterator[Case]:
    """Yield the cases of these subjects."""
    for subject in subjects:
        match subject:
            case "token":
                yield from ways.cases(scene, source_scene)
            case "flips":
                yield from flips.cases(scene, source_scene)
            case "io-edit":
                yield from io_faults.edit_cases(scene)
            case "io-splice":
                yield from io_faults.splice_cases(scene)
            case "io-cold":
                yield from io_faults.cold_cases(scene, 200)
            case "kills":
                yield from kills.cases(scene, source_scene, 100)
            case "clearing":
                yield from clearing.cases(scene, 12)
            case "races":
                yield from races.cases(root)


def run_cases(cases: Iterable[Case], workers: int) -> list[Result]:
    """Run the cases, several at once, and say which were wrong as soon as that is known."""
    results, began, subject = [], time.monotonic(), ""
    with ThreadPoolExecutor(workers) as pool:
        for result in pool.map(run_case, cases):
            results.append(result)
            if result.case.subject != subject:
                subject = result.case.subject
                print(f"{time.monotonic() - began:5.0f} s  {subject}", flush=True)
            if result.outcome is Outcome.WRONG:
                print(f"wrong: {subject} {result.case.number}: {result.reason}", flush=True)
    print(f"{time.monotonic() - began:5.0f} s  {len(results)} cases")
    return results


def main() -> int:
    """Run what the arguments ask for, print the table, and write it."""
    heed_signals()
    parser = argparse.ArgumentParser(prog="make reliability", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--only", nargs="+", metavar=("SUBJECT", "NUMBER"), help=f"of {', '.join(SUBJECTS)}; and a case"
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="each Nth case; the page is not written")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="how many cases run at once")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page whose table is written")
    parser.add_argument("--no-table", action="store_true", help="write no page")
    arguments = parser.parse_args()
    subject, *numbers = arguments.only or [None]
    if arguments.every < 1:
        parser.error(f"--every: {arguments.every} is no number of cases; write 1 or more")
    if subject is not None and subject not in SUBJECTS:
        parser.error(f"--only: unknown subject {subject!r}; there are {', '.join(SUBJECTS)}")
    with tempfile.TemporaryDirectory(prefix="reliability-") as folder:
        root = Path(folder)
        with make_scene(root / "wheels") as scene, make_scene(root / "source", source=True) as source_scene:
            cases = all_cases(scene, source_scene, root, SUBJECTS if subject is None else (subject,))
            chosen = [case for case in cases if not numbers or str(case.number) in numbers][:: arguments.every]
            results = run_cases(chosen, arguments.workers)
    print(make_table(results))
    if not (arguments.no_table or arguments.only or arguments.every > 1):
        write_table(results, arguments.page)
    return int(any(result.outcome is Outcome.WRONG for result in results))


if __name__ == "__main__":
    sys.exit(main())
