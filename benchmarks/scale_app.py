"""The CDK app of many functions, as `scale_app.py SPEC`, and the archives that one of its ways takes, as `scale_app.py --archive SPEC`.

SPEC is JSON: `way`, `entries` (of a way that takes archives, these), `stacks` (their number), `runtime`, `architecture`, and `result`,
where the app's process writes its seconds, and the most memory that it and node had, in bytes. The library is what PYTHONPATH leads to.
"""

from __future__ import annotations

import atexit
import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

INLINE, ARCHIVES = "inline", "archives"

_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def synthesize(spec: dict[str, Any]) -> None:
    """Construct and synthesize; imports aren't counted, since they take as long for one function as for a thousand."""
    result: dict[str, float] = {}
    # Registered before that of jsii, and so called after it: node has ended then, and its memory is known.
    atexit.register(lambda: _write(Path(spec["result"]), result))
    from aws_cdk import App, Stack
    from aws_cdk import aws_lambda as lambda_

    define = _find_constructor(spec)
    app = App()
    stacks = [Stack(app, f"Stack{number}") for number in range(spec["stacks"])]
    runtime = lambda_.Runtime(spec["runtime"], lambda_.RuntimeFamily.PYTHON, supports_inline_code=True)
    architecture = getattr(lambda_.Architecture, {"arm64": "ARM_64", "x86_64": "X86_64"}[spec["architecture"]])
    start = perf_counter()
    for number, entry in enumerate(spec["entries"]):
        define(stacks[number % len(stacks)], f"Function{number}", entry, runtime=runtime, architecture=architecture)
    result["constructed"] = perf_counter() - start
    app.synth()
    result["synthesized"] = perf_counter() - start


def _find_constructor(spec: dict[str, Any]) -> Callable[..., object]:
    from aws_cdk import aws_lambda as lambda_

    if spec["way"] == INLINE:
        return lambda stack, name, entry, **props: lambda_.Function(
            stack,
            name,
            code=lambda_.Code.from_inline(Path(entry, "app.py").read_text()),
            handler="index.handler",
            **props,
        )
    if spec["way"] == ARCHIVES:
        return lambda stack, name, archive, **props: lambda_.Function(
            stack, name, code=lambda_.Code.from_asset(archive), handler="app.handler", **props
        )
    from cdk_lambda_package import Packaging, PythonFunction

    known = Packaging(exclude=["*.md"])
    return lambda stack, name, entry, **props: PythonFunction(stack, name, entry=entry, packaging=known, **props)


def _write(path: Path, result: dict[str, float]) -> None:
    usage = {"memory": resource.RUSAGE_SELF, "node": resource.RUSAGE_CHILDREN}
    peaks = {name: resource.getrusage(who).ru_maxrss * _RSS_UNIT for name, who in usage.items()}
    path.write_text(json.dumps(result | peaks))


def archive(spec: dict[str, Any]) -> None:
    """Write the package of each entry directory to a .zip file archive beside it."""
    for entry in map(Path, spec["entries"]):
        _archive(entry, spec["runtime"], spec["architecture"])


def _archive(entry: Path, runtime: str, architecture: str) -> None:
    from cdk_lambda_package import PackageRequest, Packaging, package

    packaging = Packaging(exclude=["*.md"])
    request = PackageRequest(entry=entry, runtime=runtime, architecture=architecture, packaging=packaging)
    package(request, lambda _: entry.with_suffix(".zip"))


if __name__ == "__main__":
    (archive if "--archive" in sys.argv else synthesize)(json.loads(Path(sys.argv[-1]).read_text()))
