"""A virtual environment for each tool, ours too: their pins conflict, and an installed package is what users run."""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import tool_environment

CHECKOUT = Path(__file__).resolve().parent.parent
# The newest pip that we are tried with, for all who start one. chalice takes the one that its pins allow.
_PIP = "pip<27"
# What can be packaged for a runtime on Amazon Linux 2023 comes first: the newest releases of what is measured have no
# wheels for Amazon Linux 2 any more, and there some peers give up, or build from source.
_PYTHONS = ("python3.13", "python3.12", "python3.14")
# The last commit that made packages one after the other.
_EARLIER = "c5f6c63"
_USABLE = "import ensurepip, venv"
_TOOLS = {"chalice": ("chalice==1.34.0",), "sam": ("aws-sam-cli==1.170.0", _PIP), "pip": (_PIP,), "uv": ("uv",)}


@dataclass(frozen=True, slots=True)
class Tools:
    """Where the tools are installed."""

    root: Path

    def bin(self, name: str) -> Path:
        """Return the directory of a tool's executables."""
        return self.root / name / "bin"

    def python(self, name: str) -> Path:
        """Return the Python of a tool's environment."""
        return self.bin(name) / "python"

    def python_version(self, name: str = "ours") -> str:
        """Return the version of the Python that a tool runs on, the same for all of them."""
        return self._ask(name, "import platform; print(platform.python_version())")

    def version(self, name: str, distribution: str) -> str:
        """Return the installed version of a distribution."""
        return self._ask(name, f"from importlib.metadata import version; print(version({distribution!r}))")

    def _ask(self, name: str, code: str) -> str:
        return subprocess.run(
            [self.python(name), "-c", code], check=True, capture_output=True, text=True, env=tool_environment()
        ).stdout.strip()


def find_python() -> str:
    """Return the Python to install everything for: a preferred one that starts, else this one."""
    for name in _PYTHONS:
        # Being on PATH proves nothing: version managers put names there that only say what isn't installed.
        if (
            shutil.which(name)
            and not subprocess.run([name, "-c", _USABLE], capture_output=True, check=False).returncode
        ):
            return name
    return sys.executable


@dataclass(frozen=True, kw_only=True, slots=True)
class Arguments:
    """What each benchmark is told: the checkout to measure, the page to write, and the directory to work in."""

    rounds: int
    page: Path
    directory: Path
    python: str


def read_arguments(description: str | None, *, page: str, directory: str = "benchmarks") -> Arguments:
    """Return the arguments of a benchmark that writes a page of docs/explanation/, and works in a folder of build/."""
    parser = argparse.ArgumentParser(description=description)
    page_path, work = CHECKOUT / "docs" / "explanation" / page, CHECKOUT / "build" / directory
    parser.add_argument("--rounds", type=int, default=5, help="how often each way is measured (default: 5)")
    parser.add_argument("--page", type=Path, default=page_path, help="the page with the markers to write between")
    parser.add_argument("--directory", type=Path, default=work, help="where to work")
    parser.add_argument("--python", default=find_python(), help="the Python to install all for (default: %(default)s)")
    given = parser.parse_args()
    return Arguments(rounds=given.rounds, page=given.page, directory=given.directory.absolute(), python=given.python)


def install_tools(root: Path, *, python: str) -> Tools:
    """Install what isn't installed yet, and ours from the checkout as it is now."""
    for name in _TOOLS:
        install_peer(root, name, python=python)
    return install_ours(root, python=python)


def install_peer(root: Path, name: str, *, python: str) -> None:
    """Install a peer, if it isn't installed yet. Raises `CalledProcessError` if that fails."""
    _install(root / name, python, _TOOLS[name])


def install_runtime(root: Path, *, python: str) -> Path:
    """Install Lambda's runtime client, if it isn't installed yet; return the Python that has it and nothing else."""
    _install(root / "runtime", python, ("awslambdaric>=3", _PIP))
    return Tools(root).python("runtime")


def install_ours(root: Path, *, python: str) -> Tools:
    """Install ours from the checkout as it is now, and none of the peers."""
    _install(root / "ours", python, (str(CHECKOUT), _PIP))
    # Not editable: the environment may forbid Python to write compiled modules, and an installer writes them anyway.
    _pip(root / "ours", "--force-reinstall", "--no-deps", str(CHECKOUT))
    return Tools(root)


def comparison_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser of what a benchmark is told that compares the checkout with an earlier version of the library."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (default: 3)")
    parser.add_argument("--old", default=_EARLIER, metavar="COMMIT", help="the earlier version (default: %(default)s)")
    parser.add_argument("--page", type=Path, help="a page with the markers to write the tables between")
    return parser


def earlier_version(revision: str, folder: Path) -> Path:
    """Return a folder with the library as of a commit: first on PYTHONPATH, it takes the place of what is installed.

    Raises `CalledProcessError` for a commit that the checkout doesn't have.
    """
    place = folder / revision
    if not place.is_dir():
        # An installed library has the pages of the findings, by which it knows their ids; a checkout has them here.
        archive = subprocess.run(
            ["git", "archive", "--format=tar", revision, "cdk_lambda_package", "docs/reference/checks"],
            cwd=CHECKOUT,
            check=True,
            capture_output=True,
        ).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(place, filter="data")
    return place


def _install(environment: Path, python: str, requirements: Sequence[str]) -> None:
    stamp, wanted = environment / "installed.txt", "\n".join([python, *requirements])
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(environment, ignore_errors=True)
    subprocess.run([python, "-m", "venv", environment], check=True, env=tool_environment())
    _pip(environment, "--upgrade", *requirements)
    stamp.write_text(wanted)


def _pip(environment: Path, *arguments: str) -> None:
    command = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", *arguments]
    subprocess.run(command, check=True, env=tool_environment())


def find_zip(python: Path) -> tuple[str | Path, ...]:
    """Return the command that zips a folder's content: Info-ZIP, as scripts use it, or Python's where there is none."""
    if zip_path := shutil.which("zip"):
        return (zip_path, "-q", "-r")
    return (python, "-m", "zipfile", "-c")
