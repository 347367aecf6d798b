"""What a cold start costs: `PYTHONPATH=examples python -m benchmarks.coldstart [--rounds N] [--apps NAME …]`.

Each app is packaged in each way, unpacked, and invoked once in a new process behind Lambda's emulator, where nothing can be written to
the package. The CPU time is that of the runtime's process from its start until it has answered, and of its children; the wall time
is that of the invocation. All ways take turns in each round, so that a machine that gets slower meanwhile does so for all of them.
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from local_aws import aws_environment, emulator_command, missing_for_invocation, post, unpack
from processes import free_port, running, wait_for_port

from benchmarks.aims import Verdict
from benchmarks.cases import ARCHITECTURE, Case, Workspace
from benchmarks.coldstart_apps import APPS, App
from benchmarks.environments import CHECKOUT, Tools, find_python, install_peer, install_runtime
from benchmarks.measure import FailedError, Way, run
from benchmarks.peers import CHALICE, PIP, SAM, peer_ways
from benchmarks.report import describe_machine, format_aims, format_machine, format_table, replace_generated
from cdk_lambda_package import PackageRequest, Packaging, Store, package
from cdk_lambda_package.interpreters import INTERPRETER_VARIABLE

WITHOUT, REACHED, SLIM, ALL = "ours, no bytecode", "ours, bytecode", "ours, bytecode and slim", "ours, all compiled"
# As long as a release hasn't `slim`, its way is left out.
_HAS_SLIM = "slim" in {field.name for field in dataclasses.fields(Packaging)}
_OURS: dict[str, dict[str, Any]] = {
    WITHOUT: {},
    REACHED: {"bytecode": "require"},
    **({SLIM: {"bytecode": "require", "slim": True}} if _HAS_SLIM else {}),
    ALL: {"bytecode": "require", "bytecode_scope": "all"},
}
# The environments of the peers that are measured.
_PEERS = {CHALICE: "chalice", SAM: "sam", PIP: "pip"}
_MOST_BESIDE_ALL = 1.08
_MOST_BYTES_BESIDE_ALL = 1 / 3
_APP_OF_BYTES = "pandas"

# Seconds that an invocation may take: a busy machine spoils the wall time, and the CPU time less.
_LONGEST = 300
# Where Lambda has a package: bytecode names this folder, and nothing can be written there.
_TASK = Path("/var/task")
_MOUNT = (
    'mount -t tmpfs none /var && mkdir /var/task && mount --bind "$0" /var/task && mount -o remount,bind,ro /var/task'
    ' && cd /var/task && exec "$@"'
)
# What Python says with PYTHONVERBOSE of a module that it had to compile (importlib's SourceLoader.get_code).
_COMPILED = re.compile(r"# code object from '?(\S+?\.py)'?$", re.M)


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """An app that was packaged in one way, and unpacked; sizes are in bytes."""

    app: App
    way: str
    folder: Path
    archived: int
    unzipped: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """Seconds of a first invocation."""

    cpu: float
    wall: float


Starts = Mapping[str, Start]
"""The medians of an app's starts by way."""


def main() -> None:
    """Measure, and print a table for each app and the aims."""
    arguments = _read_arguments()
    if missing := missing_for_invocation():
        sys.exit(f"This machine lacks {missing}: `make` installs it")
    tools = Tools(arguments.directory / "tools")
    python = install_runtime(tools.root, python=arguments.python)
    # What compiles is what runs: other releases may make other bytecode.
    os.environ[INTERPRETER_VARIABLE] = str(python)
    machine = describe_machine(tools, "runtime")
    runtime = "python" + tools.python_version("runtime").rpartition(".")[0]
    peers, unavailable = _find_peers(tools, arguments.python)
    packages: list[Package] = []
    for app in arguments.apps:
        case = Case(name=app.name, requirements=app.requirements)
        work = Workspace(case, arguments.directory / "work" / app.name, runtime)
        made, failed = _package_all(app, work, peers)
        packages += made
        unavailable += failed
    starts = _measure(packages, python, arguments.rounds)
    _print(machine, runtime, arguments.rounds, packages, starts, unavailable)
    _print_missed(packages, starts, python)
    if arguments.page:
        lines = [*format_machine(machine, arguments.rounds, runtime), "", *_format_summary(packages, starts)]
        replace_generated(arguments.page, lines)
    shutil.rmtree(arguments.directory / "work")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Arguments:
    rounds: int
    apps: Sequence[App]
    directory: Path
    python: str
    page: Path | None


def _read_arguments() -> _Arguments:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    names = [app.name for app in APPS]
    work = CHECKOUT / "build" / "coldstart"
    parser.add_argument("--rounds", type=int, default=10, help="how often each way is measured (default: 10)")
    parser.add_argument("--apps", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--page", type=Path, help="a page with the markers to write a short table between")
    parser.add_argument("--directory", type=Path, default=work, help="where to work")
    parser.add_argument("--python", default=find_python(), help="the Python to invoke with (default: %(default)s)")
    given = parser.parse_args()
    apps = [app for app in APPS if app.name in given.apps]
    return _Arguments(
        rounds=given.rounds, apps=apps, directory=given.directory.absolute(), python=given.python, page=given.page
    )


def _find_peers(tools: Tools, python: str) -> tuple[list[Way], list[str]]:
    """Return the ways of the peers that can be installed, and what to say of the others."""
    unavailable = []
    for way, name in _PEERS.items():
        try:
            install_peer(tools.root, name, python=python)
        except (OSError, subprocess.CalledProcessError) as error:
            unavailable.append(f"{way}: not installed ({error})")
    without = {line.partition(":")[0] for line in unavailable}
    return [way for way in peer_ways(tools) if way.name in _PEERS.keys() - without], unavailable


def _package_all(app: App, work: Workspace, peers: Sequence[Way]) -> tuple[list[Package], list[str]]:
    """Return an app packaged in each way, and what to say of the peers that couldn't."""
    _say(f"packaging {app.name}")
    work.write_app()
    (work.app / "app.py").write_text(app.source)
    made = [_unpack(app, name, _package_by_us(name, work), work) for name in _OURS]
    unavailable = []
    for way in peers:
        # Of any other app, chalice makes a Chalice app.
        if way.name == CHALICE and not app.is_chalice:
            continue
        try:
            made.append(_unpack(app, way.name, _package_by_peer(way, work), work))
        except FailedError as error:
            reason = error.output.strip().rpartition("\n")[2]
            unavailable.append(f"{way.name}, {app.name}: {reason}")
    return made, unavailable


def _package_by_us(name: str, work: Workspace) -> Path:
    request = PackageRequest(
        entry=work.app,
        runtime=work.runtime,
        architecture=ARCHITECTURE,
        packaging=Packaging(acknowledge=["package-too-large"], **_OURS[name]),
    )
    made = package(request, lambda _: work.output, store=Store.open(work.root.parent / "store"))
    for finding in made.findings:
        if finding.id == "bytecode-skipped":
            _say(f"{work.case.name}, {name}: {finding.message}")
    return work.output


def _package_by_peer(way: Way, work: Workspace) -> Path:
    shutil.rmtree(work.build, ignore_errors=True)
    work.build.mkdir()
    way.prepare(work)
    if way.name == CHALICE:
        shutil.copy(work.app / "app.py", work.build / "project")
    for command in way.commands(work):
        run(command, log=work.root / "log.txt")
    return way.output(work)


def _unpack(app: App, way: str, archive: Path, work: Workspace) -> Package:
    folder = work.root / "task" / way
    unpack(archive, folder)
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return Package(app=app, way=way, folder=folder, archived=archive.stat().st_size, unzipped=sum(sizes))


def _measure(packages: Sequence[Package], python: Path, rounds: int) -> Mapping[str, Starts]:
    """Return the medians by app and way."""
    samples: dict[tuple[str, str], list[Start]] = {(one.app.name, one.way): [] for one in packages}
    # The first round shows that all of them work, and has the system read their files.
    for number in range(rounds + 1):
        for one in packages:
            start = _invoke(one, python)
            _say(f"{number}/{rounds:<4} {one.app.name:<20} {one.way:<26} {start.cpu:8.3f} s {start.wall:8.3f} s")
            if number:
                samples[one.app.name, one.way].append(start)
    starts: dict[str, dict[str, Start]] = {}
    for (app, way), found in samples.items():
        cpu, wall = median(start.cpu for start in found), median(start.wall for start in found)
        starts.setdefault(app, {})[way] = Start(cpu=cpu, wall=wall)
    return starts


def _invoke(one: Package, python: Path, variables: Mapping[str, str] | None = None) -> Start:
    """Invoke a package in a new process. Raises `RuntimeError` if it doesn't answer as it should."""
    port, log = free_port(), _log_of(one)
    root, prefix = (
        (_TASK, ["unshare", "-rm", "sh", "-c", _MOUNT, str(one.folder)]) if _can_mount() else (one.folder, [])
    )
    environment = {name: value for name, value in aws_environment(port).items() if not name.startswith("PYTHON")}
    environment |= {
        "LAMBDA_TASK_ROOT": str(root),
        "PYTHONPATH": str(root),
        "PYTHONDONTWRITEBYTECODE": "1",
        **(variables or {}),
    }
    command = [*prefix, *emulator_command(one.app.handler, str(python), port=port)]
    with running(command, log=log, environment=environment, cwd=one.folder) as process:
        wait_for_port(port, process, log)
        # The emulator starts the runtime when it is first asked.
        began = time.perf_counter()
        url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
        answer = post(url, one.app.event, log=log, seconds=_LONGEST)
        wall = time.perf_counter() - began
        cpu = sum(map(_cpu_seconds, _descendants(process.pid)))
    if "measured" not in json.dumps(answer):
        raise RuntimeError(f"{one.app.name}, {one.way}: unexpected answer {answer!r}")
    return Start(cpu=cpu, wall=wall)


def _log_of(one: Package) -> Path:
    return one.folder.with_name(f"{one.folder.name}.log")


@cache
def _can_mount() -> bool:
    """Return whether packages can be where Lambda has them: in a namespace of mounts, which the system may forbid."""
    command = ["unshare", "-rm", "sh", "-c", _MOUNT, str(CHECKOUT / "benchmarks"), sys.executable, "-c", ""]
    able = shutil.which("unshare") and not subprocess.run(command, capture_output=True, check=False).returncode
    if not able:
        _say(f"{_TASK} can't be mounted here: packages are invoked where they are, a few per cent slower with bytecode")
    return bool(able)


def _descendants(process: int) -> Iterator[int]:
    for thread in Path(f"/proc/{process}/task").iterdir():
        for child in map(int, (thread / "children").read_text().split()):
            yield child
            yield from _descendants(child)


def _cpu_seconds(process: int) -> float:
    """Return the CPU time of a process, and of its children that ended."""
    # /proc has a process's own time in hundredths of a second only.
    clock = ctypes.c_int()
    if error := ctypes.CDLL(None).clock_getcpuclockid(process, ctypes.byref(clock)):
        raise OSError(error, os.strerror(error))
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    ended = (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(clock.value) + ended


def _print(
    machine: Mapping[str, str | int],
    runtime: str,
    rounds: int,
    packages: Sequence[Package],
    starts: Mapping[str, Starts],
    unavailable: Sequence[str],
) -> None:
    for line in format_machine(machine, rounds, runtime):
        print(line)
    for app, ways in starts.items():
        print(f"\n### {app}\n")
        head = ("", "CPU, s", f"beside {WITHOUT}", "wall, s", ".zip, MB", "unzipped, MB")
        rows = (_format_row(one, ways) for one in packages if one.app.name == app)
        print("\n".join(format_table(head, rows)))
    print("\n### aims\n")
    print("\n".join(format_aims(_judge(packages, starts))))
    if unavailable:
        print("\nNot measured:\n")
        print("\n".join(f"- {line}" for line in unavailable))


def _format_row(one: Package, ways: Starts) -> tuple[str, ...]:
    start = ways[one.way]
    ratio = start.cpu / ways[WITHOUT].cpu
    return (one.way, f"{start.cpu:.3f}", f"{ratio:.2f}", f"{start.wall:.3f}", _mb(one.archived), _mb(one.unzipped))


def _mb(size: float) -> str:
    return f"{size / 1e6:.2f}"


def _format_summary(packages: Sequence[Package], starts: Mapping[str, Starts]) -> Iterator[str]:
    """Yield a table with a row for each app."""
    sizes = {(one.app.name, one.way): one.archived for one in packages}
    head = ("app", "CPU without, s", "CPU with, s", "ratio", "ratio with all compiled", ".zip without, MB", ".zip with, MB",
            ".zip with all compiled, MB")  # fmt: skip
    rows = (
        (
            app,
            f"{ways[WITHOUT].cpu:.2f}",
            f"{ways[REACHED].cpu:.2f}",
            *(f"{ways[way].cpu / ways[WITHOUT].cpu:.2f}" for way in (REACHED, ALL)),
            *(_mb(sizes[app, way]) for way in (WITHOUT, REACHED, ALL)),
        )
        for app, ways in starts.items()
    )
    return format_table(head, rows)


def _judge(packages: Sequence[Package], starts: Mapping[str, Starts]) -> Iterator[Verdict]:
    """Yield a verdict on each aim."""
    made = {(one.app.name, one.way): one for one in packages}
    for name, ways in starts.items():
        app, cpu = made[name, REACHED].app, ways[REACHED].cpu
        if app.aim is not None:
            yield _at_most(cpu / ways[WITHOUT].cpu, app.aim, f"{name}: CPU beside no bytecode")
        yield _at_most(cpu / ways[ALL].cpu, _MOST_BESIDE_ALL, f"{name}: CPU beside all compiled")
        if name == _APP_OF_BYTES:
            without, reached, every = (made[name, way] for way in (WITHOUT, REACHED, ALL))
            added = (reached.archived - without.archived) / (every.archived - without.archived)
            yield _at_most(
                added, _MOST_BYTES_BESIDE_ALL, f"{name}: bytes that bytecode adds to the .zip, beside all compiled"
            )


def _at_most(measured: float, most: float, what: str) -> Verdict:
    return Verdict(aim=f"{what}, at most {most:.2f}", measured=f"{measured:.2f}", met=measured <= most)


def _print_missed(packages: Sequence[Package], starts: Mapping[str, Starts], python: Path) -> None:
    """Name the modules that a start compiles although the package has bytecode, of each app that misses an aim."""
    missed = {verdict.aim.partition(":")[0] for verdict in _judge(packages, starts) if not verdict.met}
    for one in packages:
        if one.app.name in missed and one.way == REACHED:
            modules = _compiled_at_start(one, python)
            print(f"\n{one.app.name}, modules that are loaded and have no bytecode: {', '.join(modules) or 'none'}")


def _compiled_at_start(one: Package, python: Path) -> list[str]:
    _invoke(one, python, {"PYTHONVERBOSE": "1"})
    found = map(Path, _COMPILED.findall(_log_of(one).read_text(errors="replace")))
    root = _TASK if _can_mount() else one.folder
    return sorted({str(path.relative_to(root)) for path in found if path.is_relative_to(root)})


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
