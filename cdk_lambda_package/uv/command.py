"""Ask uv for a lock: its command line, its environment, and what it answers."""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from packaging.utils import canonicalize_name

from cdk_lambda_package.inside_pip.urls import without_credentials
from cdk_lambda_package.locks.lock_export import find_uv
from cdk_lambda_package.processes import Runner
from cdk_lambda_package.requirements.credentials import hide_credentials
from cdk_lambda_package.requirements.resolution import ResolutionRequest, relative_to_entry
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target
from cdk_lambda_package.uv.supply import limit_uv

# What `uv pip compile --python-platform` knows of glibc, behind manylinux_2_; `uv pip compile --help` lists it.
KNOWN_GLIBC = (17, 28, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40)

_STAND_IN = Path(__file__).with_name("interpreter.py")
_VARIABLES = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_NO_INDEX": "UV_NO_INDEX",
    "PIP_UPLOADED_PRIOR_TO": "UV_EXCLUDE_NEWER",
}
_LEADS_ELSEWHERE = ("UV_PYTHON", "UV_UNIVERSAL", "UV_NO_BINARY", "UV_NO_BUILD", "UV_NO_BUILD_PACKAGE", "VIRTUAL_ENV")


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What uv is asked for a target.

    `lines` come besides the requirements file `file`, which uv reads itself. `excluded` are constraints, `overrides`
    take the place of what is required under their names. Of `buildable` uv may take an sdist; `links` is a folder with
    wheels that were built here. `interpreter` answers for the target's system, where uv has no name for it. With
    `prereleases` it may take these as well.
    """

    request: ResolutionRequest
    file: Path | None = None
    lines: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    buildable: tuple[str, ...] = ()
    links: Path | None = None
    interpreter: Path | None = None
    no_deps: bool = False
    prereleases: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """uv's lock as a table, or None, and what uv said, without credentials."""

    lock: dict[str, Any] | None
    said: str


def ask(question: Question, runner: Runner) -> Answer:
    """Return what uv resolves a question to."""
    if question.file is None and not question.lines:
        return Answer(lock={"packages": []}, said="")
    preferred = question.request.preferred
    with tempfile.TemporaryDirectory(prefix="cdk-lambda-package-") as directory:
        output = Path(directory, "pylock.toml")
        if preferred:
            # uv prefers the versions that its output file has already.
            rows = (f'[[packages]]\nname = "{name}"\nversion = "{version}"\n' for name, version in preferred)
            output.write_text('lock-version = "1.0"\ncreated-by = "uv"\n' + "".join(rows), encoding="utf-8")
        answer = _run(question, ["--format=pylock.toml", f"--output-file={output}"], Path(directory), runner)
        if answer is not None:
            return Answer(lock=None, said=answer)
        return Answer(lock=without_credentials(tomllib.loads(output.read_text(encoding="utf-8"))), said="")


def ask_edges(question: Question, rows: Iterable[Mapping[str, Any]], runner: Runner) -> dict[str, list[str]]:
    """Return by name who needs each package of a lock that uv gave: its list says so, and its lock doesn't.

    What uv has just read is in its cache, so no index is asked again, unless there is no cache.
    """
    pins = "".join(f"{row['name']}=={row['version']}\n" for row in rows if "version" in row)
    with tempfile.TemporaryDirectory(prefix="cdk-lambda-package-") as directory:
        for options in (["--offline"], []):
            output = Path(directory, "edges.txt")
            output.write_text(pins, encoding="utf-8")
            options += ["--format=requirements.txt", "--annotation-style=line", f"--output-file={output}"]
            if _run(question, options, Path(directory), runner) is None:
                return _read_edges(output.read_text(encoding="utf-8"))
    return {}


def _run(question: Question, options: Sequence[str], folder: Path, runner: Runner) -> str | None:
    """Run uv, and return None where it succeeds, else what it says."""
    request = question.request
    argv = [*_make_argv(question, folder), *options]
    environment = make_environment(request)
    finished = runner(argv, request.entry, environment)
    if finished.status == 0:
        return None
    return hide_credentials(finished.output, environment).strip().removeprefix("error: ")


def _make_argv(question: Question, folder: Path) -> list[str]:
    request = question.request
    argv = [find_uv(), "pip", "compile", "--quiet", "--no-header", "--only-binary=:all:", "--no-python-downloads"]
    argv += [f"--no-binary={name}" for name in question.buildable]
    argv += [f"--python-version={request.target.runtime.full_version}"]
    if question.interpreter is not None:
        argv += [f"--python={question.interpreter}"]
    else:
        argv += [f"--python={sys.executable}", f"--python-platform={name_platform(request.target)}"]
    argv += ["--no-deps"] * question.no_deps + ["--prerelease=allow"] * question.prereleases
    argv += limit_uv(request, make_environment(request), datetime.now(UTC))
    argv += [f"--find-links={question.links}"] if question.links is not None else []
    for name, option, lines in (
        ("more.in", [], question.lines),
        ("excluded.txt", ["--constraint"], question.excluded),
        ("overrides.txt", ["--override"], question.overrides),
    ):
        if lines:
            (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
            argv += [*option, str(folder / name)]
    return [*argv, relative_to_entry(question.file, request.entry)] if question.file is not None else argv


def name_platform(target: Target) -> str:
    """Return uv's name for the target, or for the next newer C library that it knows."""
    minor = next(known for known in KNOWN_GLIBC if known >= target.runtime.system.glibc[1])
    return f"{target.architecture.machine}-manylinux_2_{minor}"


def find_interpreter(target: Target, store: Store) -> Path | None:
    """Return a program that answers uv for a target for which it has no name; None where it has, or none can be made.

    It stays in the store: uv remembers what an interpreter said by its path.
    """
    glibc = target.runtime.system.glibc[1]
    if glibc in KNOWN_GLIBC or os.name != "posix":
        return None
    words = shlex.join([sys.executable, "-P", str(_STAND_IN), target.architecture.machine, str(glibc)])
    content = f'#!/bin/sh\nexec {words} "$@"\n'.encode()
    key = f"{target.architecture.machine}-2_{glibc}"
    path = store.find("interpreters", key, "python")
    try:
        if path is None or path.read_bytes() != content:
            path = store.add(lambda stream: _write_program(stream, content), "interpreters", key, "python")
    except OSError:
        return None
    return path


def _write_program(stream: IO[bytes], content: bytes) -> None:
    # Executable before it has its name: another process may start it at once.
    os.chmod(stream.fileno(), 0o755)  # noqa: PTH101, S103
    stream.write(content)


def make_environment(request: ResolutionRequest) -> dict[str, str]:
    """Return uv's environment: the user's, with what pip's variables say of indexes, without what leads elsewhere."""
    environment = {**os.environ, **dict(request.pip_environment), "UV_PYTHON_DOWNLOADS": "never"}
    for theirs, ours in _VARIABLES.items():
        if environment.get(theirs):
            separator = "," if ours == "UV_FIND_LINKS" else " "
            environment.setdefault(ours, separator.join(environment[theirs].split()))
    return {name: value for name, value in environment.items() if name not in _LEADS_ELSEWHERE}


def _read_edges(text: str) -> dict[str, list[str]]:
    """Return by name what each package needs, from uv's list, where each line says who needs it."""
    needs: dict[str, list[str]] = {}
    for line in text.splitlines():
        what, _, parents = line.partition("# via ")
        name = canonicalize_name(re.split(r"[=\s@]", what.strip())[0])
        for parent in _names(parents):
            needs.setdefault(parent, []).append(name)
    return needs


def _names(parents: str) -> Iterable[str]:
    for parent in parents.split(","):
        if parent.strip() and not re.match(r"\s*(-|/|\w:)", parent):
            yield canonicalize_name(parent.strip())
