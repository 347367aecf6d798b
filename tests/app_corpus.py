"""Apps that Lambda can't run, each with the reason, and apps that it can: the folders below tests/apps.

Those named `requires_…` are broken inside their requirements, or their requirements are easily taken for broken. Each is for
the runtime on which that can be seen, and runs on an interpreter of that version, if the host has one.

An app's `case.toml` says what is to come out:

    says, idiom    what is wrong with a broken app; what of a sound one is easily taken for wrong
    findings       of a broken app, each as "id", "id path" or "id path:line"; a path of * is any, ** one or more
    lambda         of a broken app, a part of what Lambda says to it
    event, answer  of a sound app, JSON
    not_run        why Lambda's side can't be shown on this machine
    options        of the request; the runtime is that of this Python where it isn't given
    layers         folders of the app that are layers
    vendored       wheels that are unpacked into vendor/, since binaries don't belong into a repository
    vendored_wheels, filled   wheels that are put there as they are; files of so many zero bytes
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from local_aws import emulator_command, free_port
from processes import running, wait_for_port
from this_host import HOST

APPS = Path(__file__).parent / "apps"


@dataclass(frozen=True)
class Case:
    """An app of the corpus; `folder` has its files."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def says(self) -> Mapping[str, Any]:
        return tomllib.loads((self.folder / "case.toml").read_text(encoding="utf-8"))

    @property
    def runtime(self) -> str:
        return self.options["runtime"]

    @property
    def options(self) -> dict[str, Any]:
        """The options of the request, besides the entry and the layers."""
        return {"runtime": HOST, **self.says.get("options", {})}

    def prepare(self, destination: Path, wheels: Path) -> Path:
        """Copy the app, with what isn't in the repository; `wheels` keeps what is downloaded for it."""
        entry = shutil.copytree(self.folder, destination, ignore=shutil.ignore_patterns("case.toml", "__pycache__"))
        for row in self.says.get("vendored", ()):
            unpack_wheel(download(row["wheel"], wheels, row["platform"], row["python"]), entry / "vendor")
            for removed in row.get("remove", ()):
                shutil.rmtree(entry / "vendor" / removed)
        for row in self.says.get("vendored_wheels", ()):
            (entry / "vendor").mkdir(exist_ok=True)
            shutil.copy(download(row["wheel"], wheels), entry / "vendor")
        for row in self.says.get("filled", ()):
            path = entry / row["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as stream:
                stream.truncate(row["size"])
        return entry

    def layers(self, entry: Path) -> tuple[str, ...]:
        return tuple(str(entry / name) for name in self.says.get("layers", ()))


def cases(kind: str) -> list[Case]:
    return [Case(folder) for folder in sorted((APPS / kind).iterdir())]


def download(wheel: str, wheels: Path, platform: str = "any", python: str | None = None) -> Path:
    """Return a wheel of the index, by its requirement and what it is for."""
    folder = wheels / f"{wheel}-{platform}-{python}"
    if not folder.exists():
        unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += [f"--platform={platform}", f"--dest={unfinished}", wheel]
        done = subprocess.run(
            command + ([f"--python-version={python}"] if python else []), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        try:
            unfinished.rename(folder)
        except OSError:  # another worker was faster
            shutil.rmtree(unfinished)
    [path] = folder.glob("*.whl")
    return path


def unpack_wheel(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(folder)


def call(python: str, task_root: Path, handler: str, event: str, search: list[Path], log: Path) -> object:
    """Run an unpacked package behind Lambda's emulator in an interpreter that has nothing else but `search`.

    Raises RuntimeError with what Lambda says if it fails.
    """
    port = free_port()
    command = emulator_command(handler, python, "-S", port=port)
    path = os.pathsep.join(map(str, [task_root, *search]))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AWS_"))}
    environment |= {"LAMBDA_TASK_ROOT": str(task_root), "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    with running(command, log=log, environment=environment, cwd=task_root) as process:
        wait_for_port(port, process, log)
        text = post(port, event)
    # A handler's error is an answer, with status 200; one at import is no answer at all, and is in the log.
    answer = json.loads(text) if text else {"errorType": log.read_text(encoding="utf-8", errors="replace")}
    if isinstance(answer, dict) and "errorType" in answer:
        raise RuntimeError("\n".join(map(str, answer.values())))
    return answer


def post(port: int, event: str) -> str:
    with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("POST", "/2015-03-31/functions/function/invocations", event)
        return connection.getresponse().read().decode()
