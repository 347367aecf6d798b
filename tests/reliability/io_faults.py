"""Builds of which one call for input or output fails: the right package or an error message, and the next build is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

from reliability.kills import count_calls
from reliability.outcomes import Case, Outcome, WrongError
from reliability.scene import SPLICED, Disturbance, Place, Scene

SUBJECT = "io"
ERRORS = ("ENOSPC", "EIO", "EACCES", "EMFILE")


def edit_cases(scene: Scene, number: int | None = None) -> Iterator[Case]:
    """Yield builds after an edit of app.py, of which each call fails in turn, or `number` of them."""
    yield from _warm_cases(scene, "edit", Place.edit, number)


def splice_cases(scene: Scene, number: int | None = None) -> Iterator[Case]:
    """Yield builds whose store has the wheels and the resolution alone, of which each call fails in turn, or `number`."""
    yield from _warm_cases(scene, "splice", lambda place: place.forget(*SPLICED), number)


def cold_cases(scene: Scene, number: int) -> Iterator[Case]:
    """Yield builds with an empty store, of which a call fails; `number` of them, spread evenly."""
    for index, at in enumerate(_spread(count_calls(scene), number)):
        disturbance = Disturbance(at=at, action=ERRORS[index % len(ERRORS)])
        run = partial(_fail, scene.cold, lambda place: None, disturbance)
        yield Case(subject=f"{SUBJECT}-cold", number=at, row="A failing call of a build with an empty store", run=run)


def _warm_cases(scene: Scene, name: str, prepare: Callable[[Place], None], number: int | None) -> Iterator[Case]:
    calls = _count(scene, prepare)
    for index, at in enumerate(_spread(calls, number or calls)):
        # Each error at each kind of call: neighbours are alike.
        disturbance = Disturbance(at=at, action=ERRORS[index % len(ERRORS)])
        run = partial(_fail, scene.warm, prepare, disturbance)
        yield Case(subject=f"{SUBJECT}-{name}", number=at, row=f"A failing call of {_AFTER[name]}", run=run)


_AFTER = {"edit": "a build after an edit", "splice": "a build that splices stored wheels"}


def _spread(calls: int, number: int) -> Iterator[int]:
    number = min(number, calls)
    return (1 + index * calls // number for index in range(number))


def _count(scene: Scene, prepare: Callable[[Place], None]) -> int:
    with scene.warm() as place:
        # What the first build after a change keeps for the second isn't there in the first.
        for _ in range(2):
            prepare(place)
            build = place.build(Disturbance(at=0, action=""))
            place.expect_right(build)
        return int(str(build.note["calls"]))


def _fail(
    lend: Callable[[], AbstractContextManager[Place]], prepare: Callable[[Place], None], disturbance: Disturbance
) -> Outcome:
    with lend() as place:
        prepare(place)
        build = place.build(disturbance)
        try:
            outcome = place.expect_right_or_message(build)
            place.expect_childless()
            place.expect_right(place.build())
        except WrongError as error:
            raise WrongError(f"{disturbance.action} at {build.note.get('disturbed')}: {error}") from None
    return outcome
