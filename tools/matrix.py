"""Run pip's and the constructs' tests with the oldest and the newest releases that pyproject.toml allows, on each Python.

python tools/matrix.py                        all of it
python tools/matrix.py --python 3.13          one Python
python tools/matrix.py -- -k lock -x          arguments of pytest
python tools/matrix.py --pins oldest          prints the requirements of that end, and runs nothing

The Pythons are 3.11 and later, found on PATH and in pyenv. Each pair of a Python and "oldest" or "newest" gets a virtual
environment in .venv/matrix, which later runs use again. The status is 1 if any tests fail. A pair that can't run is
skipped, and the summary gives the reason.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
ENDS = ("oldest", "newest")

# The dependencies whose oldest releases are tried: what resolves, and what constructs.
PINNED = ("pip", "aws-cdk-lib", "constructs")

# Libraries of constructs that the tests use, in the releases that fit to the oldest aws-cdk-lib.
OLDEST_CONSTRUCTS = {
    "aws-cdk.app-staging-synthesizer-alpha": "2.180.0a0",
    "cdk-stacksets": "0.0.153",
    "datadog-cdk-constructs-v2": "2.8.0",
}

# The tests of what runs pip, those that build sdists among them, and of what runs CDK.
TESTS = (
    "tests/resolving/test_*.py",
    "tests/building/test_*.py",
    "tests/test_write_lock.py",
    "tests/locks/test_locked_sources.py",
    "tests/requirements/test_*.py",
    "tests/cdk/test_*.py",
)
# Brings its own libraries, and type checkers that the pairs don't have.
LEFT_OUT = "tests/cdk/test_types.py"

_USABLE = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"


def dependencies() -> list[str]:
    """Return the requirements of the package, as pyproject.toml lists them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [str(requirement) for requirement in project["dependencies"]]


def oldest() -> dict[str, str]:
    """Return the oldest release that pyproject.toml allows of each of the `PINNED` distributions."""
    floors = {}
    for requirement in dependencies():
        if match := re.match(r"([A-Za-z0-9-]+)>=([0-9.]+)", requirement):
            floors[match[1]] = match[2]
    return {name: floors[name] for name in PINNED}


def pins(end: str) -> list[str]:
    """Return the requirements to install for one end of the range: `pip==26.0` and so on."""
    if end == "oldest":
        return [f"{name}=={version}" for name, version in (oldest() | OLDEST_CONSTRUCTS).items()]
    return [requirement for requirement in dependencies() if re.split(r"[<>=]", requirement)[0] in PINNED]


def find_python(version: str) -> str | None:
    """Return a Python of a version (`3.12`) that starts and can make a virtual environment; None if there is none."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    name = f"python{version}"
    found = sorted(map(str, versions.glob(f"{version}.*/bin/{name}")), reverse=True)
    # Windows has no names with versions.
    own = sys.executable if version == "{}.{}".format(*sys.version_info[:2]) else None
    for candidate in (shutil.which(name), *found, own):
        if candidate and subprocess.run([candidate, "-c", _USABLE], capture_output=True, check=False).returncode == 0:
            return candidate
    return None


def environment(python: str, version: str, end: str) -> Path:
    """Return the Python of the virtual environment for a pair. It is made, or made again if the pins changed."""
    directory = ROOT / ".venv" / "matrix" / f"{version}-{end}"
    made, wanted = directory / ".pins", "\n".join([*pins(end), *dependencies()])
    inside = directory / "bin" / "python"
    if not made.exists() or made.read_text(encoding="utf-8") != wanted:
        install: list[str | Path] = [inside, "-m", "pip", "install", "--quiet"]
        subprocess.run([python, "-m", "venv", "--clear", directory], check=True)
        # The newest pip first: older ones don't know --group. All in one run, so that the tests' own packages fit the pins.
        subprocess.run([*install, "--upgrade", "pip"], check=True)
        group = f"{ROOT / 'pyproject.toml'}:test"
        subprocess.run([*install, "--editable", ROOT, "--group", group, *pins(end)], check=True)
        made.write_text(wanted, encoding="utf-8")
    return inside


def tests() -> list[str]:
    """Return the test files of the matrix."""
    return sorted({path.relative_to(ROOT).as_posix() for pattern in TESTS for path in ROOT.glob(pattern)} - {LEFT_OUT})


def run(version: str, end: str, arguments: Sequence[str]) -> str:
    """Run the tests of a pair, and return the outcome in words."""
    python = find_python(version)
    if python is None:
        return f"skipped: no Python {version} with venv and ensurepip on PATH or in pyenv"
    try:
        inside = environment(python, version, end)
    except subprocess.CalledProcessError as error:
        return f"failed: the virtual environment can't be made: {' '.join(map(str, error.cmd))}"
    parallel = ["-n", os.environ.get("WORKERS", "auto"), "--dist", "loadgroup"]
    command: list[str | Path] = [inside, "-m", "pytest", "-q", *parallel]
    path = f"{inside.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*command, "-m", "not deploy", *tests(), *arguments],
        cwd=ROOT,
        env=os.environ | {"PATH": path},
        check=False,
    )
    return "passed" if done.returncode == 0 else f"failed: pytest's exit status is {done.returncode}"


def outcomes(versions: Sequence[str], arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each pair and its outcome."""
    for version in versions:
        for end in ENDS:
            label = f"Python {version}, {end} ({', '.join(pins(end))})"
            print(f"── {label}", flush=True)
            yield label, run(version, end, arguments)


def main() -> int:
    """Run the matrix."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--python", action="append", choices=VERSIONS, help="only this Python; repeatable")
    parser.add_argument("--pins", choices=ENDS, help="print the requirements of this end, and run nothing")
    parser.add_argument("pytest", nargs="*", help="arguments of pytest, after --")
    arguments = parser.parse_args()
    if arguments.pins:
        print("\n".join(pins(arguments.pins)))
        return 0
    shown = list(outcomes(arguments.python or VERSIONS, arguments.pytest))
    print("\n".join(f"{label}: {outcome}" for label, outcome in shown))
    return int(any(outcome.startswith("failed") for _, outcome in shown))


if __name__ == "__main__":
    sys.exit(main())
