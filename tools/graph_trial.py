"""Compare the import graph's word with real imports, and write docs/explanation/graph-trial.md.

    python tools/graph_trial.py                           every distribution of tools/graph_trial_list.txt
    python tools/graph_trial.py --only celery --explain   one of them: what is missed, what is wrong, and why
    python tools/graph_trial.py --reuse --work FOLDER     the graph's word alone, of packages that FOLDER has

Each distribution is packaged by the stages of a build, unpacked, and imported by an interpreter of the target's version. The
work folder keeps packages and what the imports did, so that a second run costs what the checks cost.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import NamedTuple, Self

from graph_trial_figures import Root, Trial, Verdict, missed_roots, pool, wrong_roots
from graph_trial_rows import Bench, Row, interpreter_of, read_rows, search_path

from cdk_lambda_package.errors import PackageError

ROOT = Path(__file__).resolve().parents[1]
LIST = Path(__file__).with_name("graph_trial_list.txt")
PAGE = ROOT / "docs" / "explanation" / "graph-trial.md"
WORK = ROOT / "build" / "graph-trial"

# The day whose index is seen: the releases of the list are those of the day before.
INDEX_DAY = "2026-11-27T00:00:00Z"

RESULTS = re.compile(r"(?<=<!-- results -->\n)(.*)(?=<!-- end of results -->)", re.S)

# Why no source shows that an import fails, by runtime and requirement.
NO_SOURCE_SHOWS: dict[str, str] = {
    "python3.13 aenum==2.0.10": "inspect.getargspec is read in a function that the namespace of a metaclass calls",
    "python3.13 typing==3.7.4.3": "an attribute that the standard library's classes lost is read of a value in a metaclass",
    "python3.11 setuptools": "the runtime's image may have a setuptools of its own, whose pkg_resources would be imported",
}


class Outcome(NamedTuple):
    """A row with its trial, or the reason why there is none; both are missing for a row that isn't there to be reused."""

    row: Row
    trial: Trial | None
    obstacle: str = ""


def try_row(row: Row, *, work: Path, reuse: bool) -> Outcome:
    """Try a row; a fault of the tool itself is an obstacle, too."""
    if interpreter_of(row.runtime) is None and not reuse:
        return Outcome(row, None, f"there is no {row.runtime}")
    try:
        return Outcome(row, Bench(work, reuse=reuse).try_row(row))
    except PackageError as error:
        return Outcome(row, None, f"no package: {str(error).splitlines()[0]}")
    except Exception:  # noqa: BLE001 - one distribution that breaks the tool must not hide the others
        return Outcome(row, None, f"the tool failed: {traceback.format_exc()}")


def try_rows(rows: Sequence[Row], *, work: Path, reuse: bool, jobs: int) -> Iterator[Outcome]:
    """Yield the outcome of each row in order, with progress on stderr."""
    attempt = partial(try_row, work=work, reuse=reuse)
    with ProcessPoolExecutor(jobs) if jobs > 1 else _here() as executor:
        for number, outcome in enumerate(executor.map(attempt, rows), 1):
            print(f"{number}/{len(rows)} {outcome.row.folder}: {_in_short(outcome)}", file=sys.stderr, flush=True)
            yield outcome


class _here:  # noqa: N801 - it stands for an executor
    """Runs everything in this process, where a debugger or profiler sees it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    map = staticmethod(map)


def _in_short(outcome: Outcome) -> str:
    trial = outcome.trial
    if trial is None:
        return outcome.obstacle.strip().rpartition("\n")[2] or "not there"
    return f"{trial.verdict}, recall {trial.reached.recall}, precision {trial.reached.precision}, {trial.word.seconds:.2f} s"


# What is reported


def explain(trial: Trial) -> Iterator[str]:
    """Yield everything that a developer wants to know of one distribution."""
    yield f"{trial.name}: {trial.statement} → {trial.truth}; {trial.verdict}"
    yield from (f"    {path}:{line}" for path, line in trial.truth.frames[-6:])
    for finding in trial.word.findings:
        if finding["severity"] != "note":
            place = ":".join(str(part) for part in (finding["path"], finding["line"]) if part)
            yield f"  {finding['severity']} {finding['id']} {place}: {finding['message']}"
    yield f"  certain: recall {trial.certain.recall}, precision {trial.certain.precision}"
    yield f"  certain and perhaps: recall {trial.reached.recall}, precision {trial.reached.precision}"
    yield f"  {trial.word.seconds:.2f} CPU seconds for {trial.reached_bytes / 1e6:.2f} MB"
    yield f"  {len(trial.missed)} files missed, of {len(trial.real)}. Imports that run and aren't followed, with what is lost:"
    yield from map(_show_root, missed_roots(trial))
    for kind, paths in (("certain", trial.word.certain), ("perhaps", trial.word.perhaps)):
        yield f"  {len(trial.unreal(paths))} files {kind} that weren't executed, of {len(paths)}. Imports that don't run, with what follows:"
        yield from map(_show_root, wrong_roots(trial, paths))


def _show_root(root: Root) -> str:
    more = f", and {root.files - 1} more" if root.files > 1 else ""
    return f"    {root.importer or '(start)'}:{root.line} → {root.path}{more}"


def summarise(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield the lines of the summary, as Markdown."""
    trials = [outcome.trial for outcome in outcomes if outcome.trial is not None]
    counts = Counter(trial.verdict for trial in trials)
    totals = pool(trials)
    failing = sum(not trial.truth.imported for trial in trials)
    yield f"- {len(trials)} distributions were tried. {totals.imported} import, and {failing} fail."
    yield (
        f"- Of those that import, {counts[Verdict.FALSE_ERROR]} have an error (false errors). Of those that fail, "
        f"{counts[Verdict.FOUND]} have an error, and {counts[Verdict.MISS]} have none (misses)."
    )
    for name, one in (("certain", totals.certain), ("certain and perhaps", totals.reached)):
        yield (
            f"- Files that are {name}: recall {one.recall}, precision {one.precision}; by bytes, recall {one.recall_bytes}, "
            f"precision {one.precision_bytes}."
        )
    yield (
        f"- Cost: {totals.seconds:.0f} CPU seconds for {totals.reached_bytes / 1e6:.0f} MB of reached source, "
        f"{totals.seconds_per_mb:.3f} s a MB."
    )
    yield from _listed("False errors", (_describe_false(one) for one in trials if one.verdict is Verdict.FALSE_ERROR))
    yield from _listed("Misses", (_describe_miss(one) for one in trials if one.verdict is Verdict.MISS))
    different = (one for one in trials if one.truth.kind != one.said)
    yield from _listed(
        "Imports that end otherwise than the list says",
        (f"{one.name}: {one.truth}; the list says {one.said}" for one in different),
    )
    skipped = [outcome for outcome in outcomes if outcome.trial is None and outcome.obstacle]
    yield from _listed(
        "Not tried",
        (f"{one.row.requirement} ({one.row.runtime}): {_last_line(one.obstacle)}" for one in skipped),
    )


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]


def _listed(title: str, lines: Iterable[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield ""
        yield f"{title}:"
        yield ""
        yield from (f"- {line}" for line in found)


def _describe_false(trial: Trial) -> str:
    return f"{trial.name}: {'; '.join(_name_findings(trial.word.errors))}"


def _describe_miss(trial: Trial) -> str:
    warned = _name_findings(trial.word.warnings)
    said = f"; warnings: {', '.join(warned)}" if warned else ""
    return f"{trial.name}: {trial.truth}{said}. {_reason(trial)}"


def _reason(trial: Trial) -> str:
    reason = NO_SOURCE_SHOWS.get(f"{trial.runtime} {trial.requirement}")
    return f"No source shows it: {reason}." if reason else "Unexplained."


def _name_findings(findings: Iterable[dict[str, object] | object]) -> list[str]:
    named = (f"{one['id']}:{one['subject'] or one['path'] or ''}".rstrip(":") for one in findings)  # type: ignore[index]
    return list(dict.fromkeys(named))


def worst(outcomes: Iterable[Outcome], most: int = 40) -> Iterator[str]:
    """Yield the distributions from whose graph most files are missing, with where the way is lost."""
    trials = [one.trial for one in outcomes if one.trial is not None and one.trial.truth.imported]
    for trial in sorted(trials, key=lambda one: -len(one.missed))[:most]:
        if trial.missed:
            roots = "; ".join(f"{one.importer}:{one.line} ({one.files})" for one in missed_roots(trial)[:3])
            yield f"- {trial.name}: {len(trial.missed)} of {len(trial.real)} files missed, recall {trial.reached.recall}: {roots}"


def format_table(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """Yield the rows of the table, one for each distribution."""
    yield "| distribution | runtime | real import | errors | warnings | verdict | recall | precision | by bytes | certain | CPU s | MB |"
    yield "|---|---|---|---|---|---|---|---|---|---|---|---|"
    for outcome in outcomes:
        trial = outcome.trial
        if trial is None:
            continue
        reached, certain = trial.reached, trial.certain
        cells = [
            trial.requirement, trial.runtime.removeprefix("python"), _cut(str(trial.truth)),
            _cut("; ".join(_name_findings(trial.word.errors))), _cut("; ".join(_name_findings(trial.word.warnings))),
            trial.verdict, reached.recall, reached.precision, f"{reached.recall_bytes} / {reached.precision_bytes}",
            f"{certain.recall} / {certain.precision}", f"{trial.word.seconds:.2f}", f"{trial.reached_bytes / 1e6:.2f}",
        ]  # fmt: skip
        yield "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _cut(text: str, limit: int = 120) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def write_page(outcomes: Sequence[Outcome]) -> None:
    """Write the summary and the table on the page."""
    text = "\n".join(["", *summarise(outcomes), "", *format_table(outcomes), "", ""])
    PAGE.write_text(RESULTS.sub(lambda _: text, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def write_details(outcomes: Iterable[Outcome], folder: Path) -> None:
    """Write everything that is known of each distribution as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    details = {
        outcome.row.folder: {
            **asdict(outcome.trial),
            "verdict": outcome.trial.verdict,
            "missed": outcome.trial.missed,
            "missed_roots": [root._asdict() for root in missed_roots(outcome.trial)],
            "wrong_roots": [root._asdict() for root in wrong_roots(outcome.trial, outcome.trial.word.perhaps)],
            "wrongly_certain": outcome.trial.unreal(outcome.trial.word.certain),
            "wrongly_perhaps": outcome.trial.unreal(outcome.trial.word.perhaps),
        }
        if outcome.trial is not None
        else {"obstacle": outcome.obstacle}
        for outcome in outcomes
    }
    (folder / "results.json").write_text(json.dumps(details, indent=1), encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("list", nargs="?", type=Path, default=LIST, help="the distributions (default: %(default)s)")
    parser.add_argument("--work", type=Path, default=WORK, help="what is kept for the next run (default: %(default)s)")
    parser.add_argument(
        "--only", metavar="NAME", nargs="+", help="these distributions, by name or requirement; no page is written"
    )
    parser.add_argument("--runtime", help="only the rows of this runtime")
    parser.add_argument(
        "--reuse", action="store_true", help="ask the graph alone, where the real import is known; no page is written"
    )
    parser.add_argument("--explain", action="store_true", help="print which files are missed or wrong, and why")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument(
        "--results", type=Path, help="the folder for results.json (default: that of --work, without --reuse)"
    )
    options = parser.parse_args(argv)
    rows = [
        row
        for row in read_rows(options.list)
        if (not options.only or {row.distribution, row.requirement} & set(options.only))
        and options.runtime in (None, row.runtime)
    ]
    os.environ["PATH"] = search_path({row.runtime for row in rows})
    os.environ["PIP_UPLOADED_PRIOR_TO"] = INDEX_DAY
    outcomes = list(try_rows(rows, work=options.work.absolute(), reuse=options.reuse, jobs=options.jobs))
    partial_run = bool(options.only or options.reuse or options.runtime)
    if options.explain:
        print(*(line for one in outcomes if one.trial is not None for line in explain(one.trial)), sep="\n")
    else:
        print(*summarise(outcomes), "", "Most files missed:", "", *worst(outcomes), sep="\n")
    if options.results is not None or not partial_run:
        write_details(outcomes, options.results or options.work)
    if not partial_run:
        write_page(outcomes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
