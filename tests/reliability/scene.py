"""The app that is built, the index that has its requirements, and the places in which it is built.

A `Scene` has the index and knows the right package. A `Place` is one store with all that belongs to it: a copy of the app, a
directory for temporary files, a home directory and one for outputs. What a case leaves in its place is looked through, and
goes.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from index_server import IndexServer, serve_index
from offline import ROOT
from source_projects import build_sdist
from wheel_factory import build_wheel

from reliability.canary import TOKEN, find_token
from reliability.forks import Fork, Forks, Start
from reliability.outcomes import Outcome, WrongError

# That of the host where Lambda has it: sources are then built for the interpreter that builds them.
_HOST = sys.version_info[:2]
RUNTIME = "python{}.{}".format(*_HOST) if (3, 9) <= _HOST <= (3, 14) else "python3.13"

PLACE_VARIABLE = "RELIABILITY_PLACE"

# Everything of the store but what was fetched, built and resolved.
SPLICED = (
    "checks",
    "folders",
    "metadata",
    "modules",
    "outputs",
    "package-contents",
    "packages",
    "reaches",
    "segments",
    "shadows",
    "sizes",
    "stats",
    "syntax",
    "unloadable",
    "verified",
)

_APP = "import alpha\n\ndef handler(event, context):\n    return {text!r}\n"
# Seconds after which a build hangs.
_LONGEST = 100
# Seconds in which the children of a killed process have to end.
_GRACE = 6.0

Contents = Mapping[str, tuple[int, str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Disturbance:
    """At call number `at` of a build, `action` happens: an error's name, or a signal's (see injector.py)."""

    at: int
    action: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """A build that ended: its status, what it said, and which of its calls was disturbed."""

    status: int | None
    said: str
    note: Mapping[str, object] = field(default_factory=dict)

    @property
    def end(self) -> str:
        """The status and the last lines, for people."""
        disturbed = f" after {self.note['disturbed']}" if "disturbed" in self.note else ""
        return f"status {self.status}{disturbed}: {self.said[-700:].strip()}"


@dataclass
class Place:
    """A directory with a store and all that belongs to it. Nothing in it is shared with another place."""

    root: Path
    scene: Scene
    _edits: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _text: str = ""

    def __post_init__(self) -> None:
        for folder in (self.temporary, self.home, self.output.parent):
            folder.mkdir(parents=True)
        shutil.copytree(self.scene.app, self.entry)

    entry = property(lambda self: self.root / "app")
    store = property(lambda self: self.root / "store")
    temporary = property(lambda self: self.root / "tmp")
    home = property(lambda self: self.root / "home")
    output = property(lambda self: self.root / "out" / "package.zip")
    said = property(lambda self: self.root / "said")

    def edit(self) -> None:
        """Change app.py to a text that it never had."""
        self._text = f"edit {next(self._edits)}"
        (self.entry / "app.py").write_text(_APP.format(text=self._text), encoding="utf-8")

    def forget(self, *kinds: str) -> None:
        """Remove these kinds from the store."""
        for kind in kinds:
            shutil.rmtree(self.store / "v1" / kind, ignore_errors=True)

    # Builds

    def start(
        self, *, disturbance: Disturbance | None = None, output: Path | None = None, arguments: Sequence[str] = ()
    ) -> Fork:
        """Start a build; what it says goes to a file of its own beside `said`."""
        said = self.said / (output or self.output).name
        note = self.root / "note"
        self.said.mkdir(exist_ok=True)
        for path in (said, note):
            path.unlink(missing_ok=True)
        start = Start(
            argv=["build", self.entry, "--runtime", RUNTIME, "-o", output or self.output, *arguments],
            environment=self.environment,
            folder=self.root,
            said=said,
            note=note,
            at=disturbance.at if disturbance else None,
            action=disturbance.action if disturbance else "",
        )
        return self.scene.forks.start(start)

    def build(self, disturbance: Disturbance | None = None) -> Build:
        """Build, and return how it ended. Raises `WrongError` for a build that doesn't end."""
        self.output.unlink(missing_ok=True)
        return self.finish(self.start(disturbance=disturbance))

    def finish(self, process: Fork, output: Path | None = None) -> Build:
        """Wait for a build that was started."""
        try:
            process.wait(_LONGEST)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise WrongError(f"The build didn't end in {_LONGEST} seconds. {self._note()}") from None
        said = (self.said / (output or self.output).name).read_text(encoding="utf-8", errors="replace")
        return Build(status=process.returncode, said=said, note=self._note())

    def _note(self) -> dict[str, object]:
        values: dict[str, object] = {}
        with contextlib.suppress(OSError):
            for line in (self.root / "note").read_text().splitlines():
                values |= json.loads(line)
        return values

    @cached_property
    def environment(self) -> dict[str, str]:
        """The variables of the builds in this place."""
        dropped = ("PYTHON", "COV_", "LC_", "LANG", "PIP_", "CDK_", "XDG_", "PYTEST", "TMP", "TEMP")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        return {
            **kept,
            **self.scene.index_variables,
            "PYTHONPATH": str(ROOT),
            # What crashes says where.
            "PYTHONFAULTHANDLER": "1",
            "CDK_LAMBDA_PACKAGE_CACHE_DIR": str(self.store),
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            PLACE_VARIABLE: str(self.root),
        }

    # Promises

    def expect_right(self, build: Build, output: Path | None = None) -> None:
        """Raise `WrongError` unless the build succeeded, and its package is the right one."""
        if build.status != 0:
            raise WrongError(f"The build after the disturbance failed, {build.end}")
        self.expect_whole(output or self.output)
        if not (output or self.output).exists():
            raise WrongError(f"There is no package, but {build.end}")

    def expect_right_or_message(self, build: Build) -> Outcome:
        """Return which of the two a disturbed build came to; raise `WrongError` for anything else."""
        if build.status == 0:
            self.expect_right(build)
            return Outcome.RIGHT
        if build.status != 1 or "Traceback" in build.said or "internal error" in build.said or len(build.said) > 4000:
            raise WrongError(f"No error message of ours, but {build.end}")
        if not any(line.startswith("error: ") for line in build.said.splitlines()):
            raise WrongError(f"No line begins with 'error: ', {build.end}")
        self.expect_whole(self.output)
        return Outcome.MESSAGE

    def expect_whole(self, output: Path) -> None:
        """Raise `WrongError` if there is a package that isn't the right one."""
        if not output.exists():
            return
        expected = dict(self.scene.reference)
        if self._text:
            mode = expected["app.py"][0]
            expected["app.py"] = (mode, _digest(_APP.format(text=self._text).encode()))
        try:
            found = contents_of(output)
        except (OSError, zipfile.BadZipFile, EOFError) as error:
            raise WrongError(f"The package is damaged: {error!r}") from None
        if found != expected:
            differing = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
            raise WrongError(f"The package has other content: {differing[:5]}")

    def expect_childless(self) -> None:
        """Raise `WrongError` if a process of this place's builds still runs after a short while."""
        end = time.monotonic() + _GRACE
        while running := self.running_processes():
            if time.monotonic() > end:
                for pid in running:
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
                raise WrongError(f"Processes outlive their build: {sorted(running.values())[:2]}")
            time.sleep(0.05)

    def running_processes(self) -> dict[int, str]:
        """Return the command lines of this place's processes by their ids; empty on hosts without /proc."""
        needle, found = f"{PLACE_VARIABLE}={self.root}\0".encode(), {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                # A zombie has no environment.
                if needle in (folder / "environ").read_bytes() + b"\0":
                    line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    found[int(folder.name)] = line[:200]
        return found

    def expect_tidy(self, *, killed: bool = False) -> None:
        """Raise `WrongError` for files outside the store, beside outputs, and for unfinished files in the store.

        A process that SIGKILL ended may leave an unfinished output beside the output, and all that is in the store's own
        directory for temporary files.
        """
        beside = [path.name for path in self.output.parent.iterdir() if not path.name.endswith(".zip")]
        unfinished = [path for path in self.store.rglob("*.tmp") if path.relative_to(self.store).parts[1] != "tmp"]
        left = [path.name for path in self.temporary.iterdir()]
        if left or unfinished or (beside and not killed):
            raise WrongError(f"Left behind: {[*left, *map(str, unfinished), *beside][:5]}")

    def expect_no_token(self) -> None:
        """Raise `WrongError` if the token of the index is in a file, or in what was said."""
        if found := find_token(self.root):
            raise WrongError(f"The token is in {[path.removeprefix(str(self.root)) for path in found[:3]]}")


class Scene:
    """An app with its index. With `source`, one of its requirements is an sdist, which takes longer."""

    def __init__(self, root: Path, index: IndexServer, *, source: bool) -> None:
        self.root, self.index = root, index
        self.app = root / "app"
        requirements = ["alpha", *(["gamma"] if source else [])]
        for name, text in {
            "app.py": _APP.format(text="the first"),
            "chalicelib/__init__.py": "",
            "vendor/internal/__init__.py": "",
            "requirements.txt": "\n".join([*requirements, ""]),
        }.items():
            (self.app / name).parent.mkdir(parents=True, exist_ok=True)
            (self.app / name).write_text(text, encoding="utf-8")
        self._warm: queue.SimpleQueue[Place] = queue.SimpleQueue()
        self.forks = Forks(PLACE_VARIABLE)

    @property
    def index_variables(self) -> dict[str, str]:
        """pip's variables: the index, and nothing that the host configures."""
        return {"PIP_INDEX_URL": self.index.url(TOKEN), "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0"}

    @contextlib.contextmanager
    def cold(self) -> Iterator[Place]:
        """Lend a place with an empty store. Raises `WrongError` at the end if the token is anywhere in it."""
        place = self._make_place()
        try:
            yield place
            place.expect_no_token()
        finally:
            shutil.rmtree(place.root, ignore_errors=True)

    @contextlib.contextmanager
    def warm(self) -> Iterator[Place]:
        """Lend a place whose store knows the package. It is lent again, unless the block raises."""
        try:
            place = self._warm.get_nowait()
        except queue.Empty:
            place = self._make_place()
            place.expect_right(place.build())
        try:
            yield place
        except BaseException:
            shutil.rmtree(place.root, ignore_errors=True)
            raise
        self._warm.put(place)

    def close(self) -> None:
        """Look for the token in the places that were lent, as `WrongError`, and end the processes of builds."""
        self.forks.close()
        while not self._warm.empty():
            self._warm.get().expect_no_token()

    def _make_place(self) -> Place:
        return Place(Path(tempfile.mkdtemp(dir=self.root)) / "place", self)

    @cached_property
    def reference(self) -> Contents:
        """The modes and digests of the right package's files: made once, without a disturbance, in a place of its own."""
        place = self._make_place()
        build = place.build()
        if build.status != 0:
            raise RuntimeError(f"The undisturbed build failed, {build.end}")
        return contents_of(place.output)

    @cached_property
    def seconds(self) -> float:
        """How long a build with an empty store takes."""
        with self.cold() as place:
            began = time.monotonic()
            place.expect_right(place.build())
            return time.monotonic() - began


@contextlib.contextmanager
def make_scene(root: Path, *, source: bool = False, metadata: bool = False) -> Iterator[Scene]:
    """Make the wheels, and serve them to those who know the token until the block ends."""
    files = root / "files"
    data = hashlib.shake_256(b"alpha").digest(60_000)
    build_wheel(
        files,
        "alpha",
        files={"alpha/__init__.py": "import beta\n", "alpha/data.bin": data, "alpha/more.py": "MORE = 1\n" * 3000},
        requires_dist=["beta>=1"],
    )
    build_wheel(files, "beta", files={"beta.py": "BETA = 1\n"})
    if source:
        build_sdist(files, "gamma", log=str(root / "builds.txt"))
    with serve_index(files) as index:
        index.password, index.metadata = TOKEN, metadata
        scene = Scene(root, index, source=source)
        yield scene
        scene.close()


def contents_of(archive: Path) -> Contents:
    """Return the mode and the digest of each file in a .zip, every byte of which is read."""
    with zipfile.ZipFile(archive) as opened:
        return {info.filename: (info.external_attr >> 16, _digest(opened.read(info))) for info in opened.infolist()}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
