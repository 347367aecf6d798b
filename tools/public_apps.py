"""Package the public apps of tests/public_apps/apps.toml, import them, and write docs/explanation/public-apps.md.

    python tools/public_apps.py                    all of them; about 15 minutes
    python tools/public_apps.py --only NAME        one app, whose result is printed and not written
    python tools/public_apps.py --folder FOLDER    keep results there, and try only apps that changed since

Each app is packaged by the command line as a user would do it. Its package is made whatever the errors are, unpacked, and
the handler's module is imported by an interpreter of the target's version, in a process of its own that has nothing but the
package and what Lambda's runtime brings. If requirements can't be resolved, that interpreter's own pip is asked to install
them, and the import is tried with what it installed.

The index is seen as it was on a day, so that the table doesn't change with each release.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cdk_lambda_package.catalogue import rules

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "tests" / "public_apps" / "apps.toml"
PAGE = ROOT / "docs" / "explanation" / "public-apps.md"

# The day whose index is seen.
INDEX_DAY = "2026-11-21T00:00:00Z"
# What is in Lambda's runtime besides the standard library.
RUNTIME_PACKAGES = ("boto3", "awslambdaric")
TIME_LIMIT = 1200
UNEXPLAINED = "unexplained"
REQUIREMENTS_FILE = "requirements.txt"
UNRESOLVED = "requirements-not-resolved"
# True of nearly every app, and no matter of what the import says.
NOT_LOCKED = "requirements-not-locked"

# Where the table begins and ends on the page.
TABLE_ROWS = re.compile(r"(?<=<!-- results -->\n)(.*)(?=<!-- end of results -->)", re.S)

# What the import says: nothing, or the last line of its exception. Lambda leaves the working directory at the package.
_IMPORT = """
import importlib, os, site, sys
sys.path[:] = [sys.argv[1], *sys.path, sys.argv[2]]
site.setquit(); site.setcopyright(); site.sethelper()
sys.dont_write_bytecode = True
os.chdir(sys.argv[1])
try:
    importlib.import_module(sys.argv[3])
except BaseException as error:
    text = " ".join(str(error).split())
    print("\\nRESULT", type(error).__name__ + (": " + text if text else ""))
else:
    print("\\nRESULT imported")
# Threads that the module started don't keep the process alive.
sys.stdout.flush()
os._exit(0)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """An app as it is, or after the cure; `says` is the cure in words."""

    requirements: str | None
    files: Mapping[str, str]
    options: Sequence[str]
    environment: Mapping[str, str]
    says: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class App:
    """A public app, rebuilt; the comments at the top of the data file say what each field means."""

    name: str
    search: str
    files: Mapping[str, str]
    runtime: str = "python3.13"
    requirements: str | None = None
    wheels: Sequence[str] = ()
    options: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    network: str = ""
    differs: str = ""
    cure: Mapping[str, Any] | None = None
    no_cure: str = ""

    @property
    def as_found(self) -> Variant:
        """The app as it is in its repository."""
        return Variant(
            requirements=self.requirements, files=self.files, options=self.options, environment=self.environment
        )

    @property
    def cured(self) -> Variant | None:
        """The app after the tool's advice was taken; None if nothing is changed."""
        if self.cure is None:
            return None
        kept = {name: getattr(self, name) for name in ("requirements", "files", "options", "environment")}
        return Variant(**{**kept, **self.cure, "files": {**self.files, **self.cure.get("files", {})}})


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The words of the tool and of the import; `accepted` and `imported` tell whether both were content."""

    tool: str
    accepted: bool
    imported: bool
    import_says: str

    @property
    def agree(self) -> bool:
        """Whether the tool accepts exactly what can be imported."""
        return self.accepted == self.imported


def read_apps() -> list[App]:
    """Return the apps, in the order of the searches."""
    return [App(**row) for row in tomllib.loads(DATA.read_text(encoding="utf-8"))["app"]]


def write_entry(app: App, variant: Variant, entry: Path) -> Path:
    """Write an app's files below a folder, and return it."""
    texts = dict(variant.files)
    if variant.requirements is not None:
        texts[REQUIREMENTS_FILE] = variant.requirements.lstrip("\n")
    for name, text in texts.items():
        path = entry / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.lstrip("\n"), encoding="utf-8")
    for name in app.wheels:
        path = entry / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_empty_wheel(path.name))
    return entry


def _empty_wheel(name: str) -> bytes:
    """Return a wheel without modules, with the name, version and tag of a file name."""
    distribution, version, tag = name.removesuffix(".whl").split("-", 2)
    folder = f"{distribution}-{version}.dist-info"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(f"{folder}/METADATA", f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        archive.writestr(f"{folder}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n")
        archive.writestr(f"{folder}/RECORD", "")
    return stream.getvalue()


@cache
def find_interpreter(runtime: str) -> str:
    """Return an interpreter of the runtime's version: of pyenv, or on PATH. Raises SystemExit if there is none."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    found = sorted(versions.glob(f"{runtime.removeprefix('python')}.*/bin/{runtime}"))
    found += [path for folder in os.get_exec_path() if (path := Path(folder, runtime)).is_file()]
    for path in found:
        if subprocess.run([path, "-V"], capture_output=True, check=False).returncode == 0:
            return str(path)
    raise SystemExit(f"There is no {runtime} on PATH, and none of pyenv. Install it: pyenv install {runtime[6:]}")


class Bench:
    """Runs the apps. `folder` keeps the store, results, and what Lambda's runtime brings from one app to the next."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def recall(self, app: App, variant: Variant) -> Result:
        """Return what both said of an app that is the same as when it was tried; else try it."""
        asked = [app.runtime, app.wheels, variant.requirements, variant.files, variant.options, variant.environment]
        path = self.folder / "results" / f"{hashlib.sha256(json.dumps(asked).encode()).hexdigest()}.json"
        if not path.is_file():
            result = self.try_app(app, variant)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(asdict(result)), encoding="utf-8")
        return Result(**json.loads(path.read_text(encoding="utf-8")))

    def try_app(self, app: App, variant: Variant) -> Result:
        """Package an app, import it, and return what both said."""
        with tempfile.TemporaryDirectory() as place:
            entry = write_entry(app, variant, Path(place, app.name.rpartition("/")[2]))
            report = self._check(app, variant, entry)
            errors = [one for one in report["findings"] if one["severity"] == "error"]
            task = Path(place, "task")
            obstacle = self._build(app, variant, entry, task) if report["complete"] else self._pip(app, entry, task)
            says = obstacle or self._import(app, variant, task, report["index"])
        return Result(
            tool=describe_findings(report["findings"]),
            accepted=not errors,
            imported=says == "imported",
            import_says=says,
        )

    def _run(self, command: Sequence[object], app: App, **options: Any) -> subprocess.CompletedProcess[str]:
        python = find_interpreter(app.runtime)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AWS_"))},
            # Sources are built by an interpreter of the target's version on PATH.
            "PATH": os.pathsep.join([str(Path(python).parent), os.environ.get("PATH", "")]),
            "CDK_LAMBDA_PACKAGE_CACHE_DIR": str(self.folder / "store"),
            "PIP_UPLOADED_PRIOR_TO": INDEX_DAY,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            **options.pop("environment", {}),
        }
        return subprocess.run(
            list(map(str, command)), env=environment, capture_output=True, text=True, timeout=TIME_LIMIT, check=False,
            **options,
        )  # fmt: skip

    def _command(self, name: str, app: App, variant: Variant, entry: Path) -> list[object]:
        command: list[object] = [sys.executable, "-m", "cdk_lambda_package", name, entry, "--runtime", app.runtime]
        return [*command, *variant.options]

    def _check(self, app: App, variant: Variant, entry: Path) -> dict[str, Any]:
        done = self._run([*self._command("check", app, variant, entry), "--format", "json"], app, cwd=ROOT)
        try:
            report: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            # The tool ended without a report, which is a fault of its own, to be seen in the table.
            last = done.stderr.strip().rpartition("\n")[2]
            fault = {"id": UNRESOLVED, "severity": "error", "message": f"the tool ended with: {last}"}
            return {"complete": False, "index": "app.py", "findings": [fault]}
        return report

    def _build(self, app: App, variant: Variant, entry: Path, task: Path) -> str:
        """Write the unpacked package whatever the errors are; return why it can't be."""
        known = [part for rule in rules() if rule.acknowledgeable for part in ("--acknowledge", rule.id)]
        command = [*self._command("build", app, variant, entry), *known, "--output", f"{task}/"]
        done = self._run(command, app, cwd=ROOT)
        return "" if done.returncode == 0 else f"no package: {shorten(done.stderr)}"

    def _pip(self, app: App, entry: Path, task: Path) -> str:
        """Install the requirements by pip alone, with the app's files beside them; return why that fails."""
        command = [find_interpreter(app.runtime), "-m", "pip", "install", "--quiet", "--target", task]
        wheels = [entry / name for name in app.wheels]
        done = self._run([*command, *wheels, "-r", entry / REQUIREMENTS_FILE], app)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if line.startswith(("ERROR:", "error:"))]
            return f"pip install: {shorten((errors or [done.stderr])[-1])}"
        for path in entry.rglob("*.py"):
            target = task / path.relative_to(entry)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
        return ""

    def _import(self, app: App, variant: Variant, task: Path, index: str) -> str:
        module = index.removesuffix(".py").replace("/", ".")
        variables = {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "LAMBDA_TASK_ROOT": str(task)}
        done = self._run(
            [find_interpreter(app.runtime), "-I", "-S", "-c", _IMPORT, task, self._runtime(app), module], app,
            environment={**variables, **variant.environment}, cwd=task,
        )  # fmt: skip
        found = re.findall(r"^RESULT (.*)$", done.stdout, re.M)
        return shorten(found[-1]) if found else f"the process ended with {done.returncode}"

    def _runtime(self, app: App) -> Path:
        """Return the folder with what Lambda's runtime brings."""
        folder = self.folder / "runtime" / app.runtime
        if not folder.is_dir():
            command = [find_interpreter(app.runtime), "-m", "pip", "install", "--quiet", "--target", folder]
            done = self._run([*command, *RUNTIME_PACKAGES], app)
            if done.returncode:
                raise SystemExit(done.stderr)
        return folder


def describe_findings(findings: Iterable[Mapping[str, Any]]) -> str:
    """Return the findings in short: of the worst severity, each id with its subjects, or the message of a stopper."""
    found = [one for one in findings if one["id"] != NOT_LOCKED]
    stoppers = {rule.id for rule in rules() if not rule.acknowledgeable}
    worst = next((kind for kind in ("error", "warning") if any(one["severity"] == kind for one in found)), None)
    if worst is None:
        return "accepted"
    subjects: dict[str, list[str]] = {}
    for one in found:
        if one["severity"] == worst:
            about = one.get("subject") or one.get("path") or ""
            subjects.setdefault(one["id"], []).append(shorten(one["message"]) if one["id"] in stoppers else about)
    listed = "; ".join(
        f"{name}: {', '.join(filter(None, dict.fromkeys(about)))}".rstrip(": ") for name, about in subjects.items()
    )
    return f"{'accepted, with ' if worst == 'warning' else ''}{worst} {listed}"


def shorten(text: str, limit: int = 140) -> str:
    """Return the first line of a text, with at most so many characters, and without the machine's folders."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    # Paths in URLs of other schemes stay.
    line = re.sub(r"(?:(?<=file://)|(?<![\w.:/@-]))(/[\w.+-]+)+/(?=[\w.+-]+)", "", line)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def count_requirements(variant: Variant) -> str:
    """Return the requirements in short: the first two, and the number of the others."""
    lines = [line.split(";")[0].strip() for line in (variant.requirements or "").splitlines()]
    names = [line for line in lines if line and not line.startswith("#")]
    if not names:
        return "none"
    return ", ".join(names[:2]) + (f", and {len(names) - 2} more" if len(names) > 2 else "")


def format_rows(app: App, first: Result, second: Result | None) -> Iterator[str]:
    """Yield the rows of an app: as it was found, and after the cure."""
    reason = f"no: {app.network or app.differs or UNEXPLAINED}"
    yield format_row(app.name, app, app.as_found, first, "yes" if first.agree else reason)
    if second is not None and app.cured is not None:
        yield format_row(f"… {app.cured.says}", app, app.cured, second, "yes" if second.agree else reason)
    elif app.no_cure and not first.accepted:
        yield f"| … not changed: {app.no_cure} | | | | | |"


def format_row(title: str, app: App, variant: Variant, result: Result, agree: str) -> str:
    """Return one row of the table."""
    cells = [title, app.runtime, count_requirements(variant), result.tool, result.import_says, agree]
    return "| " + " | ".join(cell.replace("|", "\\|").rstrip(": ") for cell in cells) + " |"


def write_page(rows: Sequence[str], results: Sequence[Result]) -> None:
    """Write the table on the page, with the numbers of the apps as they were found."""
    accepted, agreeing = sum(one.accepted for one in results), sum(one.agree for one in results)
    numbers = (
        f"As they were found, {accepted} of the {len(results)} apps are accepted, and {len(results) - accepted} are rejected. "
        f"The import agrees for {agreeing}.\n\n"
    )
    head = "| app | runtime | requirements | the tool | the import | agree? |\n|---|---|---|---|---|---|\n"
    table = numbers + head + "\n".join(rows) + "\n"
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(TABLE_ROWS.sub(lambda _: f"\n{table}\n", text), encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--only", metavar="NAME", action="append", help="an app; its result is printed and not written")
    parser.add_argument("--folder", type=Path, help="where the store is kept for the next run")
    options = parser.parse_args(argv)
    rows: list[str] = []
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(options.folder or Path(place))
        for app in read_apps():
            if options.only and app.name not in options.only:
                continue
            cured = bench.recall(app, app.cured) if app.cured is not None else None
            results.append(bench.recall(app, app.as_found))
            found = list(format_rows(app, results[-1], cured))
            print(*found, sep="\n", flush=True)
            rows += found
    if not options.only:
        write_page(rows, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
