"""The Python interpreters of this machine: this one, those on PATH, those that a variable names, and those of pyenv and uv."""

from __future__ import annotations

import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import msgspec

from cdk_lambda_package.app_directory import FileStamp, file_stamp
from cdk_lambda_package.decoding import decode
from cdk_lambda_package.keys import key_of
from cdk_lambda_package.processes import Runner, start_directly
from cdk_lambda_package.store import Store, remembered
from cdk_lambda_package.target import PythonVersion, Target
from cdk_lambda_package.variables import OutsideName, ReadBy

INTERPRETER_VARIABLE = OutsideName(
    "CDK_LAMBDA_PACKAGE_PYTHON",
    meaning="Programs of Python that compile bytecode, separated as on `PATH`. They are tried before the others.",
    default="the running interpreter, then those on `PATH`, of pyenv and of uv",
)

_PYENV = OutsideName(
    "PYENV_ROOT",
    read_by=ReadBy.TOOLS,
    meaning="The directory of pyenv, in whose interpreters one for bytecode is looked for.",
    default="`~/.pyenv`",
)
_UV = OutsideName(
    "UV_PYTHON_INSTALL_DIR",
    read_by=ReadBy.TOOLS,
    meaning="The directory of the interpreters that uv installs, in which one for bytecode is looked for.",
    default="`uv/python` in the user's data directory",
)

_INTERPRETER_FACTS = (
    "import sys, sysconfig; print('%d.%d' % sys.version_info[:2], sysconfig.get_platform(), sys.executable)"
)

_TIME_LIMIT = 20.0
_FACTS = """
import importlib.util, json, sys
print(json.dumps({
    "program": sys.executable, "implementation": sys.implementation.name, "version": list(sys.version_info[:3]),
    "release": sys.version_info.releaselevel, "flags": getattr(sys, "abiflags", ""), "build": sys.version,
    "magic": importlib.util.MAGIC_NUMBER.hex(),
}))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Interpreter:
    """An interpreter: `platform` as sysconfig has it, `version` its major and minor number."""

    program: str
    version: tuple[int, int]
    platform: str


def interpreter_for(target: Target, run: Runner) -> Interpreter:
    """Return an interpreter of the target's minor version, if it is this one or on PATH, else this one.

    Metadata that a build works out, and native wheels, depend on the Python that runs it.
    """
    own = Interpreter(program=sys.executable, version=sys.version_info[:2], platform=sysconfig.get_platform())
    if own.version == target.runtime.version:
        return own
    found = shutil.which(target.runtime.name)
    if found is None:
        return own
    try:
        done = run([found, "-c", _INTERPRETER_FACTS], Path.cwd(), dict(os.environ))
    except OSError:
        return own
    # A name on PATH proves nothing: version managers put one there for what isn't installed.
    match = re.search(r"^(\d+)\.(\d+) (\S+) (.+)$", done.output.strip()) if done.status == 0 else None
    if match is None or (int(match[1]), int(match[2])) != target.runtime.version:
        return own
    # Nor does it work everywhere: such a program looks at variables and at the working directory.
    return Interpreter(program=match[4], version=target.runtime.version, platform=match[3])


# Interpreters that compile: only final releases of CPython, since the bytecode of a preview is another, and a debug or free-threaded
# build isn't Lambda's.


@dataclass(frozen=True, kw_only=True, slots=True)
class Compiler:
    """An interpreter that compiles: its full version, `build` as `sys.version` has it, and the magic number of its bytecode in hex.

    Example:
        `find_compiler((3, 13), store).version` is "3.13.5".
    """

    version: str
    build: str
    magic: str

    @property
    def suffix(self) -> str:
        """The end of the names of its .pyc files (PEP 3147), such as ".cpython-313.pyc"."""
        return ".cpython-{}{}.pyc".format(*self.release)

    @property
    def release(self) -> tuple[int, int]:
        """Its major and minor number."""
        major, minor, _ = self.version.split(".")
        return int(major), int(minor)


@remembered("interpreters", version=1)
@dataclass(frozen=True, kw_only=True, slots=True)
class _Facts:
    """What an interpreter says of itself, and the stamp of its file at that time."""

    program: str
    implementation: str
    version: tuple[int, int, int]
    release: str
    flags: str
    build: str
    magic: str
    stamp: FileStamp | None = None


def find_compiler(
    version: PythonVersion, store: Store, environment: Mapping[str, str] | None = None
) -> tuple[Compiler, str] | None:
    """Return an interpreter that compiles for a version of Python, with its program; None if this machine has none.

    Interpreters that $CDK_LAMBDA_PACKAGE_PYTHON names come first, then the running one, those on PATH, of pyenv, and of uv.

    Example:
        `find_compiler((3, 13), Store.open())`
    """
    for program in _candidates(version, os.environ if environment is None else environment):
        facts = _facts_of(program, store)
        if facts is not None and _fits(facts, version):
            number = ".".join(map(str, facts.version))
            return Compiler(version=number, build=facts.build, magic=facts.magic), facts.program
    return None


def find_named(compiler: Compiler, store: Store, environment: Mapping[str, str] | None = None) -> str | None:
    """Return the program of an interpreter that a manifest names, of this very release and build; None if this machine hasn't it.

    Example:
        `find_named(Compiler(version="3.13.5", build=…, magic="f30d0d0a"), Store.open())`
    """
    major, minor, *_ = _numbers(compiler.version)
    known = os.environ if environment is None else environment
    # Not only the first one on PATH: the system's may come after another release.
    folders = filter(None, known.get("PATH", "").split(os.pathsep))
    on_path = (path for folder in folders if (path := Path(folder) / f"python{major}.{minor}").is_file())
    for program in (*_candidates((major, minor), known), *on_path):
        facts = _facts_of(program, store)
        if facts is not None and (facts.build, facts.magic) == (compiler.build, compiler.magic):
            return facts.program
    return None


def _fits(facts: _Facts, version: PythonVersion) -> bool:
    final = facts.implementation == "cpython" and facts.release == "final" and not facts.flags
    return final and facts.version[:2] == version


def _candidates(version: PythonVersion, environment: Mapping[str, str]) -> Iterator[Path]:
    name = "python{}.{}".format(*version)
    yield from map(Path, filter(None, environment.get(INTERPRETER_VARIABLE, "").split(os.pathsep)))
    if sys.version_info[:2] == version:
        yield Path(sys.executable)
    on_path = [Path(found)] if (found := shutil.which(name, path=environment.get("PATH"))) else []
    yield from (path for path in on_path if not _is_script(path))
    home = _home(environment)
    pyenv = Path(environment.get(_PYENV) or home / ".pyenv") / "versions"
    # https://docs.astral.sh/uv/reference/storage/#python-versions
    data = Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share")
    uv = Path(environment.get(_UV) or data / "uv" / "python")
    yield from _newest(pyenv, "{}.{}.*".format(*version), name)
    yield from _newest(uv, "cpython-{}.{}.*".format(*version), name)
    # A version manager's, which has to be started to know what it starts.
    yield from filter(_is_script, on_path)


def _home(environment: Mapping[str, str]) -> Path:
    """Return the home directory; the root of the file system for a user without one, as in some containers."""
    try:
        return Path(environment.get("HOME") or Path.home())
    except RuntimeError:
        return Path(os.sep)


def _newest(folder: Path, pattern: str, name: str) -> Iterable[Path]:
    """Return the programs of the installations in a folder, newest first."""
    found = (path / "bin" / name for path in folder.glob(pattern) if "+" not in path.name)
    return sorted((path for path in found if path.is_file()), key=lambda path: _numbers(str(path)), reverse=True)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in "".join(sign if sign.isdigit() else " " for sign in text).split())


def _facts_of(program: Path, store: Store) -> _Facts | None:
    """Return what an interpreter says of itself; None if it isn't one."""
    try:
        stamp = file_stamp(program.stat())
    except OSError:
        return None
    if _is_script(program):
        # It may start another program in the next process.
        return _ask(program, stamp)
    key = key_of("interpreter", str(program))
    with store.claims.alone(("interpreters", key)):
        known = store.recall(_Facts, key)
        if known is not None and known.stamp == stamp:
            return known
        facts = _ask(program, stamp)
        if facts is not None:
            store.remember(facts, key)
    return facts


@cache
def _ask(program: Path, stamp: FileStamp) -> _Facts | None:
    try:
        asked = [str(program), "-I", "-S", "-c", _FACTS]
        done = start_directly(asked, Path.cwd(), os.environ, time_limit=_TIME_LIMIT)()
        return replace(decode(done.output, _Facts), stamp=stamp) if done.status == 0 else None
    except (OSError, ValueError, msgspec.MsgspecError):
        return None


def _is_script(program: Path) -> bool:
    try:
        with program.open("rb") as stream:
            return stream.read(2) == b"#!"
    except OSError:
        return True
