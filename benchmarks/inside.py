"""What runs in our own virtual environment, as `inside.py TASK RESULT ARGUMENT...`, and writes of itself as JSON.

Only the process itself can tell its own memory from that of pip, which it may start: what its parent is told is the
larger of both. Modules are imported where they are used, so that the command line is measured as it is installed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cdk_lambda_package.splicing import Splice

BUFFER = 1 << 20
CALLS, TURNS = 50, 5


def build(*arguments: str) -> list[float]:
    """Run the command line. The whole process is timed from outside."""
    from cdk_lambda_package.cli import main

    if status := main(arguments):
        sys.exit(status)
    return []


def repeat(*arguments: str) -> list[float]:
    """Call `package` again and again, as a program does that synthesizes many stacks; return the median's seconds."""
    from statistics import median

    seconds = [_time(lambda: _package(*arguments)) for _ in range(CALLS)]
    return [median(seconds[5:])]


def concatenate(*arguments: str) -> list[float]:
    """Time the concatenation alone, and two of the wheels' files, which write new files in the same folder in turns.

    The page cache is warm: each has read the same bytes in a first turn that doesn't count.
    """
    from statistics import median

    from cdk_lambda_package.splicing import write_zip

    splices, wheels = _find_splices(*arguments), sorted(Path(arguments[-1]).glob("*/wheels/*/*.whl"))
    ways: list[Callable[[IO[bytes]], None]] = [
        lambda stream: write_zip(splices, stream),
        lambda stream: _cat(wheels, stream),
    ]
    if hasattr(os, "copy_file_range"):
        ways.append(lambda stream: _cat_in_kernel(wheels, stream))
    scratch = Path(arguments[1]).with_name("scratch")
    turns = [[_time_writing(way, scratch) for way in ways] for _ in range(TURNS + 1)]
    return [median(column) for column in zip(*turns[1:], strict=True)]


def resolve(entry: str, runtime: str, architecture: str) -> list[float]:
    """Resolve the requirements in a directory. The whole process is timed from outside."""
    from cdk_lambda_package.requirements.resolution import ResolutionRequest
    from cdk_lambda_package.resolving import resolve as resolve_for
    from cdk_lambda_package.store import Store
    from cdk_lambda_package.target import Target

    folder, target = Path(entry), Target.parse(runtime, architecture)
    request = ResolutionRequest(entry=folder, requirements=folder / "requirements.txt", target=target)
    resolve_for(request, store=Store(folder / "store"))
    return []


def _package(entry: str, output: str, runtime: str, architecture: str, store: str) -> None:
    from cdk_lambda_package import PackageRequest, Packaging, package
    from cdk_lambda_package.store import Store

    request = PackageRequest(
        entry=entry,
        runtime=runtime,
        architecture=architecture,
        packaging=Packaging(acknowledge=["package-too-large"]),
    )
    package(request, lambda _: Path(output), store=Store.open(store))


def _find_splices(*arguments: str) -> Sequence[Splice]:
    """Package, and return what was concatenated."""
    from unittest.mock import patch

    from cdk_lambda_package.stages import s7_output

    with patch.object(s7_output, "write_zip", wraps=s7_output.write_zip) as spy:
        _package(*arguments)
    splices: Sequence[Splice] = spy.call_args.args[0]
    return splices


def _time(work: Callable[[], None]) -> float:
    from time import perf_counter

    start = perf_counter()
    work()
    return perf_counter() - start


def _time_writing(way: Callable[[IO[bytes]], None], path: Path) -> float:
    """Return the seconds from opening a new file to having closed it."""

    def write() -> None:
        with path.open("xb") as stream:
            way(stream)

    seconds = _time(write)
    path.unlink()
    return seconds


def _cat(files: Iterable[Path], target: IO[bytes]) -> None:
    """Concatenate as `cat` did for decades: read into a buffer, and write it."""
    for file in files:
        with file.open("rb", buffering=0) as source:
            while chunk := source.read(BUFFER):
                target.write(chunk)


def _cat_in_kernel(files: Iterable[Path], target: IO[bytes]) -> None:
    """Concatenate as today's `cat` does: without a byte passing through the process, where the system can."""
    for file in files:
        with file.open("rb") as source:
            while os.copy_file_range(source.fileno(), target.fileno(), 1 << 30):
                pass


def _describe(seconds: Sequence[float]) -> str:
    """Return, as JSON, this process's peak memory and that of the largest one it started and waited for, in bytes."""
    import json
    import re
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    status = Path("/proc/self/status")
    # Linux carries `ru_maxrss` over from the process that started this one; its other number is this one's alone.
    if status.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        peak = int(found[1]) * 1024
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    return json.dumps({"memory": peak, "children": children, "seconds": seconds})


if __name__ == "__main__":
    task, result, *rest = sys.argv[1:]
    tasks: dict[str, Callable[..., list[float]]] = {
        "build": build,
        "repeat": repeat,
        "concatenate": concatenate,
        "resolve": resolve,
    }
    Path(result).write_text(_describe(tasks[task](*rest)))
