"""What a kept store saves in CI: `python -m benchmarks.kept_store [--rounds N] [--page PAGE]`.

Each job begins as that of a code host: with a new checkout of a locked app, and with an empty folder for pip's downloads. The first job has an
empty store. Then the store goes into an archive and is unpacked again, as a cache of the code host is, and a second job packages a new checkout
in which the app's module is another one. Measured are the seconds of the whole command, those of the archive, and its bytes. The archive
isn't compressed, since nearly all of a store is, and it goes through no network.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.cases import ARCHITECTURE
from benchmarks.report import describe_host, format_machine, format_seconds, format_table, replace_generated

RUNTIME = "python{}.{}".format(*sys.version_info[:2])
APPS: Mapping[str, tuple[str, ...]] = {
    "fastapi, mangum, pydantic": ("fastapi", "mangum", "pydantic"),
    "boto3": ("boto3",),
    "pandas, pyarrow": ("pandas", "pyarrow"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """Two jobs: the seconds of a build with an empty store, of saving and restoring it, and of a build with it; its bytes."""

    empty: float
    saved: float
    restored: float
    kept: float
    size: int


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often each app is packaged (default: 3)")
    parser.add_argument("--page", type=Path, help="a page with the markers to write the table between")
    arguments = parser.parse_args()
    samples: dict[str, list[Sample]] = {}
    for name, requirements in APPS.items():
        with tempfile.TemporaryDirectory() as folder:
            lock = write_lock(Path(folder), requirements)
            for number in range(arguments.rounds):
                sample = run_jobs(Path(folder) / str(number), requirements, lock)
                print(f"{name}: {sample}", file=sys.stderr, flush=True)
                samples.setdefault(name, []).append(sample)
    lines = list(format_report(samples, arguments.rounds))
    print("\n".join(lines))
    if arguments.page:
        replace_generated(arguments.page, lines)


def write_lock(folder: Path, requirements: Sequence[str]) -> str:
    """Return the content of a lock for the requirements."""
    entry = check_out(folder / "to-lock", requirements, edit=0)
    _run("lock", entry, store=folder / "store-of-lock")
    return (entry / "pylock.toml").read_text()


def run_jobs(folder: Path, requirements: Sequence[str], lock: str) -> Sample:
    """Package a checkout with an empty store, keep the store as an archive, and package another checkout with it."""
    store, archive = folder / "store", folder / "store.tar"

    def build(job: str, edit: int) -> Callable[[], None]:
        entry = check_out(folder / job, requirements, edit=edit)
        (entry / "pylock.toml").write_text(lock)
        return lambda: _run("build", entry, "--output", str(folder / f"{job}.zip"), store=store)

    empty = _seconds(build("first", 1))
    saved = _seconds(lambda: _save(store, archive))
    size = archive.stat().st_size
    shutil.rmtree(store)
    restored = _seconds(lambda: _restore(archive, folder))
    kept = _seconds(build("second", 2))
    shutil.rmtree(folder)
    return Sample(empty=empty, saved=saved, restored=restored, kept=kept, size=size)


def check_out(folder: Path, requirements: Sequence[str], *, edit: int) -> Path:
    """Write the app anew; return its entry directory."""
    entry = folder / "orders"
    entry.mkdir(parents=True)
    (entry / "requirements.txt").write_text("".join(f"{one}\n" for one in requirements))
    imports = "".join(f"import {one}\n" for one in requirements)
    (entry / "app.py").write_text(f"{imports}\nEDIT = {edit}\n\n\ndef handler(event, context):\n    return EDIT\n")
    return entry


def format_report(samples: Mapping[str, Sequence[Sample]], rounds: int) -> Iterator[str]:
    """Yield the lines of the generated part: the machine, and a row with the medians of each app."""
    yield from format_machine(describe_host(sys.version.partition(" ")[0]), rounds, RUNTIME)
    yield ""
    head = ("", "build, empty store, s", "build, kept store, s", "store, MB", "save, s", "restore, s")
    yield from format_table(head, ((name, *_cells(found)) for name, found in samples.items()))


def _cells(samples: Sequence[Sample]) -> Iterator[str]:
    for name in ("empty", "kept"):
        yield format_seconds(median(getattr(one, name) for one in samples))
    yield f"{median(one.size for one in samples) / 1e6:.1f}"
    for name in ("saved", "restored"):
        yield format_seconds(median(getattr(one, name) for one in samples))


def _save(store: Path, archive: Path) -> None:
    with tarfile.open(archive, "w") as stream:
        stream.add(store, arcname=store.name)


def _restore(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as stream:
        stream.extractall(folder, filter="data")


def _run(command: str, entry: Path, *options: str, store: Path) -> None:
    """Run the command line in a job of its own, which has no downloads of earlier ones."""
    argv = [
        sys.executable,
        "-m",
        "cdk_lambda_package",
        command,
        str(entry),
        "--runtime",
        RUNTIME,
        "--architecture",
        ARCHITECTURE,
    ]
    with tempfile.TemporaryDirectory() as downloads:
        environment = os.environ | {"PIP_CACHE_DIR": downloads}
        subprocess.run([*argv, *options, "--cache-dir", str(store)], check=True, capture_output=True, env=environment)


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
