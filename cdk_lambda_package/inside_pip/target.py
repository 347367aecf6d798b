"""Run pip for a target that isn't this machine, and write down what it did.

A script, not a part of the library: `python -P target.py` runs the pip of that interpreter in this very process. It reads its
job from stdin and writes its result to stdout, since both may hold passwords, which belong into no file. pip's own words go
to stderr. pip's own `--platform` options leave markers to the host (pypa/pip#11664), so four things are replaced: the
marker environment here, before anything of pip imports it; the tags, and the Python version in its two places, in
`replacements.py`. The replacements count how often they were asked; a result without these counts is no result. Siblings
describe pip's objects (`record.py`), replace unbuilt sources (`sources.py`) and limit where files may come from
(`supply.py`). They import the standard library, pip, each other, and `urls.py` of the library.
"""

from __future__ import annotations

import functools
import gc
import importlib
import json
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

Job = dict[str, Any]

# The oldest pip that knows when files were uploaded, and how to limit that.
OLDEST = 26


class UnsupportedPipError(Exception):
    """This pip lacks something that has to be replaced."""


def replace(owner: Any, name: str, around: Callable[..., Any]) -> None:
    """Put `around(original, ...)` in the place of a function or method, which must exist."""
    original = getattr(owner, name, None)
    if not callable(original):
        raise UnsupportedPipError(f"it has no {getattr(owner, '__name__', owner)}.{name}")

    @functools.wraps(original)
    def replacement(*args: Any, **options: Any) -> Any:
        return around(original, *args, **options)

    setattr(owner, name, replacement)


def replace_environment(job: Job, proof: dict[str, Any]) -> None:
    """Make markers those of the target; must come before anything imports the name."""
    markers = importlib.import_module("pip._vendor.packaging.markers")

    def environment(original: Callable[..., Any]) -> dict[str, str]:
        proof["environment"] += 1
        # Without platform_release and platform_version: a marker that needs them raises instead of vanishing.
        return dict(job["environment"])

    replace(markers, "default_environment", environment)


def load_replacements() -> Any:
    """Load the siblings that import pip, without running what the library does when it is imported."""
    package = types.ModuleType("cdk_lambda_package")
    package.__path__ = [str(Path(__file__).parents[1])]
    sys.modules.setdefault(package.__name__, package)
    # They import names of this script, which runs as `__main__`.
    sys.modules[f"{package.__name__}.inside_pip.target"] = sys.modules[__name__]
    return importlib.import_module(f"{package.__name__}.inside_pip.replacements")


def main() -> int:
    """Do the job that stdin describes, and write the result to stdout."""
    job: Job = json.loads(sys.stdin.buffer.read())
    # pip, and what it starts, write to stdout as they like.
    with os.fdopen(os.dup(1), "wb") as channel:
        os.dup2(2, 1)
        channel.write(json.dumps(do(job)).encode())
    return 0


def do(job: Job) -> dict[str, Any]:
    """Do a job, and return its result."""
    # Each link of each index page is kept, to say why none fits: a hundred thousand objects that the collector would
    # look at again and again. The process is short, and makes hardly any cycles.
    gc.set_threshold(1_000_000)
    result: dict[str, Any] = {
        "status": 1,
        "proof": {"run": 0, "environment": 0, "tags": 0, "python": 0, "requires_python": 0},
        "requirements": [],
        "files": [],
        "messages": [],
        "unreachable": [],
    }
    try:
        pip = importlib.import_module("pip")
        result["pip"] = pip.__version__
        # Newer ones are judged by what they have.
        if int(pip.__version__.partition(".")[0]) < OLDEST:
            raise UnsupportedPipError("it has no --uploaded-prior-to")
        replace_environment(job, result["proof"])
        load_replacements().run(job, result)
    except (UnsupportedPipError, ImportError) as error:
        result["error"] = {"type": type(error).__name__, "message": str(error)}
    return result


if __name__ == "__main__":
    sys.exit(main())
