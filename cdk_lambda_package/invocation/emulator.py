"""The package as it would be deployed, and its handler called behind Lambda's runtime interface emulator.

The handler runs in the target's Python with AWS's own runtime client. Both are the official ones:
https://docs.aws.amazon.com/lambda/latest/dg/images-test.html
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdk_lambda_package.catalogue import raise_for_errors
from cdk_lambda_package.errors import PackageError, explain_os_errors
from cdk_lambda_package.handlers import in_full
from cdk_lambda_package.interpreters import interpreter_for
from cdk_lambda_package.options import PackageRequest
from cdk_lambda_package.pipeline import Inspection, find_preinstalled, find_tool, inspect
from cdk_lambda_package.processes import run_process
from cdk_lambda_package.progress import QUIET, Progress
from cdk_lambda_package.splicing import read_member
from cdk_lambda_package.stages import (
    PLACES,
    Inputs,
    add_bytecode,
    archives_of,
    as_on_lambda,
    lambda_variables,
    obstacle_here,
    read_only,
    unpacked,
)
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import RUNTIME_REQUIREMENTS

EMULATOR = "aws-lambda-rie"
"""The emulator's program, as AWS names it; one on PATH is used."""

_SCRIPT = Path(__file__).with_name("script.py")
# The wheel of AWS's SAM CLI has the emulator's programs in it.
_CARRIER, _CARRIED = "aws-sam-cli", "samcli/local/rapid/aws-lambda-rie"
_CREDENTIALS = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"})
# Until the emulator listens, and until it answers after the function's timeout, in seconds.
_START_LIMIT, _END_LIMIT = 30.0, 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Invocation:
    """The answer of a handler as Lambda returns it, and whether it is an error of the function.

    `answer` is empty if there was none, and a text of the emulator's if the function took too long.
    """

    answer: bytes
    failed: bool


def invoke(
    request: PackageRequest,
    event: bytes,
    *,
    time_limit: float,
    store: Store,
    progress: Progress = QUIET,
    on_line: Callable[[str], None] | None = None,
) -> Invocation:
    """Package an entry directory, and call its handler with an event.

    Args:
        request: The package, with the function's `environment`. AWS credentials of this machine aren't given to the function.
        event: A JSON document.
        time_limit: The function's timeout, in seconds.
        store: Where wheels, the runtime's packages and the emulator are kept.
        progress: What shows the steps.
        on_line: Called with each line of the function's log.

    Raises:
        PackageError: The package can't be made, has errors, or can't run on this machine.

    Example:
        `invoke(PackageRequest(entry="orders", runtime="python3.13"), b"{}", time_limit=30, store=Store.open()).answer`
    """
    inspected = inspect(request, store, progress)
    examined, inputs = inspected.examined, inspected.examined.inputs
    raise_for_errors(examined.findings, acknowledge=inputs.request.packaging.acknowledge or ())
    if examined.review.handler is None:
        raise PackageError(
            f"{request.entry_path} can't be invoked: its handler is unknown. Name it, such as --handler=handler."
        )
    if obstacle := obstacle_here(inputs.target):
        raise PackageError(
            f"The function can't be invoked here: {obstacle} Invoke it on Linux of the function's architecture, with "
            f"{inputs.target.runtime.name} on PATH; or in a container, by `sam local invoke`."
        )
    with examined.prepared.naming_errors():
        layout = add_bytecode(inputs, inspected.layout, lambda: inspected.contents, store, progress)
        archives = archives_of(inputs, layout, store)
        preinstalled = find_preinstalled(RUNTIME_REQUIREMENTS, inputs, store, progress)
        emulator = _find_emulator(inputs, store, progress)
        with explain_os_errors(store.root), unpacked(inputs, archives, preinstalled, store) as (workspace, _):
            program = _program(emulator, workspace)
            job = _job(inspected, program, workspace, event, time_limit)
            with progress.step("invoking the function"), read_only(workspace / "task"):
                return _call(job, workspace, on_line)


def _find_emulator(inputs: Inputs, store: Store, progress: Progress) -> Path | bytes:
    """Return the emulator on PATH, or the content of the one in the wheel of the SAM CLI."""
    if found := shutil.which(EMULATOR):
        return Path(found)
    path = f"{_CARRIED}-{inputs.target.architecture.value}"
    segment = find_tool(_CARRIER, inputs, store, progress)
    for index, member in enumerate(segment.members):
        if member.path == path:
            return read_member(segment, index)
    raise PackageError(
        f"{_CARRIER} has no {path}, which is Lambda's emulator. Install it as {EMULATOR} on PATH: "
        "https://github.com/aws/aws-lambda-runtime-interface-emulator"
    )


def _program(emulator: Path | bytes, workspace: Path) -> Path:
    if isinstance(emulator, Path):
        return emulator
    program = workspace / EMULATOR
    program.write_bytes(emulator)
    program.chmod(0o755)
    return program


def _job(inspected: Inspection, program: Path, workspace: Path, event: bytes, time_limit: float) -> dict[str, Any]:
    """Return what the script is to do: it starts the emulator at two free ports, and sends the event."""
    inputs, review = inspected.examined.inputs, inspected.examined.review
    handler = in_full(review.handler or "", inputs.app.index)
    task, layers, runtime = workspace / "task", workspace / "opt", inputs.target.runtime.name
    # In the order in which the runtime searches them (awslambdaric/bootstrap.py).
    folders = (task, layers / "python" / "lib" / runtime / "site-packages", layers / "python", workspace / "runtime")
    given = inputs.request.environment
    own = lambda_variables(runtime, handler, task=str(task), layers=str(layers), scratch=str(workspace / "scratch"))
    if "AWS_PROFILE" in given:
        # Variables with credentials, which aren't real, would count before a profile.
        own = {name: value for name, value in own.items() if name not in _CREDENTIALS}
    places = {place: str(workspace / name) for name, place in PLACES.items()}
    fixed = {
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(max(1, round(time_limit))),
        "PYTHONPATH": os.pathsep.join([*map(str, folders), *_search_path(given, places)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        # The interpreter's own site-packages aren't on Lambda: neither they nor the user's are searched.
        "PYTHONNOUSERSITE": "1",
    }
    python = interpreter_for(inputs.target, run_process).program
    return {
        "emulator": str(program),
        "command": [python, "-S", "-X", "utf8", "-m", "awslambdaric", handler],
        "environment": {**own, **given, **fixed},
        "folder": str(task),
        "event": event.decode(),
        "answer": str(workspace / "answer"),
        "start_limit": _START_LIMIT,
        # The emulator ends the function in time.
        "time_limit": time_limit + _END_LIMIT,
    }


def _search_path(given: Mapping[str, str], places: Mapping[str, str]) -> Iterator[str]:
    """Yield the folders of the function's own PYTHONPATH, with this machine's places for those on Lambda."""
    for folder in filter(None, given.get("PYTHONPATH", "").split(os.pathsep)):
        place = next((one for one in places if folder == one or folder.startswith(f"{one}/")), None)
        yield places[place] + folder.removeprefix(place) if place is not None else folder


def _call(job: dict[str, Any], workspace: Path, on_line: Callable[[str], None] | None) -> Invocation:
    path, answer = workspace / "job.json", Path(job["answer"])
    path.write_text(json.dumps(job), encoding="utf-8")
    argv = [sys.executable, "-I", "-S", str(_SCRIPT), str(path)]
    places = {str(workspace / name): place for name, place in PLACES.items()}
    show = (lambda line: on_line(as_on_lambda(line, places))) if on_line is not None else None
    done = run_process(argv, workspace, os.environ, on_line=show)
    text = as_on_lambda(answer.read_bytes().decode(errors="replace"), places) if answer.is_file() else ""
    content = text.encode()
    return Invocation(answer=content, failed=bool(done.status) or _is_error(content))


def _is_error(answer: bytes) -> bool:
    """Return whether an answer is what the runtime client says of an exception."""
    try:
        told = json.loads(answer)
    except ValueError:
        return True
    if not isinstance(told, dict) or "errorType" not in told or "errorMessage" not in told:
        return False
    # A handler may return a dictionary with these two keys. The client adds the request, and the emulator names what ended.
    return "requestId" in told or str(told["errorType"]).startswith(("Runtime.", "Sandbox.", "Extension."))
