"""A real deployment of the document's example, on this machine alone.

`cdk bootstrap`, `cdk synth` and `cdk deploy` are the real CDK CLI; AWS is moto's server; the function runs under Lambda's
own Python runtime client, behind Lambda's own runtime interface emulator. The exit status isn't 0 if any step fails.
"""

import json
import signal
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

print("A real deployment of an example, on this machine alone. It takes about a minute.", flush=True)

from local_aws import (  # noqa: E402 - the import of boto3 may take a second
    ACCOUNT,
    REGION,
    cdk,
    fetch_function_zip,
    find_function,
    invoke,
    local_aws,
    missing_for_invocation,
    unpack,
)

STACK, FUNCTION = "DocumentExample", "Function"
EVENT = {"name": "Lambda"}
# From vendor/, and from the metadata of the one requirement; chalicelib adds the Python that it ran on.
EXPECTED = {"greeting": "Hello, Lambda!", "sortedcontainers": "1.5.4"}


def main() -> None:
    """Deploy, look at what arrived, and invoke it."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cdk-lambda-package-demo-") as name:
        folder = Path(name)
        with ExitStack() as running:
            with step("start a local AWS: moto's server"):
                environment = running.enter_context(local_aws(folder))
            output = folder / "cdk.out"
            with step("cdk bootstrap"):
                cdk("bootstrap", f"aws://{ACCOUNT}/{REGION}", environment=environment, output=output)
            with step("cdk synth: resolve, fetch and package, all within it"):
                cdk("synth", STACK, "--quiet", environment=environment, output=output)
            with step("cdk deploy"):
                cdk("deploy", STACK, "--require-approval", "never", environment=environment, output=output)
            function = find_function(environment, STACK, FUNCTION)
            archive = fetch_function_zip(environment, function, folder / "deployed.zip")
        show_tree(archive)
        show_answer(archive, function.handler, folder)
    print(f"{time.monotonic() - start:6.1f} s  All of it", flush=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Say what a step does when it begins, and how long it took."""
    print(f"{'':8}  {title} …", flush=True)
    start = time.monotonic()
    yield
    print(f"{time.monotonic() - start:6.1f} s  {title}", flush=True)


def show_tree(archive: Path) -> None:
    """Draw the deployment package as it arrived in the bucket, with the bytes of each file."""
    print(f"\nThe deployment package in the bucket, {archive.stat().st_size:,} bytes:\n")
    shown: set[str] = set()
    with zipfile.ZipFile(archive) as package:
        for member in sorted(package.infolist(), key=lambda member: member.filename.split("/")):
            *folders, name = member.filename.split("/")
            for depth, folder in enumerate(folders):
                path = "/".join(folders[: depth + 1])
                if path not in shown:
                    print(f"{'':10}  {'    ' * depth}{folder}/")
                    shown.add(path)
            print(f"{member.file_size:10,}  {'    ' * len(folders)}{name}")
    print()


def show_answer(archive: Path, handler: str, folder: Path) -> None:
    """Invoke the deployed package, where Lambda's runtime is at hand: it exists for Linux alone."""
    missing = missing_for_invocation()
    if missing and sys.platform == "linux":
        raise RuntimeError(f"The package can't be invoked: this machine lacks {missing}. `make` installs it.")
    if missing:
        print(f"Not invoked: this machine lacks {missing}.")
        return
    with step("invoked behind the Lambda runtime interface emulator"):
        answer = invoke(unpack(archive, folder / "task"), handler, EVENT, log=folder / "lambda.log")
    print(f"\nIts answer:\n\n{json.dumps(answer, indent=2)}\n")
    if not isinstance(answer, dict) or {**answer, **EXPECTED} != answer:
        raise RuntimeError(f"That is not the right answer, which has {json.dumps(EXPECTED)}.")


if __name__ == "__main__":
    # As by Ctrl-C: what was started is stopped on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("\nTold to stop before the end."))
    try:
        main()
    except RuntimeError as error:
        sys.exit(f"\n{error}")
