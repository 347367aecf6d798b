"""Builds that a signal ends: the next one succeeds, and nothing of the ended one is left."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from functools import partial

from reliability.outcomes import Case, Outcome, WrongError
from reliability.scene import Disturbance, Place, Scene

SUBJECT = "kills"
# By the system and by hand, by CI systems, and by a terminal that is closed.
SIGNALS = ("SIGKILL", "SIGTERM", "SIGKILL", "SIGHUP")


def cases(scene: Scene, source_scene: Scene, number: int) -> Iterator[Case]:
    """Yield builds with an empty store that are killed: half of them before a call, half at a time, both spread evenly.

    Calls are the same in each run, but while pip runs, and builds a source, the build waits and makes none.
    """
    before_call = number // 2
    calls = count_calls(scene) if before_call else 0
    for index in range(number):
        name = SIGNALS[index % len(SIGNALS)]
        if index < before_call:
            at = 1 + index * calls // before_call
            run = partial(_kill_before_call, scene, Disturbance(at=at, action=name))
        else:
            share = (index - before_call + 0.5) / (number - before_call)
            run = partial(_kill_at, source_scene, share, name)
        yield Case(subject=SUBJECT, number=index, row=f"{name} to a build with an empty store", run=run)


def count_calls(scene: Scene) -> int:
    """Return the number of calls of a build with an empty store."""
    with scene.cold() as place:
        build = place.build(Disturbance(at=0, action=""))
        place.expect_right(build)
        return int(str(build.note["calls"]))


def _kill_before_call(scene: Scene, disturbance: Disturbance) -> Outcome:
    with scene.cold() as place:
        place.build(disturbance)
        _expect_recovery(place, disturbance.action)
    return Outcome.RIGHT


def _kill_at(scene: Scene, share: float, name: str) -> Outcome:
    """Kill a build when this share of its usual time has passed."""
    with scene.cold() as place:
        process = place.start()
        try:
            process.wait(share * scene.seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(getattr(signal, name))
        place.finish(process)
        _expect_recovery(place, name)
    return Outcome.RIGHT


def _expect_recovery(place: Place, name: str) -> None:
    killed = name == "SIGKILL"
    try:
        place.expect_childless()
        place.expect_whole(place.output)
        place.expect_tidy(killed=killed)
        place.expect_no_token()
        place.expect_right(place.build())
        place.expect_tidy(killed=killed)
    except WrongError as error:
        raise WrongError(f"{name}: {error}") from None
