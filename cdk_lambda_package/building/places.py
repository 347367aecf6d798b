"""Where a build runs: on this machine, or in a container of the image in `build_image`."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.specifiers import SpecifierSet

from cdk_lambda_package.interpreters import Interpreter
from cdk_lambda_package.processes import Runner
from cdk_lambda_package.target import Architecture, Target

DOCKER_VARIABLE = "CDK_DOCKER"

# What of the user's settings for pip could make a build another one; index and network settings stay.
_NOT_FOR_BUILDS = frozenset(
    f"PIP_{name}"
    for name in (  # noqa: SIM905
        "ABI BREAK_SYSTEM_PACKAGES BUILD_CONSTRAINT CONSTRAINT DRY_RUN EDITABLE FORCE_REINSTALL GROUP IGNORE_INSTALLED "
        "IMPLEMENTATION NO_BINARY NO_BUILD_ISOLATION NO_CLEAN NO_DEPS NO_DEPENDENCIES ONLY_BINARY ONLY_DEPS PLATFORM "
        "PREFIX PYTHON PYTHON_VERSION REPORT REQUIRE_HASHES REQUIRE_VIRTUALENV REQUIREMENT ROOT SRC TARGET UPGRADE USER "
        "USE_FEATURE WHEEL_DIR"
    ).split()
)
# The first pip with --build-constraint; images and older Pythons may have an older one.
_CONSTRAINS_BUILDS = (25, 3)
_SCRIPTS = "Scripts" if os.name == "nt" else "bin"
# 1980-01-01, the first instant of the .zip format: what builds stamp into files is the same in each.
_EPOCH = "315532800"


class NoPipError(Exception):
    """An interpreter has no pip that can build with it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pip:
    """A pip: the words that start it, and its version."""

    argv: tuple[str, ...]
    version: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A build to be started: `source` (with the URL `fragment`) into a wheel in `output`, both in `workspace`."""

    workspace: Path
    output: Path
    source: Path
    fragment: str
    options: str
    constraint: Path | None
    variables: Mapping[str, str]
    compiler: bool
    uploaded_prior_to: str = ""
    log: Path | None = None

    def argv(self, pip: Pip, translate: Callable[[Path], str]) -> list[str]:
        """Return pip's command line; `translate` says where a path of the workspace is for that pip."""
        text = f"{self.options}{_as_url(translate(self.source))}{self.fragment}\n"
        requirements = self.workspace / "requirements.txt"
        # It may hold passwords; the workspace goes after the build.
        with open(os.open(requirements, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as stream:  # noqa: PTH123
            stream.write(text)
        argv = [*pip.argv, "wheel", "--no-deps", "--no-input", "--disable-pip-version-check", "--progress-bar=off"]
        # Whether the wheel is for the target's Python is judged behind the build, not for the one that builds.
        argv += ["--ignore-requires-python", f"--wheel-dir={translate(self.output)}", "-r", translate(requirements)]
        if self.constraint is not None and pip.version >= _CONSTRAINS_BUILDS:
            argv.append(f"--build-constraint={translate(self.constraint)}")
        if self.uploaded_prior_to:
            # Not as a variable: an older pip, as an image may have one, would pass over that.
            argv.append(f"--uploaded-prior-to={self.uploaded_prior_to}")
        return argv

    def environment(self, pip: Pip, translate: Callable[[Path], str]) -> dict[str, str]:
        """Return the build's own variables, besides those that it inherits."""
        extra = {"SOURCE_DATE_EPOCH": _EPOCH, "PYTHONHASHSEED": "0"}
        if self.log is not None:
            # As all variables, handed down to the pip that installs what the build needs.
            extra["PIP_LOG"] = translate(self.log)
        if self.constraint is not None and pip.version < _CONSTRAINS_BUILDS:
            # Older pips hand it down to what they install for builds.
            extra["PIP_CONSTRAINT"] = translate(self.constraint)
        return extra


@dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """An interpreter of this machine."""

    python: Interpreter

    @property
    def version(self) -> tuple[int, int]:
        """Its major and minor number."""
        return self.python.version

    @property
    def identity(self) -> str:
        """What tells its builds from others'."""
        return "{} {}.{}".format(self.python.platform, *self.version)

    def start(self, command: Command, run: Runner) -> tuple[list[str], dict[str, str]]:
        """Return the command line and environment of a build; `run` is for commands that prepare it.

        Raises `NoPipError`.
        """
        pip = self._find_pip(command.workspace, run)
        inherited = {name: value for name, value in command.variables.items() if name not in _NOT_FOR_BUILDS}
        # Of pip.conf the build gets what counts for it through the options and variables: the rest could lead elsewhere.
        environment = {**inherited, **command.environment(pip, str), "PIP_CONFIG_FILE": os.devnull}
        if not command.compiler:
            environment |= dict.fromkeys(("CC", "CXX"), _failing_program())
        return command.argv(pip, str), environment

    def _find_pip(self, workspace: Path, run: Runner) -> Pip:
        """Return our pip, told to use the interpreter; if the interpreter is too old for it, that one's own pip."""
        ours = metadata.metadata("pip")
        python = "{}.{}".format(*self.version)
        if SpecifierSet(ours["Requires-Python"] or "").contains(python):
            # Said in any case: neither PIP_PYTHON nor pip.conf may lead to another one.
            argv = (sys.executable, "-P", "-m", "pip", "--python", self.python.program)
            return Pip(argv=argv, version=_numbers(ours["Version"]))
        place = workspace / "venv"
        # An interpreter without pip makes a virtual environment with the one that ensurepip has.
        for interpreter in (self.python.program, str(place / _SCRIPTS / "python")):
            done = run([interpreter, "-m", "pip", "--version"], workspace, _without_pip_settings())
            if done.status == 0 and (match := re.search(r"^pip (\S+) from ", done.output, re.MULTILINE)):
                return Pip(argv=(interpreter, "-m", "pip"), version=_numbers(match[1]))
            if interpreter == self.python.program:
                done = run([interpreter, "-m", "venv", str(place)], workspace, dict(os.environ))
                if done.status != 0:
                    break
        raise NoPipError(
            f"Python {python} is too old for pip {ours['Version']}, and {self.python.program} neither has a pip of its own nor can "
            f"make a virtual environment with one: run `{self.python.program} -m ensurepip`"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Container:
    """A container of an image with Python, started by the docker-compatible command that $CDK_DOCKER names."""

    image: str
    target: Target

    @property
    def identity(self) -> str:
        """What tells its builds from others'."""
        return f"{self.image} {self._platform}"

    @property
    def version(self) -> tuple[int, int]:
        """The image is taken to be one of the target's: a wheel of another Python's wouldn't fit."""
        return self.target.runtime.version

    @property
    def _platform(self) -> str:
        return {Architecture.X86_64: "linux/amd64", Architecture.ARM64: "linux/arm64"}[self.target.architecture]

    def start(self, command: Command, run: Runner) -> tuple[list[str], dict[str, str]]:  # noqa: ARG002
        """Return the command line and environment of a build."""

        def translate(path: Path) -> str:
            return f"/build/{path.relative_to(command.workspace).as_posix()}"

        docker = shlex.split(command.variables.get(DOCKER_VARIABLE) or "docker")
        argv = [*docker, "run", "--rm", f"--platform={self._platform}", f"--volume={command.workspace}:/build"]
        if hasattr(os, "getuid"):
            # What the build writes is to be ours to remove.
            argv.append(f"--user={os.getuid()}:{os.getgid()}")
        argv += ["--workdir=/build", "--env=HOME=/tmp"]
        pip = Pip(argv=("-m", "pip"), version=_numbers(metadata.version("pip")))
        argv += [f"--env={name}={value}" for name, value in command.environment(pip, translate).items()]
        # By their names alone: their values, with passwords among them, are in no list of processes.
        argv += [f"--env={name}" for name in sorted(command.variables) if _is_for_containers(name)]
        argv += ["--entrypoint=python3", self.image]
        return [*argv, *command.argv(pip, translate)], dict(command.variables)


def _is_for_containers(name: str) -> bool:
    # Paths of this machine mean nothing there.
    network = name.lower() in ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
    return network or name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_UPLOADED_PRIOR_TO")


def _failing_program() -> str:
    return shutil.which("false") or shlex.join([sys.executable, "-c", "raise SystemExit(1)"])


def _without_pip_settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PIP_")} | {
        "PIP_CONFIG_FILE": os.devnull
    }


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def _as_url(path: str) -> str:
    return Path(path).as_uri()
