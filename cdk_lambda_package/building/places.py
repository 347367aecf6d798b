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
from cdk_lambda_package.variables import OutsideName, ReadBy

SCRIPT = Path(__file__).parents[1] / "inside_pip" / "building.py"
# As in the script, which other Pythons run.
HOSTS_VARIABLE = "_CDK_LAMBDA_PACKAGE_HOSTS"

DOCKER_VARIABLE = OutsideName(
    "CDK_DOCKER",
    read_by=ReadBy.TOOLS,
    meaning="The docker-compatible command that runs the image of `build_image`.",
    default="`docker`",
)

# What of the user's settings for pip could make a build another one; index and network settings stay.
_NOT_FOR_BUILDS = re.compile(
    "PIP_(ABI|BREAK_SYSTEM_PACKAGES|(BUILD_)?CONSTRAINT|DRY_RUN|EDITABLE|FORCE_REINSTALL|GROUP|IGNORE_INSTALLED"
    "|IMPLEMENTATION|NO_BINARY|NO_BUILD_ISOLATION|NO_CLEAN|NO_DEP(S|ENDENCIES)|ONLY_BINARY|ONLY_DEPS|PLATFORM|PREFIX"
    "|PYTHON|PYTHON_VERSION|REPORT|REQUIRE_HASHES|REQUIRE_VIRTUALENV|REQUIREMENT|ROOT|SRC|TARGET|UPGRADE|USER"
    "|USE_FEATURE|WHEEL_DIR)"
)
# Paths of this machine mean nothing in a container.
_FOR_CONTAINERS = re.compile(
    "(?i:(http|https|no|all)_proxy)|PIP_((EXTRA_)?INDEX_URL|FIND_LINKS|NO_INDEX|TRUSTED_HOST|UPLOADED_PRIOR_TO)"
)
# The first pip with --build-constraint; images and older Pythons may have an older one.
_CONSTRAINS_BUILDS = Version("25.3")
_SCRIPTS = "Scripts" if os.name == "nt" else "bin"
# 1980-01-01, the first instant of the .zip format: what builds stamp into files is the same in each.
_EPOCH = "315532800"


class NoPipError(Exception):
    """An interpreter has no pip that can build with it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pip:
    """A pip: the interpreter that runs it, the folder that it lies in ("" for the interpreter's own), and its version."""

    program: str
    folder: str
    version: Version


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A build to be started: `source` (with the URL `fragment`) into a wheel in `output`, both in `workspace`.

    `variables` are all that the build inherits, those with the index options among them. `hosts` is the file for the places that pip
    asks, None if they needn't be known.
    """

    workspace: Path
    output: Path
    source: Path
    fragment: str
    constraint: Path | None
    variables: Mapping[str, str]
    compiler: bool
    uploaded_prior_to: str = ""
    hosts: Path | None = None

    def argv(self, pip: Pip, translate: Callable[[Path], str]) -> list[str]:
        """Return pip's command line, without secrets; `translate` says where a path is for that pip."""
        argv = [
            pip.program,
            translate(SCRIPT),
            pip.folder,
            "wheel",
            "--no-deps",
            "--no-input",
            "--disable-pip-version-check",
            "--progress-bar=off",
        ]
        # Whether the wheel is for the target's Python is judged behind the build, not for the one that builds.
        argv += [
            "--ignore-requires-python",
            f"--wheel-dir={translate(self.output)}",
            f"{Path(translate(self.source)).as_uri()}{self.fragment}",
        ]
        if self.constraint is not None and pip.version >= _CONSTRAINS_BUILDS:
            argv.append(f"--build-constraint={translate(self.constraint)}")
        if self.uploaded_prior_to:
            # Not as a variable: an older pip, as an image may have one, would pass over that.
            argv.append(f"--uploaded-prior-to={self.uploaded_prior_to}")
        return argv

    def environment(self, pip: Pip, translate: Callable[[Path], str]) -> dict[str, str]:
        """Return the build's own variables, besides those that it inherits."""
        extra = {"SOURCE_DATE_EPOCH": _EPOCH, "PYTHONHASHSEED": "0"}
        if self.hosts is not None:
            # As all variables, handed down to the pip that installs what the build needs.
            extra[HOSTS_VARIABLE] = translate(self.hosts)
        if self.constraint is not None and pip.version < _CONSTRAINS_BUILDS:
            # Older pips hand it down to what they install for builds.
            extra["PIP_CONSTRAINT"] = Path(translate(self.constraint)).as_uri()
        return extra

    def asked_hosts(self) -> tuple[str, ...] | None:
        """Return the hosts that the build asked for what it needs, with ports that aren't usual; None if they aren't known."""
        if self.hosts is None or not self.hosts.is_file():
            return None
        found = map(host_of, self.hosts.read_text(encoding="utf-8").split())
        hosts = {f"{host}:{port}" if port not in (None, 80, 443) else host for host, port in filter(None, found)}
        return tuple(sorted(hosts))


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """How a build is started: its command line, its variables, and the command that ends it where killing it doesn't."""

    argv: list[str]
    environment: dict[str, str]
    ending: tuple[str, ...] = ()


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

    def builds_for(self, target: Target) -> bool:
        """Tell whether a compiler's output here is for the target's system and machine."""
        return self.python.platform == f"linux-{target.architecture.machine}"

    def start(self, command: Command) -> Start:
        """Return how a build is started. Raises `NoPipError`."""
        pip = self._find_pip(command.workspace)
        inherited = {name: value for name, value in command.variables.items() if not _NOT_FOR_BUILDS.fullmatch(name)}
        # Of pip.conf the build gets what counts for it through the options and variables: the rest could lead elsewhere.
        environment = {**inherited, **command.environment(pip, str), "PIP_CONFIG_FILE": os.devnull}
        # Keeps PIP_PYTHON from starting another interpreter.
        environment["_PIP_RUNNING_IN_SUBPROCESS"] = "1"
        if not command.compiler:
            failing = shutil.which("false") or shlex.join([sys.executable, "-c", "raise SystemExit(1)"])
            environment |= dict.fromkeys(("CC", "CXX"), failing)
        return Start(argv=command.argv(pip, str), environment=environment)

    def _find_pip(self, workspace: Path) -> Pip:
        """Return our pip, to be run by the interpreter; if the interpreter is too old for it, that one's own pip."""
        distribution = metadata.distribution("pip")
        ours = distribution.metadata
        python = "{}.{}".format(*self.version)
        if SpecifierSet(ours["Requires-Python"] or "").contains(python):
            folder = str(distribution.locate_file(""))
            return Pip(program=self.python.program, folder=folder, version=Version(ours["Version"]))
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
        return Pip(program=interpreter, folder="", version=Version(match[1])) if match else None


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

    def builds_for(self, target: Target) -> bool:
        """Tell whether a compiler's output here is for the target's system and machine."""
        return target == self.target

    @property
    def _platform(self) -> str:
        return {Architecture.X86_64: "linux/amd64", Architecture.ARM64: "linux/arm64"}[self.target.architecture]

    def start(self, command: Command) -> Start:
        """Return how a build is started."""
        mounted = {SCRIPT: "/cdk-lambda-package/building.py", command.constraint: "/cdk-lambda-package/constraint.txt"}

        def translate(path: Path) -> str:
            return mounted.get(path) or f"/build/{path.relative_to(command.workspace).as_posix()}"

        docker, name = shlex.split(command.variables.get(DOCKER_VARIABLE) or "docker"), f"build-{os.urandom(8).hex()}"
        argv = [
            *docker,
            "run",
            "--rm",
            f"--name={name}",
            f"--platform={self._platform}",
            f"--volume={command.workspace}:/build",
        ]
        argv += [f"--volume={path}:{place}:ro" for path, place in mounted.items() if path is not None]
        if hasattr(os, "getuid"):
            # What the build writes is to be ours to remove.
            argv.append(f"--user={os.getuid()}:{os.getgid()}")
        argv += ["--workdir=/build", "--env=HOME=/tmp"]
        pip = Pip(program="python3", folder="", version=Version(metadata.version("pip")))
        argv += [f"--env={name}={value}" for name, value in command.environment(pip, translate).items()]
        # By their names alone: their values, with passwords among them, are in no list of processes.
        argv += [f"--env={name}" for name in sorted(command.variables) if _FOR_CONTAINERS.fullmatch(name)]
        program, *words = command.argv(pip, translate)
        argv += [f"--entrypoint={program}", self.image, *words]
        # Killing the client doesn't end the container, nor remove one that isn't started yet.
        return Start(argv=argv, environment=dict(command.variables), ending=(*docker, "rm", "--force", name))


_LAST_LINES = 12
_OF_EVERY_FAILURE = (
    *(
        "note:",
        "hint:",
        "[notice]",
        "[end of",
        "ERROR: Failed",
        "Failed to build",
        "╰─>",
        "See above",
        "\N{MULTIPLICATION SIGN}",
        "│ exit code:",
    ),
    *(
        "error: subprocess-exited-with-error",
        "error: metadata-generation-failed",
        "error: failed-wheel-build-for-install",
    ),
)
# What pip says of its progress, before the step that failed.
_PROGRESS = re.compile(
    r"\s*(Looking in (indexes|links): |Processing \./source|Collecting |Downloading |Using cached |Ignoring .*: markers "
    r"|(Installing (build|backend) dependencies|Getting requirements to build \w+|Preparing metadata|Building wheels? for"
    r"|Building wheel|Installing collected packages|Successfully installed|Running command).*(: started|finished with status.*"
    r"|: .*)$)"
)


def describe_failure(status: int, output: str) -> str:
    """Return the build's last lines, without pip's progress and what pip says about every failure."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    told = [line for line in lines if not line.lstrip().startswith(_OF_EVERY_FAILURE) and not _PROGRESS.match(line)]
    # A build that says nothing of its own leaves pip's words.
    said = "\n      ".join((told or lines)[-_LAST_LINES:])
    return f"failed to build with status {status}:\n      {said}"
