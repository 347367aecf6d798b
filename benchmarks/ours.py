"""The ways in which this package is measured."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cases import ARCHITECTURE, HANDLER, Workspace
from benchmarks.environments import Tools
from benchmarks.measure import Command, Way, run

FIRST = "ours, with an empty store"
UNRESOLVED = "ours, nothing resolved"
EDITED = "ours, app.py edited"
UNCHANGED = "ours, unchanged"
RUNNING = "ours, unchanged in a running process"
CONCATENATION = "ours, the concatenation alone"
CAT = "cat of the wheels"
KERNEL_CAT = "cat of the wheels, in the kernel"

_INSIDE = Path(__file__).with_name("inside.py")

# What the store keeps of wheels, whatever they were resolved for.
_WHEELS = {"wheels", "segments", "verified"}

_RACY_SECONDS = 2.1


def our_ways(tools: Tools) -> tuple[Way, ...]:
    """Return the ways in the order of a round: the first one fills the store for the others."""

    def run_inside(task: str, work: Workspace, *arguments: str | Path) -> Sequence[Command]:
        return [Command(argv=(tools.python("ours"), _INSIDE, task, work.result, *arguments), cwd=work.root)]

    def build(work: Workspace) -> Sequence[Command]:
        # pandas and pyarrow are too large for some runtimes.
        options = ("--runtime", work.runtime, "--architecture", ARCHITECTURE, "--cache-dir", work.store,
                   "--acknowledge", "package-too-large")  # fmt: skip
        return run_inside("build", work, "build", work.app, "--output", work.output, *options)

    def call(task: str, work: Workspace) -> Sequence[Command]:
        return run_inside(task, work, work.app, work.output, work.runtime, ARCHITECTURE, work.store)

    def settle(work: Workspace) -> None:
        # A file that was edited just now isn't trusted to be unchanged, so first let it age.
        time.sleep(_RACY_SECONDS)
        for command in build(work):
            run(command, log=work.root / "log.txt")
        work.result.unlink()

    return (
        Way(name=FIRST, prepare=_empty_store, commands=build),
        Way(name=UNRESOLVED, prepare=_forget_resolutions, commands=build),
        Way(name=EDITED, prepare=edit_app, commands=build),
        Way(name=UNCHANGED, prepare=settle, commands=build),
        Way(name=RUNNING, prepare=settle, commands=lambda work: call("repeat", work)),
        Way(
            name=CONCATENATION,
            inner=(CAT, KERNEL_CAT),
            prepare=edit_app,
            commands=lambda work: call("concatenate", work),
        ),
    )


def _empty_store(work: Workspace) -> None:
    shutil.rmtree(work.store, ignore_errors=True)
    work.output.unlink(missing_ok=True)


def _forget_resolutions(work: Workspace) -> None:
    """Leave the store wheels and their segments, as another app with the same requirements would have."""
    for kind in work.store.glob("*/*/"):
        if kind.name not in _WHEELS:
            shutil.rmtree(kind)
    work.output.unlink(missing_ok=True)


def edit_app(work: Workspace) -> None:
    """Change app.py to what it never was before."""
    (work.app / "app.py").write_text(f"{HANDLER}\n\nEDITED = {time.time_ns()}\n")
    work.output.unlink(missing_ok=True)
