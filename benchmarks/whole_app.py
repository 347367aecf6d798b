"""The commands for a whole app: `python -m benchmarks.whole_app [--functions N] [--rounds N] [--page PAGE]`.

An app of many functions with 20 sets of requirements is locked and checked: by one command with `--app`, and by a command for each
function. The index is as far away as real ones (see `scale_cold.py`). "Cold" begins with an empty store, and without locks; "warm" repeats the
command.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median

from benchmarks.cases import ARCHITECTURE
from benchmarks.environments import CHECKOUT
from benchmarks.report import describe_host, format_machine, format_seconds, format_table, replace_generated
from benchmarks.scale_cold import RUNTIME, SETS, UNLOCKED, Site, fetch_wheels, serve, write_apps

ONE, EACH = "`--app`", "a command for each function"
COLD, WARM = "cold", "warm"
COMMANDS = ("lock", "check")

_APP = '''"""An app with a function of each entry directory."""

import sys
from pathlib import Path

from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_

from cdk_lambda_package import PythonFunction

app = App()
stack = Stack(app, "Large")
for entry in sorted(Path(sys.argv[1]).iterdir()):
    architecture = lambda_.Architecture.{architecture}
    PythonFunction(stack, entry.name, entry=entry, runtime=lambda_.Runtime("{runtime}", lambda_.RuntimeFamily.PYTHON), architecture=architecture)
app.synth()
'''


def main() -> None:
    """Measure, and print or write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--functions", type=int, default=100, help="how many functions (default: 100)")
    parser.add_argument("--rounds", type=int, default=1, help="how often each is measured (default: 1)")
    parser.add_argument("--page", type=Path, help="the page with the markers to write between")
    given = parser.parse_args()
    root = CHECKOUT / "build" / "whole-app"
    wheels = fetch_wheels(CHECKOUT / "build" / "scale-cold" / "wheels")
    with serve(wheels, _made(root)) as environment:
        site = Site(root=root, environment=environment)
        write_apps(site, given.functions)
        (root / "app.py").write_text(_APP.format(architecture=ARCHITECTURE.upper(), runtime=RUNTIME))
        seconds = measure(site, given.functions, given.rounds)
    lines = list(describe(seconds, given.functions, given.rounds))
    print("\n".join(lines))
    if given.page:
        replace_generated(given.page, lines, part="whole-app")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def measure(site: Site, number: int, rounds: int) -> dict[tuple[str, str, str], float]:
    """Return the median seconds by command, state and way."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for one in range(rounds):
        for way in (ONE, EACH):
            shutil.rmtree(site.root / "store", ignore_errors=True)
            for entry in site.entries(UNLOCKED, number):
                (entry / "pylock.toml").unlink(missing_ok=True)
            for command in COMMANDS:
                for state in (COLD, WARM):
                    seconds = _time(site, command, way, number)
                    print(
                        f"{one + 1}/{rounds}  {command:<7}{state:<6}{way:<30}{seconds:8.1f} s",
                        file=sys.stderr,
                        flush=True,
                    )
                    found.setdefault((command, state, way), []).append(seconds)
    return {key: median(values) for key, values in found.items()}


def _time(site: Site, command: str, way: str, number: int) -> float:
    """Return the seconds that a command takes for all functions."""
    entries = site.entries(UNLOCKED, number)
    program = (sys.executable, "-m", "cdk_lambda_package", command)
    store = ("--cache-dir", str(site.root / "store"))
    if way == ONE:
        calls: list[tuple[str, ...]] = [(*program, "--app", f"{sys.executable} app.py {entries[0].parent}", *store)]
    else:
        target = ("--runtime", RUNTIME, "--architecture", ARCHITECTURE)
        calls = [(*program, str(entry), *target, *store) for entry in entries]
    began = time.perf_counter()
    for call in calls:
        subprocess.run(call, cwd=site.root, env=site.environment, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def describe(seconds: Mapping[tuple[str, str, str], float], number: int, rounds: int) -> Iterator[str]:
    """Yield the lines of the table."""
    yield from format_machine(describe_host(platform.python_version()), rounds, RUNTIME)
    yield f"{number} functions, {SETS} sets of requirements."
    yield ""
    rows = [
        (
            f"`{command}`, {state}",
            *(format_seconds(seconds[command, state, way]) for way in (ONE, EACH)),
            f"{seconds[command, state, ONE] / seconds[command, state, EACH]:.2f}",
        )
        for command in COMMANDS
        for state in (COLD, WARM)
    ]
    yield from format_table(("seconds", ONE, EACH, "ratio"), rows)


if __name__ == "__main__":
    main()
