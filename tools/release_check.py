"""Build the release, and check all that can be checked before it is published: `make release-check`.

python tools/release_check.py                       all of it; half an hour for each Python
python tools/release_check.py --no-suite            without the test suite; a few minutes
python tools/release_check.py --python 3.13         on this Python alone; repeatable
python tools/release_check.py --python 3.13 -- -k lock -x      with arguments for pytest
python tools/release_check.py --release             also what must be true of the commit that is released
python tools/release_check.py --dist dist           check the files in a folder, and build nothing
python tools/release_check.py --notes               print the section of the changelog, and check nothing

The wheel and the sdist are built twice, from copies of the files that git tracks, and are left in dist/. The wheel is installed in a new
environment for each Python from 3.11 that is found, on PATH, in pyenv, or this one. The suite runs from the unpacked sdist, in which there
is no library, and so with the installed wheel. A Python that isn't found is named, and is no failure: the workflow `release` has all of
them. The status is 1 if a step failed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from matrix import ROOT, VERSIONS, find_python
from release_contents import (
    PACKAGE,
    PROJECT,
    ReleaseError,
    check_changelog,
    check_equal,
    check_sbom,
    check_sdist,
    check_version,
    check_wheel,
    find_files,
    read_section,
    read_version,
)

OK, FAILED, MISSING, LEFT_OUT = "ok", "failed", "missing", "left out"

WORK = ROOT / "build" / "release-check"
# build and twine, whose dependencies conflict with ours; `make` installs them.
TOOLS = ROOT / ".venv" / "release" / "bin" / "python"
# Where an environment has its programs, and how they end.
_BIN, _EXE = ("Scripts", ".exe") if os.name == "nt" else ("bin", "")
# What `make setup` installs beside the Python packages, for the tests that need it.
_FOLDERS = ("node", "typescript", "sam-files", "cdk-floor", "peers")
_PROGRAMS = ("node", "cdk", "aws-lambda-rie")
_APP = "def handler(event, context):\n    return event\n"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A step and what became of it."""

    step: str
    status: str
    detail: str


@dataclass
class Report:
    """The outcomes so far."""

    outcomes: list[Outcome] = field(default_factory=list)

    def run(self, step: str, work: Callable[[], str]) -> bool:
        """Do a step that returns what is right, or raises; return whether it succeeded."""
        print(f"-- {step}", flush=True)
        try:
            status, detail = OK, work()
        except ReleaseError as error:
            status, detail = FAILED, str(error)
        self.add(step, status, detail)
        return status == OK

    def add(self, step: str, status: str, detail: str) -> None:
        """Add the outcome of a step."""
        self.outcomes.append(Outcome(step=step, status=status, detail=detail))
        print(f"   {status}: {detail}", flush=True)

    @property
    def failed(self) -> bool:
        """Whether a step failed."""
        return any(outcome.status == FAILED for outcome in self.outcomes)

    def table(self) -> str:
        """Return the outcomes as a table, with the first line of each detail."""
        rows = [
            ("step", "result", ""),
            *((one.step, one.status, one.detail.partition("\n")[0]) for one in self.outcomes),
        ]
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        return "\n".join(
            f"{step:<{widths[0]}}  {status:<{widths[1]}}  {detail}".rstrip() for step, status, detail in rows
        )


def run(*command: str | Path, environment: Mapping[str, str] | None = None, cwd: Path | str | None = None) -> str:
    """Run a command, and return what it printed. Raises `ReleaseError` with its last lines if it fails."""
    words = [str(word) for word in command]
    variables = clean_environment() | dict(environment or {})
    done = subprocess.run(words, env=variables, cwd=cwd, text=True, capture_output=True, check=False)
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise ReleaseError(f"`{Path(words[0]).name} {' '.join(words[1:])}` ended with {done.returncode}:\n{said}")
    return done.stdout


def clean_environment() -> dict[str, str]:
    """Return the variables of this process, but for those by which Python would find other modules."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return kept | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def git(*arguments: str) -> str:
    """Return what git says about the checkout."""
    return run("git", *arguments, cwd=ROOT).strip()


def tracked_files() -> list[str]:
    """Return the paths of the files that git tracks, and that exist."""
    names = git("ls-files", "-z").split("\0")
    return sorted(name for name in names if (ROOT / name).is_file())


def copy_tracked(folder: Path) -> Path:
    """Copy the tracked files, as they are now, into a new folder; return it."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in tracked_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


def build(source: Path, dist: Path, tools: Path, *, zone: str) -> None:
    """Build the sdist, and from it the wheel, of a copy of the checkout."""
    shutil.rmtree(dist, ignore_errors=True)
    # The time of the commit is the time of all files: https://reproducible-builds.org/specs/source-date-epoch/
    variables = {"SOURCE_DATE_EPOCH": git("log", "-1", "--format=%ct"), "TZ": zone}
    run(tools, "-m", "build", "--outdir", dist, source, environment=variables)


def check_built(report: Report, dist: Path, tools: Path) -> bool:
    """Build twice, and check the files; return whether there are files to install."""

    def first() -> str:
        build(copy_tracked(WORK / "one"), dist, tools, zone="UTC")
        return ", ".join(path.name for path in find_files(dist))

    def second() -> str:
        build(copy_tracked(WORK / "a" / "second" / "copy"), WORK / "second-dist", tools, zone="Asia/Tokyo")
        return check_equal(dist, WORK / "second-dist")

    if not tools.exists():
        report.add("build", FAILED, f"{tools} isn't installed: run `make release-check`, which installs it")
        return False
    if not report.run("build", first):
        return False
    report.run("reproducible", second)
    report.run("metadata", lambda: check_metadata(dist, tools))
    return True


def check_metadata(dist: Path, tools: Path) -> str:
    """Require metadata that an index accepts, and a page that it can show."""
    run(tools, "-m", "twine", "check", "--strict", *find_files(dist))
    return "twine check --strict passed"


def check_contents(report: Report, dist: Path) -> None:
    """Check what is in the files."""
    version, tracked = read_version(ROOT), tracked_files()
    report.run("version", lambda: check_version(ROOT, dist))
    report.run("wheel", lambda: check_wheel(find_files(dist)[0], tracked))
    report.run("sdist", lambda: check_sdist(find_files(dist)[1], tracked))
    report.run("SBOM", lambda: check_sbom(find_files(dist)[0], version))


def check_commit() -> str:
    """Require what must be true of the commit that is released: all is committed, and the tag is that of the version."""
    if changed := git("status", "--porcelain"):
        raise ReleaseError(f"there are changes that aren't committed: {changed.splitlines()[0].strip()}, …")
    tag = f"v{read_version(ROOT)}"
    if tag not in git("tag", "--points-at", "HEAD").splitlines():
        raise ReleaseError(f"the commit has no tag {tag}: run `git tag {tag}`")
    return tag


@dataclass(frozen=True, kw_only=True)
class Place:
    """The unpacked sdist without the library, and a new environment in it as `make setup` has it in a checkout."""

    python: str
    folder: Path

    @property
    def inside(self) -> Path:
        """The Python of the environment."""
        return self.bin / f"python{_EXE}"

    @property
    def bin(self) -> Path:
        """The programs of the environment."""
        return self.folder / ".venv" / _BIN

    def install(self, dist: Path) -> str:
        """Install the wheel and nothing else, and use it: a package is built by the command line."""
        wheel, sdist = find_files(dist)
        shutil.rmtree(self.folder, ignore_errors=True)
        with tarfile.open(sdist) as archive, tempfile.TemporaryDirectory(dir=self.folder.parent) as unpacked:
            archive.extractall(unpacked, filter="data")
            Path(unpacked, sdist.name.removesuffix(".tar.gz")).rename(self.folder)
        shutil.rmtree(self.folder / PACKAGE)
        run(self.python, "-m", "venv", self.folder / ".venv")
        run(self.inside, "-m", "pip", "install", "--quiet", wheel)
        run(self.inside, "-m", "pip", "check")
        program = self.bin / f"{PROJECT}{_EXE}"
        version = run(program, "--version").strip()
        if version != read_version(ROOT):
            raise ReleaseError(f"`{PROJECT} --version` prints {version}")
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "svc").mkdir()
            Path(folder, "svc", "app.py").write_text(_APP, encoding="utf-8")
            target = ("--runtime", "python3.13", "--cache-dir", "store", "--output", "svc.zip")
            run(program, "build", "svc", *target, cwd=folder)
        return f"{version} installed without conflicts, and builds a package"

    def check_api(self) -> str:
        """Require the public API that is pinned."""
        self._add_tools()
        run(
            self.inside,
            self.folder / "tools" / "public_api.py",
            "--check",
            cwd=self.folder,
            environment=self._variables,
        )
        return "as tests/public_api.txt pins it"

    def test(self, arguments: Sequence[str]) -> str:
        """Run the default suite with the installed wheel."""
        run(self.inside, "-m", "pip", "install", "--quiet", "--group", f"{self.folder / 'pyproject.toml'}:test")
        where = run(self.inside, "-c", f"import {PACKAGE}; print({PACKAGE}.__file__)", cwd=self.folder).strip()
        if not Path(where).is_relative_to(self.folder / ".venv"):
            raise ReleaseError(f"the tests would import the library from {where}")
        # Without the CDK CLI that `make setup` installs, as in test.yml.
        marks = "not thorough" if (self.bin / "cdk").exists() else "not thorough and not deploy"
        parallel = ["-n", os.environ.get("WORKERS", "auto"), "--dist", "loadgroup"]
        command: list[str | Path] = [self.inside, "-m", "pytest", "-q", *parallel, "-m", marks, *arguments]
        done = subprocess.run(command, cwd=self.folder, env=clean_environment() | self._variables, check=False)
        if done.returncode:
            raise ReleaseError(f"pytest's exit status is {done.returncode}; its output is above")
        return "the default suite passed" + (f", {' '.join(arguments)}" if arguments else "")

    @property
    def _variables(self) -> dict[str, str]:
        return {"PATH": os.pathsep.join([str(self.bin), os.environ["PATH"]])}

    def _add_tools(self) -> None:
        """Link what `make setup` installed in the checkout beside the Python packages, as far as it is there."""
        there = ROOT / ".venv"
        for name in _FOLDERS:
            if (there / name).exists():
                (self.folder / ".venv" / name).symlink_to(there / name)
        for name in _PROGRAMS:
            if (there / _BIN / name).exists():
                with suppress(FileExistsError):
                    (self.bin / name).symlink_to((there / _BIN / name).resolve())


def check_pythons(report: Report, dist: Path, arguments: argparse.Namespace) -> None:
    """Install and test the wheel on each Python that is found."""
    for version in arguments.python or VERSIONS:
        label, python = f"Python {version}", find_python(version)
        if python is None:
            report.add(label, MISSING, "not found on PATH nor in pyenv; the workflow `release` runs it")
            continue
        place = Place(python=python, folder=WORK / version)
        WORK.mkdir(parents=True, exist_ok=True)
        if not report.run(f"{label}: install", lambda place=place: place.install(dist)):  # type: ignore[misc]
            continue
        report.run(f"{label}: public API", place.check_api)
        if arguments.suite:
            report.run(f"{label}: suite", lambda place=place: place.test(arguments.pytest))  # type: ignore[misc]
        else:
            report.add(f"{label}: suite", LEFT_OUT, "--no-suite")


def read_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what the tool is told."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--python", action="append", choices=VERSIONS, help="only this Python; repeatable")
    parser.add_argument("--no-suite", dest="suite", action="store_false", help="leave out the test suite")
    parser.add_argument("--release", action="store_true", help="check the commit, its tag and the changelog's date too")
    parser.add_argument("--dist", type=Path, help="a folder with a wheel and an sdist to check; nothing is built")
    parser.add_argument("--tools", type=Path, default=TOOLS, help="the Python that has build and twine")
    parser.add_argument("--notes", action="store_true", help="print the version's section of CHANGELOG.md, and end")
    parser.add_argument("pytest", nargs="*", help="arguments of pytest, after --")
    return parser.parse_args(argv)


def check(arguments: argparse.Namespace) -> Report:
    """Do all steps; none is left out because another one failed, unless it needs its files."""
    report, dist = Report(), (arguments.dist or ROOT / "dist").absolute()
    if arguments.release:
        report.run("commit", check_commit)
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    report.run("changelog", lambda: check_changelog(changelog, read_version(ROOT), release=arguments.release))
    if arguments.dist is None:
        if not check_built(report, dist, arguments.tools):
            return report
        check_contents(report, dist)
    check_pythons(report, dist, arguments)
    return report


def main() -> int:
    """Check, and print the table."""
    arguments = read_arguments()
    if arguments.notes:
        print(read_section((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), read_version(ROOT)).body)
        return 0
    report = check(arguments)
    print(f"\n{report.table()}")
    return int(report.failed)


if __name__ == "__main__":
    sys.exit(main())
