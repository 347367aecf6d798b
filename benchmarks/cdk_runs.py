"""Running a CDK app once in each way, and what that took."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.cases import ARCHITECTURE, CASES, HANDLER, Case, Workspace
from benchmarks.measure import Command, run, tool_environment

# The examples' scripts aren't a package; what stands in for AWS there does so here too.
sys.path.append(str(Path(__file__).resolve().parents[1] / "examples"))

from local_aws import ACCOUNT, BOOTSTRAP_BUCKET, REGION, TOOLS, aws_client, cdk, local_aws

INLINE, OURS, PIP, PREPARED = WAYS = ("inline", "ours", "pip", "prepared")
LAYER = "layer"
EMPTY_STORE = "empty cdk.out, empty store"
EMPTY, EDITED, UNCHANGED = STATES = ("empty cdk.out", "app.py edited", "unchanged")
SYNTH, DEPLOY = COMMANDS = ("synth", "deploy")

MANY = 200
MANY_FUNCTIONS, UNBUNDLED = f"{MANY} functions", "a stack that isn't bundled"
ONE_SET, MANY_SETS = "equal requirements", "20 sets of requirements"

# Three of these at a time make 20 sets. They need nothing else.
_SMALL = ("attrs", "certifi", "idna", "six", "sortedcontainers", "typing-extensions")
_SETS = tuple(itertools.combinations(_SMALL, 3))

_REPEATS = 5

_APP = Path(__file__).with_name("cdk_app.py")
_HEAVIEST = CASES[-1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One measurement; what is added is the difference to the inline way's sample of the same job, state and turn."""

    job: str
    state: str
    way: str
    turn: int
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """Where to work, with which Python and for which runtime; `environment` leads to a local stand-in for AWS."""

    root: Path
    python: Path
    runtime: str
    environment: Mapping[str, str]
    turn: int

    @property
    def heaviest(self) -> Workspace:
        """The app with the heaviest requirements."""
        return Workspace(_HEAVIEST, self.root / "heaviest", self.runtime)

    @property
    def prepared(self) -> Path:
        """The same app in a directory with its requirements installed."""
        return self.root / "prepared"

    def entries(self, state: str) -> Sequence[Path]:
        """Return the entry directories of many functions."""
        return [self.root / state.replace(" ", "-") / str(number) / "app" for number in range(MANY)]


@contextmanager
def fresh_aws(folder: Path) -> Iterator[Mapping[str, str]]:
    """Start an AWS that knows nothing yet but how the CDK deploys; yield the environment that leads to it."""
    with local_aws(folder) as environment:
        cdk("bootstrap", f"aws://{ACCOUNT}/{REGION}", environment=environment, output=folder / "bootstrap", cwd=folder)
        yield environment


def ask_version(tool: str) -> str:
    """Return the version of a tool that the repository's virtual environment has."""
    done = subprocess.run([TOOLS / tool, "--version"], check=True, capture_output=True, text=True)
    return done.stdout.split()[0].removeprefix("v")


def write_apps(site: Site) -> None:
    """Write the apps that are measured."""
    write_heaviest(site)
    for state in (ONE_SET, MANY_SETS):
        for number, entry in enumerate(site.entries(state)):
            requirements = _SETS[number % len(_SETS) if state == MANY_SETS else 0]
            Workspace(Case(name=state, requirements=requirements), entry.parent, site.runtime).write_app()
            # Each function's own code: with the same, all would share one package.
            (entry / "app.py").write_text(f"{HANDLER}\n\nNUMBER = {number}\n")


def write_heaviest(site: Site) -> None:
    """Write the app with the heaviest requirements, and let pip install these in a copy."""
    site.heaviest.write_app()
    shutil.rmtree(site.prepared, ignore_errors=True)
    shutil.copytree(site.heaviest.app, site.prepared)
    install = ("-m", "pip", "install", "--quiet", "--no-compile", "--target", site.prepared)
    argv = (site.python, *install, "-r", site.heaviest.requirements)
    run(Command(argv=argv, cwd=site.root), log=site.root / "log.txt")


def measure_command(site: Site, command: str) -> Iterator[Sample]:
    """Run a command of the CDK CLI in all ways, first with nothing there, then after an edit, then again.

    The ways take turns in each state. A deployment creates a stack, updates it, and finds it unchanged.
    """
    shutil.rmtree(_store(site), ignore_errors=True)
    for state in (EMPTY_STORE, *STATES):
        if state == EDITED:
            _edit(site)
        # Another one begins in each turn.
        first = site.turn % len(WAYS)
        for way in (OURS,) if state == EMPTY_STORE else (*WAYS[first:], *WAYS[:first]):
            yield _time_command(site, command, state, way)


def measure_constructors(site: Site) -> Iterator[Sample]:
    """Construct many functions in one stack, with a full store and a new directory for the assembly."""
    for state in (ONE_SET, MANY_SETS):
        for way in (INLINE, OURS):
            seconds = _run_app(site, way, site.entries(state), {})["constructed"]
            yield Sample(job=MANY_FUNCTIONS, state=state, way=way, turn=site.turn, seconds=seconds)


def measure_unbundled(site: Site) -> Iterator[Sample]:
    """Construct and synthesize a stack that the CLI says needn't be bundled, several times for one sample of each way.

    What is added is so little that one process more or less at the same time would hide it.
    """
    seconds: dict[str, list[float]] = {INLINE: [], OURS: []}
    for _ in range(_REPEATS):
        for way, values in seconds.items():
            values.append(_run_app(site, way, [site.heaviest.app], {"aws:cdk:bundling-stacks": []})["synthesized"])
    for way, values in seconds.items():
        yield Sample(job=UNBUNDLED, state="one function", way=way, turn=site.turn, seconds=median(values))


def _store(site: Site) -> Path:
    return site.heaviest.store


def _edit(site: Site) -> None:
    """Change app.py to what it never was before."""
    code = f"{HANDLER}\n\nEDITED = {time.time_ns()}\n"
    for folder in (site.heaviest.app, site.prepared):
        (folder / "app.py").write_text(code)


def _time_command(site: Site, command: str, state: str, way: str) -> Sample:
    # A deployment into the empty directory is one of a new stack.
    stack = f"{way}-first" if state == EMPTY_STORE else way
    output = site.root / "cdk.out" / f"{command}-{way}"
    if state in (EMPTY_STORE, EMPTY):
        shutil.rmtree(output, ignore_errors=True)
        if command == DEPLOY:
            _empty_bucket(site)
    entry = site.prepared if way == PREPARED else site.heaviest.app
    app = shlex.join(map(str, app_command(site, way, [entry], stack=stack)))
    options = ("--quiet",) if command == SYNTH else ("--require-approval", "never", "--method", "direct")
    environment = command_environment(site, _store(site))
    settle()
    seconds = _time(
        lambda: cdk(command, stack, "--app", app, *options, environment=environment, output=output, cwd=site.root)
    )
    return Sample(job=f"cdk {command}", state=state, way=way, turn=site.turn, seconds=seconds)


def _run_app(site: Site, way: str, entries: Sequence[Path], context: Mapping[str, object]) -> Mapping[str, float]:
    """Run the app as the CLI does, and return what its process says of itself."""
    result, output = site.root / "result.json", site.root / "cdk.out" / "app"
    shutil.rmtree(output, ignore_errors=True)
    told = {"CDK_OUTDIR": str(output), "CDK_CONTEXT_JSON": json.dumps(context)}
    command = app_command(site, way, entries, result=result)
    settle()
    environment = command_environment(site, site.root / "store") | told
    done = subprocess.run(command, env=environment, cwd=site.root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"The app ended with {done.returncode}:\n{done.stderr}")
    seconds: Mapping[str, float] = json.loads(result.read_text())
    return seconds


def app_command(
    site: Site, way: str, entries: Sequence[Path], *, stack: str = "Measured", result: Path | None = None
) -> Sequence[str | Path]:
    """Write the app's specification, and return the command that runs the app."""
    specification = {
        "stack": stack,
        "way": way,
        "entries": [str(entry) for entry in entries],
        "runtime": site.runtime,
        "architecture": ARCHITECTURE,
        "result": result and str(result),
    }
    path = site.root / "specification.json"
    path.write_text(json.dumps(specification))
    return (site.python, _APP, path)


def command_environment(site: Site, store: Path) -> dict[str, str]:
    """Return the environment of a command of the CDK CLI, or of an app, with a store of ours."""
    return tool_environment(environ=site.environment) | {"CDK_LAMBDA_PACKAGE_CACHE_DIR": str(store)}


def _empty_bucket(site: Site) -> None:
    """Remove what was uploaded: the CLI doesn't upload what is there under the same name."""
    s3 = aws_client("s3", site.environment)
    for item in s3.list_objects_v2(Bucket=BOOTSTRAP_BUCKET).get("Contents", []):
        s3.delete_object(Bucket=BOOTSTRAP_BUCKET, Key=item["Key"])


def settle() -> None:
    """Let the disk have what an earlier way wrote, so that the next one doesn't wait for it."""
    if hasattr(os, "sync"):
        os.sync()


def _time(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
