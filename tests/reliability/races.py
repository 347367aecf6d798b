"""Processes that build the same at once, from one empty store: each file of the index is asked for once."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from reliability.outcomes import Case, Outcome, WrongError
from reliability.scene import make_scene

SUBJECT = "races"
PROCESSES = 8


def cases(root: Path, *, short: bool = False) -> Iterator[Case]:
    """Yield races with an index of their own: with and without PEP 658, with and without a source to build."""
    variants = [(source, metadata) for source in (False, True) for metadata in (False, True)]
    for index, (source, metadata) in enumerate(variants[:1] if short else variants):
        run = partial(_race, root, source=source, metadata=metadata)
        row = f"{PROCESSES} processes at once, one empty store, an index {'with' if metadata else 'without'} PEP 658"
        yield Case(subject=SUBJECT, number=index, row=row, run=run)


def _race(root: Path, *, source: bool, metadata: bool) -> Outcome:
    folder = Path(tempfile.mkdtemp(dir=root))
    with make_scene(folder, source=source, metadata=metadata) as scene:
        scene.reference  # noqa: B018 - asked for before requests count
        scene.index.requests.clear()
        (folder / "builds.txt").write_text("")
        with scene.cold() as place:
            outputs = [place.output.with_name(f"{number}.zip") for number in range(PROCESSES)]
            running = [(output, place.start(output=output)) for output in outputs]
            for output, process in running:
                place.expect_right(place.finish(process, output), output)
            place.expect_childless()
            place.expect_tidy()
        _expect_once(scene.index.requests, (folder / "builds.txt").read_text().splitlines())
    shutil.rmtree(folder)
    return Outcome.RIGHT


def _expect_once(requests: list[str], builds: list[str]) -> None:
    """Raise `WrongError` unless each file was asked for once, and each source built once."""
    files = Counter(path for path in requests if path.startswith("/files/") and not path.endswith(".metadata"))
    if repeated := {path: times for path, times in files.items() if times != 1}:
        raise WrongError(f"Files were asked for more than once: {repeated}")
    if len(builds) > 1:
        raise WrongError(f"A source was built {len(builds)} times.")
