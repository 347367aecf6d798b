"""A store that is cleared, again and again, while builds use it: they don't notice."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial

from reliability.outcomes import Case, Outcome
from reliability.scene import Place, Scene

SUBJECT = "clearing"
# Clears the store every so many seconds.
_CLEAR = """
import sys, time
from cdk_lambda_package.cli import main
while True:
    main(["cache", "clear"])
    time.sleep(float(sys.argv[1]))
"""
_PERIODS = (0.05, 0.13, 0.31)


def cases(scene: Scene, number: int) -> Iterator[Case]:
    """Yield builds with a store that is cleared in different periods; two run at once, each for a package of its own."""
    for index in range(number):
        run = partial(_build, scene, _PERIODS[index % len(_PERIODS)])
        yield Case(subject=SUBJECT, number=index, row="Two builds in a store that is cleared again and again", run=run)


def _build(scene: Scene, period: float) -> Outcome:
    with scene.cold() as place:
        argv = [sys.executable, "-c", _CLEAR, str(period)]
        clearing = subprocess.Popen(argv, env=place.environment, stdout=subprocess.DEVNULL)
        try:
            _build_two(place)
        finally:
            clearing.kill()
            clearing.wait()
        place.expect_right(place.build())
        place.expect_childless()
    return Outcome.RIGHT


def _build_two(place: Place) -> None:
    outputs = [place.output.with_name(f"{number}.zip") for number in range(2)]
    running = [(output, place.start(output=output)) for output in outputs]
    for output, process in running:
        place.expect_right(place.finish(process, output), output)
