"""The CDK app that is measured, as `cdk_app.py SPEC`: one stack, and a function of one kind for each entry directory.

It runs in our own virtual environment, and imports nothing of ours unless ours is measured. SPEC is JSON: `stack`, `way`,
`entries`, `runtime`, `architecture`, and `result`, where to write what the app's process took in seconds, and its peak memory in bytes, or null.
"""

from __future__ import annotations

import dataclasses
import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import jsii
from aws_cdk import App, BundlingOptions, DefaultStackSynthesizer, DockerImage, ILocalBundling, Stack
from aws_cdk import aws_lambda as lambda_

INLINE, OURS, LAYER, PIP, PREPARED = "inline", "ours", "layer", "pip", "prepared"


@jsii.implements(ILocalBundling)
class PipInstall:
    """What people write: pip puts the requirements where CDK says, and the app's own file is copied to them."""

    def __init__(self, entry: Path) -> None:
        self._entry = entry

    def try_bundle(self, output_dir: str, *_: Any, **__: Any) -> bool:
        """Fill the directory of the asset."""
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--target", output_dir]
        subprocess.run([*command, "-r", self._entry / "requirements.txt"], check=True)
        shutil.copy(self._entry / "app.py", output_dir)
        return True


def make_code(way: str, entry: Path) -> lambda_.Code:
    """Return the code of a function that isn't ours."""
    if way == INLINE:
        return lambda_.Code.from_inline((entry / "app.py").read_text())
    if way == PREPARED:
        return lambda_.Code.from_asset(str(entry))
    # The image is for a `try_bundle` that returns False.
    options = BundlingOptions(image=DockerImage.from_registry("scratch"), local=PipInstall(entry))
    return lambda_.Code.from_asset(str(entry), bundling=options)


def main(specification: Path) -> None:
    """Construct and synthesize. Importing the CDK isn't counted: every app does that, whatever its functions are."""
    spec = json.loads(specification.read_text())
    # Without the rule that looks at the bootstrap stack's version: moto can't evaluate it when a stack is updated.
    app = App(default_stack_synthesizer=DefaultStackSynthesizer(generate_bootstrap_version_rule=False))
    stack = Stack(app, spec["stack"])
    runtime = lambda_.Runtime(spec["runtime"], lambda_.RuntimeFamily.PYTHON, supports_inline_code=True)
    architecture = getattr(lambda_.Architecture, {"arm64": "ARM_64", "x86_64": "X86_64"}[spec["architecture"]])
    start = perf_counter()
    define = _find_constructor(spec["way"], stack, runtime, architecture)
    for number, entry in enumerate(spec["entries"]):
        define(f"Function{number}", Path(entry))
    constructed = perf_counter() - start
    app.synth()
    if spec["result"]:
        told = {"constructed": constructed, "synthesized": perf_counter() - start, "memory": _peak_memory()}
        Path(spec["result"]).write_text(json.dumps(told))


def _find_constructor(
    way: str, stack: Stack, runtime: lambda_.Runtime, architecture: lambda_.Architecture
) -> Callable[[str, Path], object]:
    if way in (OURS, LAYER):
        from cdk_lambda_package import Packaging, PythonFunction

        # pandas and pyarrow are too large for some runtimes; what stands for AWS here doesn't mind.
        known = Packaging(acknowledge=["package-too-large"])
        if way == LAYER:
            known = dataclasses.replace(known, dependencies="layer")
        return lambda name, entry: PythonFunction(
            stack, name, entry=entry, runtime=runtime, architecture=architecture, packaging=known
        )
    handler = "index.handler" if way == INLINE else "app.handler"
    return lambda name, entry: lambda_.Function(
        stack, name, code=make_code(way, entry), handler=handler, runtime=runtime, architecture=architecture
    )


def _peak_memory() -> int:
    """Return the most memory that this process had, in bytes, without that of node."""
    # Linux counts in KiB, macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
