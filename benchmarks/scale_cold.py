"""What a first synth costs: `python -m benchmarks.scale_cold [--functions N] [--rounds N] [--old COMMIT] [--page PAGE]`.

An app of many functions with 20 sets of requirements is synthesized with an empty store, from an index that is as far away as real ones:
50 ms for each answer, 20 MB a second for each connection. Once with a lock for each set, and once without. An earlier version of the
library takes turns with the one of the checkout; both get the same locks.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.aims import Verdict
from benchmarks.cases import ARCHITECTURE
from benchmarks.environments import CHECKOUT, comparison_parser, earlier_version
from benchmarks.measure import tool_environment
from benchmarks.report import (
    describe_host,
    format_aims,
    format_machine,
    format_seconds,
    format_table,
    replace_generated,
)

RUNTIME = "python3.13"
LATENCY, RATE = 0.05, 20e6
SETS = 20
LOCKED, UNLOCKED = "locked", "not locked"
# At most so much of the seconds of the earlier version.
AIMS = {LOCKED: 0.6, UNLOCKED: 0.65}

# Distributions by the modules that an app imports of them. Each set has four of these, and what they require.
MODULES = {
    "requests": "requests", "boto3": "boto3", "pydantic": "pydantic", "fastapi": "fastapi", "sqlalchemy": "sqlalchemy",
    "jinja2": "jinja2", "pyyaml": "yaml", "httpx": "httpx", "redis": "redis", "orjson": "orjson",
    "cryptography": "cryptography.fernet", "pandas": "pandas", "pillow": "PIL.Image", "lxml": "lxml.etree", "aiohttp": "aiohttp",
    "attrs": "attrs", "structlog": "structlog", "tenacity": "tenacity", "pyjwt": "jwt", "click": "click", "rich": "rich",
    "marshmallow": "marshmallow", "psycopg[binary]": "psycopg", "python-dateutil": "dateutil.parser",
}  # fmt: skip
_STRIDES = (0, 7, 11, 17)
_APP = Path(__file__).with_name("cdk_app.py")


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """Where the apps are, and the variables of their processes."""

    root: Path
    environment: Mapping[str, str]

    def entries(self, kind: str, number: int) -> list[Path]:
        """Return the entry directories of so many functions."""
        return [self.root / kind.replace(" ", "-") / f"function{one}" for one in range(number)]


def main() -> None:
    """Measure, and print or write the table."""
    parser = comparison_parser(__doc__)
    parser.add_argument("--functions", type=int, default=100, help="how many functions (default: 100)")
    arguments = parser.parse_args()
    root = CHECKOUT / "build" / "scale-cold"
    versions = {"before": earlier_version(arguments.old, CHECKOUT / "build" / "earlier"), "now": CHECKOUT}
    wheels = fetch_wheels(root / "wheels")
    with serve(wheels, root) as environment:
        site = Site(root=root, environment=environment)
        write_apps(site, arguments.functions)
        seconds = measure_all(site, versions, arguments.functions, arguments.rounds)
    lines = list(describe(seconds, arguments.functions, arguments.rounds))
    print("\n".join(lines))
    if arguments.page:
        replace_generated(arguments.page, lines, part="cold")


def requirements_of(number: int) -> list[str]:
    """Return the requirements of a set."""
    names = list(MODULES)
    return [names[(number + stride) % len(names)] for stride in _STRIDES]


def fetch_wheels(folder: Path) -> Path:
    """Download the wheels of all sets, if they aren't there."""
    stamp = folder / "complete"
    if not stamp.exists():
        machine = platform.machine()
        tags = [f"--platform=manylinux_2_{version}_{machine}" for version in (17, 28, 34)]
        options = ("--quiet", "--only-binary=:all:", f"--python-version={RUNTIME[6:]}", *tags, "--dest", str(folder))
        subprocess.run([sys.executable, "-m", "pip", "download", *options, *MODULES], check=True, stdout=sys.stderr)
        stamp.touch()
    return folder


@contextlib.contextmanager
def serve(wheels: Path, root: Path) -> Iterator[Mapping[str, str]]:
    """Serve the wheels until the block ends; yield variables with which pip asks this index alone."""
    port_file = root / "port"
    port_file.unlink(missing_ok=True)
    script = Path(__file__).with_name("slow_index.py")
    process = subprocess.Popen([sys.executable, script, wheels, port_file, str(LATENCY), str(RATE)])
    try:
        while not port_file.exists() or not port_file.read_text():
            time.sleep(0.05)
        pip = {
            "INDEX_URL": f"http://127.0.0.1:{port_file.read_text()}/simple",
            "CONFIG_FILE": os.devnull,
            "NO_CACHE_DIR": "1",
        }
        clean = {name: value for name, value in tool_environment().items() if not name.startswith("PIP_")}
        yield clean | {f"PIP_{name}": value for name, value in pip.items()}
    finally:
        process.kill()
        process.wait()


def write_apps(site: Site, number: int) -> None:
    """Write the functions, with locks and without; each has its own code."""
    locks = [_lock(site, one) for one in range(SETS)]
    for kind in AIMS:
        for one, entry in enumerate(site.entries(kind, number)):
            shutil.rmtree(entry, ignore_errors=True)
            entry.mkdir(parents=True)
            names = requirements_of(one % SETS)
            imports = "".join(f"import {MODULES[name]}\n" for name in names)
            (entry / "app.py").write_text(
                f"{imports}\nNUMBER = {one}\n\n\ndef handler(event, context):\n    return NUMBER\n"
            )
            (entry / "requirements.txt").write_text("".join(f"{name}\n" for name in names))
            if kind == LOCKED:
                shutil.copy(locks[one % SETS], entry / "pylock.toml")


def _lock(site: Site, number: int) -> Path:
    entry = site.root / "locks" / f"set{number}"
    entry.mkdir(parents=True, exist_ok=True)
    (entry / "app.py").write_text("def handler(event, context):\n    return None\n")
    (entry / "requirements.txt").write_text("".join(f"{name}\n" for name in requirements_of(number)))
    # Each server has another port, and locks have URLs.
    (entry / "pylock.toml").unlink(missing_ok=True)
    target = ("--runtime", RUNTIME, "--architecture", ARCHITECTURE, "--cache-dir", str(site.root / "store-of-locks"))
    command = (sys.executable, "-m", "cdk_lambda_package", "lock", str(entry), *target)
    subprocess.run(command, check=True, env=site.environment, stdout=subprocess.DEVNULL)
    return entry / "pylock.toml"


def measure_all(site: Site, versions: Mapping[str, Path], number: int, rounds: int) -> dict[tuple[str, str], float]:
    """Return the median seconds by kind and version."""
    found: dict[tuple[str, str], list[float]] = {}
    for version in versions.values():
        # The bytecode of the library, and the disk's cache.
        synthesize(site, LOCKED, version, 1)
    for one in range(rounds):
        for kind in AIMS:
            for name, version in versions.items():
                seconds = synthesize(site, kind, version, number)
                print(f"{one + 1}/{rounds}  {kind:<12}{name:<8}{seconds:8.1f} s", file=sys.stderr, flush=True)
                found.setdefault((kind, name), []).append(seconds)
    return {key: median(values) for key, values in found.items()}


def synthesize(site: Site, kind: str, version: Path, number: int) -> float:
    """Return the seconds of a synth with an empty store and a new directory for the assembly."""
    store, output, specification = site.root / "store", site.root / "cdk.out", site.root / "specification.json"
    for folder in (store, output):
        shutil.rmtree(folder, ignore_errors=True)
    entries = [str(entry) for entry in site.entries(kind, number)]
    given = {"stack": "Cold", "way": "ours", "runtime": RUNTIME, "architecture": ARCHITECTURE, "result": None}
    specification.write_text(json.dumps({**given, "entries": entries}))
    context = {"cdk-lambda-package:acknowledge": ["requirements-not-locked"]}
    environment = {
        **site.environment, "PYTHONPATH": str(version), "CDK_LAMBDA_PACKAGE_CACHE_DIR": str(store), "CDK_OUTDIR": str(output),
        "CDK_CONTEXT_JSON": json.dumps(context),
    }  # fmt: skip
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, _APP, specification], env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"The app ended with {done.returncode}:\n{done.stderr}")
    return seconds


def describe(seconds: Mapping[tuple[str, str], float], number: int, rounds: int) -> Iterator[str]:
    """Yield the lines of the table, and of the aims."""
    yield from format_machine(describe_host(platform.python_version()), rounds, RUNTIME)
    yield f"{number} functions, {SETS} sets of requirements."
    yield ""
    rows = [
        (
            kind,
            format_seconds(seconds[kind, "before"]),
            format_seconds(seconds[kind, "now"]),
            f"{_ratio(seconds, kind):.2f}",
        )
        for kind in AIMS
    ]
    yield from format_table(("requirements", "before, s", "now, s", "ratio"), rows)
    yield ""
    yield from format_aims(
        Verdict(
            aim=f"{kind}: at most {aim} times the seconds before",
            measured=f"{_ratio(seconds, kind):.2f}",
            met=_ratio(seconds, kind) <= aim,
        )
        for kind, aim in AIMS.items()
    )


def _ratio(seconds: Mapping[tuple[str, str], float], kind: str) -> float:
    return seconds[kind, "now"] / seconds[kind, "before"]


if __name__ == "__main__":
    main()
