"""Stores with damaged files: the next build is right, whatever has become of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from reliability.outcomes import Case, Outcome, WrongError
from reliability.scene import SPLICED, Place, Scene

SUBJECT = "flips"
# Bytes that are altered in a file of each kind, one in each case, from the first to the last.
POSITIONS = 12
# The file in a directory that took the place of a file.
_INSIDE = "inside"


def _flip(position: int, path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[position * (len(content) - 1) // (POSITIONS - 1)] ^= 0x55
    path.write_bytes(content)


def _halve(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _shorten(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def _lengthen(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"\0")


def _empty(path: Path) -> None:
    os.truncate(path, 0)


def _make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / _INSIDE).write_bytes(b"x")


def _make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _make_unreadable(path: Path) -> None:
    # Modes stop no administrator, but a link to itself can't be opened by anyone.
    path.unlink()
    path.symlink_to(path)


DAMAGES: Mapping[str, Callable[[Path], None]] = {
    **{f"an altered byte, {position + 1} of {POSITIONS}": partial(_flip, position) for position in range(POSITIONS)},
    "the first half": _halve,
    "all but the last byte": _shorten,
    "one byte more": _lengthen,
    "nothing": _empty,
    "a directory": _make_folder,
    "a FIFO": _make_pipe,
    "unreadable": _make_unreadable,
}


def cases(scene: Scene, source_scene: Scene, number: int | None = None) -> Iterator[Case]:
    """Yield a case for each damage of each kind of stored file, or `number` of them, spread over all."""
    kinds = {kind: owner for owner in (source_scene, scene) for kind in _kinds(owner)}
    every = [(kind, damage) for kind in sorted(kinds) for damage in _damages(kind)]
    count = number or len(every)
    for index in (position * len(every) // count for position in range(count)):
        kind, damage = every[index]
        run = partial(_damage, kinds[kind], kind, damage)
        row = "An altered byte in a stored file" if "byte, " in damage else "A stored file cut, replaced or unreadable"
        yield Case(subject=SUBJECT, number=index, row=row, run=run)


def _damages(kind: str) -> list[str]:
    """Return what becomes of the files of a kind: fewer of the altered bytes where pip has to run again for each."""
    return [damage for index, damage in enumerate(DAMAGES) if kind in SPLICED or index >= POSITIONS or index % 4 == 1]


def _kinds(scene: Scene) -> list[str]:
    with scene.warm() as place:
        return [path.name for path in (place.store / "v1").iterdir() if path.name != "tmp" and _files(path)]


def _damage(scene: Scene, kind: str, damage: str) -> Outcome:
    """Damage all files of a kind; then build the same, an edit, and without what is made of the damaged files."""
    with scene.warm() as place:
        damaged = _files(place.store / "v1" / kind)
        if not damaged:
            raise RuntimeError(f"the store has no {kind}, so nothing was damaged")
        for path in damaged:
            DAMAGES[damage](path)
        steps: dict[str, Callable[[], None]] = {
            "the same": lambda: None,
            "after an edit": place.edit,
            "spliced again": lambda: place.forget(*({*SPLICED} - {kind})),
        }
        # pip reads stored metadata, in its own process.
        if kind not in SPLICED or kind == "metadata":
            steps["resolved again"] = lambda: place.forget(*({*SPLICED, "resolutions"} - {kind}))
        for step, prepare in steps.items():
            prepare()
            try:
                place.expect_right(place.build())
            except WrongError as error:
                raise WrongError(f"{kind} with {damage}, {step}: {error}") from None
        _restore(place, kind)
    return Outcome.RIGHT


def _restore(place: Place, kind: str) -> None:
    """Give the next case whole files: a directory in the place of one is a miss, and may stay."""
    folder = place.store / "v1" / kind
    damaged = [path for path in folder.rglob("*") if not (path.is_file() or path.is_dir()) or path.name == _INSIDE]
    if damaged or not _files(folder):
        place.forget(*(path.name for path in folder.parent.iterdir() if path.name != "tmp"))
        place.expect_right(place.build())


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
