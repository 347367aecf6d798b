"""Where a build runs: on this machine, or in a container of the image in `build_image`; and what its output says."""

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
from packaging.version import Version

from cdk_lambda_package.interpreters import Interpreter
from cdk_lambda_package.processes import Runner
from cdk_lambda_package.target import Architecture, Target
from cdk_lambda_package.urls import host_of

DOCKER_VARIABLE = "CDK_DOCKER"

# What of the user's settings for pip could make a build another one; index and network settings stay.
_NOT_FOR_BUILDS = re.compile(
    "PIP_(ABI|BREAK_SYSTEM_PACKAGES|(BUILD_)?CONSTRAINT|DRY_RUN|EDITABLE|FORCE_REINSTALL|GROUP|IGNORE_INSTALLED"
    "|IMPLEMENTATION|NO_BINARY|NO_BUILD_ISOLATION|NO_CLEAN|NO_DEP(S|ENDENCIES)|ONLY_BINARY|ONLY_DEPS|PLATFORM|PREFIX"
    "|PYTHON|PYTHON_VERSION|REPORT|REQUIRE_HASHES|REQUIRE_VIRTUALENV|REQUIREMENT|ROOT|SRC|TARGET|UPGRADE|USER"
    "|USE_FEATURE|WHEEL_DIR)"
)
# Paths of this machine mean nothing in a container.
_FOR_CONTAINERS = re.compile("(?i:(http|https|no|all)_proxy)|PIP_((EXTRA_)?INDEX_URL|TRUSTED_HOST|UPLOADED_PRIOR_TO)")
# The first pip with --build-constraint; images and older Pythons may have an older one.
_CONSTRAINS_BUILDS = Version("25.3")
_SCRIPTS = "Scripts" if os.name == "nt" else "bin"
# 1980-01-01, the first instant of the .zip format: what builds stamp into files is the same in each.
_EPOCH = "315532800"


class NoPipError(Exception):
    """An interpreter has no pip that can build with it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pip:
    """A pip: the words that start it, and its version."""

    argv: tuple[str, ...]
    version: Version


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A build to be started: `source` (with the URL `fragment`) into a wheel in `output`, both in `workspace`.

    `options` are the lines with the index options, `log` is where pip writes what it does, None if that isn't wanted.
    """

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
        requirements = self.workspace / "requirements.txt"
        # It may hold passwords; the workspace goes after the build.
        requirements.touch(mode=0o600)
        source = Path(translate(self.source)).as_uri()
        requirements.write_text(f"{self.options}{source}{self.fragment}\n", encoding="utf-8")
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

    def logged_hosts(self) -> tuple[str, ...] | None:
        """Return the hosts that the build asked for what it needs, with ports that aren't usual; None without a log."""
        if self.log is None:
            return None
        found = (host_of(match[1] or match[2] or match[3]) for match in _REQUESTS.finditer(self._read_log()))
        hosts = {f"{host}:{port}" if port not in (None, 80, 443) else host for host, port in filter(None, found)}
        return tuple(sorted(hosts))

    def logged_failure(self) -> str:
        """Return what the command said that failed, as far as it is in the log."""
        before, failed, _ = _TIME.sub("", self._read_log()).partition(": finished with status 'error'")
        lines = before.rpartition("Running command ")[2].splitlines()[1:-1] if failed else []
        return "\n".join(line for line in lines if not line.strip().startswith(_ABOUT))

    def _read_log(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log and self.log.is_file() else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """An interpreter of this machine; the `runner` starts the commands that prepare a build."""

    python: Interpreter
    runner: Runner

    @property
    def version(self) -> tuple[int, int]:
        """Its major and minor number."""
        return self.python.version

    @property
    def identity(self) -> str:
        """What tells its builds from others'."""
        return "{} {}.{}".format(self.python.platform, *self.version)

    def start(self, command: Command) -> tuple[list[str], dict[str, str]]:
        """Return the command line and environment of a build.

        Raises `NoPipError`.
        """
        pip = self._find_pip(command.workspace)
        inherited = {name: value for name, value in command.variables.items() if not _NOT_FOR_BUILDS.fullmatch(name)}
        # Of pip.conf the build gets what counts for it through the options and variables: the rest could lead elsewhere.
        environment = {**inherited, **command.environment(pip, str), "PIP_CONFIG_FILE": os.devnull}
        if not command.compiler:
            failing = shutil.which("false") or shlex.join([sys.executable, "-c", "raise SystemExit(1)"])
            environment |= dict.fromkeys(("CC", "CXX"), failing)
        return command.argv(pip, str), environment

    def _find_pip(self, workspace: Path) -> Pip:
        """Return our pip, told to use the interpreter; if the interpreter is too old for it, that one's own pip."""
        ours = metadata.metadata("pip")
        python = "{}.{}".format(*self.version)
        if SpecifierSet(ours["Requires-Python"] or "").contains(python):
            # Said in any case: neither PIP_PYTHON nor pip.conf may lead to another one.
            argv = (sys.executable, "-P", "-m", "pip", "--python", self.python.program)
            return Pip(argv=argv, version=Version(ours["Version"]))
        own, venv = self._pip_of(self.python.program, workspace), workspace / "venv"
        # An interpreter without pip makes a virtual environment with the one that ensurepip has.
        if (
            own is None
            and not self.runner([self.python.program, "-m", "venv", str(venv)], workspace, os.environ).status
        ):
            own = self._pip_of(str(venv / _SCRIPTS / "python"), workspace)
        if own is None:
            raise NoPipError(
                f"Python {python} is too old for pip {ours['Version']}, and {self.python.program} neither has a pip of its "
                f"own nor can make a virtual environment with one: run `{self.python.program} -m ensurepip`"
            )
        return own

    def _pip_of(self, interpreter: str, workspace: Path) -> Pip | None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        environment["PIP_CONFIG_FILE"] = os.devnull
        done = self.runner([interpreter, "-m", "pip", "--version"], workspace, environment)
        match = re.search(r"^pip (\S+) from ", done.output, re.MULTILINE) if done.status == 0 else None
        return Pip(argv=(interpreter, "-m", "pip"), version=Version(match[1])) if match else None


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

    def start(self, command: Command) -> tuple[list[str], dict[str, str]]:
        """Return the command line and environment of a build."""

        def translate(path: Path) -> str:
            return f"/build/{path.relative_to(command.workspace).as_posix()}"

        docker = shlex.split(command.variables.get(DOCKER_VARIABLE) or "docker")
        argv = [*docker, "run", "--rm", f"--platform={self._platform}", f"--volume={command.workspace}:/build"]
        if hasattr(os, "getuid"):
            # What the build writes is to be ours to remove.
            argv.append(f"--user={os.getuid()}:{os.getgid()}")
        argv += ["--workdir=/build", "--env=HOME=/tmp"]
        pip = Pip(argv=("-m", "pip"), version=Version(metadata.version("pip")))
        argv += [f"--env={name}={value}" for name, value in command.environment(pip, translate).items()]
        # By their names alone: their values, with passwords among them, are in no list of processes.
        argv += [f"--env={name}" for name in sorted(command.variables) if _FOR_CONTAINERS.fullmatch(name)]
        argv += ["--entrypoint=python3", self.image]
        return [*argv, *command.argv(pip, translate)], dict(command.variables)


_LAST_LINES = 12
_OF_EVERY_FAILURE = ("note:", "hint:", "[notice]", "[end of", "ERROR: Failed", "Failed to build", "╰─>", "See above")
# How pips say it: of a connection, of a file that their cache may have, and of a checkout.
_REQUESTS = re.compile(r'(https?://\S+) "[A-Z]+ /|Looking up "(https?://[^"]+)" in the cache|Cloning (\S+://\S+)')
_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\S+ ?", re.MULTILINE)
# Behind the output of a command that failed, pip's own lines about it.
_ABOUT = ("ERROR: ", "[bold ")


def describe_failure(status: int, output: str) -> str:
    """Return the build's last lines, without what pip says about every failure."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    told = [line for line in lines if not line.lstrip().startswith(_OF_EVERY_FAILURE)]
    said = "\n      ".join(told[-_LAST_LINES:])
    return f"failed to build with status {status}:\n      {said}"
