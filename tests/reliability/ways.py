"""The token of the index, given in each way that people have, in builds that succeed and that fail: it is found nowhere.

All other subjects look for it too, in what their cases leave. Here the command lines of all processes are watched as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from reliability.canary import TOKEN, watching_command_lines
from reliability.outcomes import Case, Outcome, WrongError
from reliability.scene import Place, Scene

SUBJECT = "token"


def _by_variable(place: Place) -> None:
    """Leave PIP_INDEX_URL, which all places have."""


def _by_requirements(place: Place) -> None:
    url = place.environment.pop("PIP_INDEX_URL").replace(TOKEN, "${INDEX_TOKEN}")
    place.environment["INDEX_TOKEN"] = TOKEN
    _prepend(place, f"--index-url {url}\n")


def _by_configuration(place: Place) -> None:
    # Outside the place: it is the user's own file.
    configuration = place.root.parent / "pip.conf"
    configuration.write_text(f"[global]\nindex-url = {place.environment.pop('PIP_INDEX_URL')}\n", encoding="utf-8")
    place.environment["PIP_CONFIG_FILE"] = str(configuration)


def _by_direct_url(place: Place) -> None:
    url = place.scene.index.url("${INDEX_TOKEN}").removesuffix("/simple")
    place.environment["INDEX_TOKEN"] = TOKEN
    _prepend(place, f"beta @ {url}/files/beta-1.0-py3-none-any.whl\n")


def _prepend(place: Place, line: str) -> None:
    path = place.entry / "requirements.txt"
    path.write_text(line + path.read_text(encoding="utf-8"), encoding="utf-8")


WAYS: Mapping[str, Callable[[Place], None]] = {
    "PIP_INDEX_URL": _by_variable,
    "--index-url with a variable": _by_requirements,
    "pip.conf": _by_configuration,
    "a direct URL with a variable": _by_direct_url,
}


def cases(scene: Scene, source_scene: Scene, *, short: bool = False) -> Iterator[Case]:
    """Yield each way with an app of wheels and one with a source; a build of each succeeds, and one fails."""
    scenes = (scene,) if short else (scene, source_scene)
    every = [(owner, way) for owner in scenes for way in list(WAYS)[: 1 if short else None]]
    for index, (owner, way) in enumerate(every):
        row = "The token of an index, in builds that succeed and that fail"
        yield Case(subject=SUBJECT, number=index, row=row, run=partial(_use, owner, way))


def _use(scene: Scene, way: str) -> Outcome:
    with watching_command_lines() as seen, scene.cold() as place:
        WAYS[way](place)
        try:
            place.expect_right(place.build())
            place.expect_no_token()
            _prepend(place, "alpha==2\n")
            place.expect_right_or_message(place.build())
            place.expect_no_token()
        except WrongError as error:
            raise WrongError(f"{way}: {error}") from None
    if seen:
        raise WrongError(f"{way}: The token was in command lines: {sorted(seen)[:2]}")
    return Outcome.RIGHT
