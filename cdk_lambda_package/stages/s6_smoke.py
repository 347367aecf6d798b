"""Stage 6, with `smoke`: import the handler's module from the finished .zip, in the target's Python.

It shows what really happens, which no reading of the source can. It doesn't show the runtime's system libraries: this
machine's are used.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from cdk_lambda_package.app_directory import APP_FOLDER
from cdk_lambda_package.decoding import decode
from cdk_lambda_package.errors import Finding, PackageError
from cdk_lambda_package.failures import during
from cdk_lambda_package.handlers import in_full, module_name, module_of
from cdk_lambda_package.interpreters import interpreter_for
from cdk_lambda_package.keys import key_of
from cdk_lambda_package.processes import Finished, run_process
from cdk_lambda_package.smoke import (
    SCRIPT,
    Circumstances,
    ImportTime,
    ScriptResult,
    finding_of,
    read_import_times,
)
from cdk_lambda_package.splicing import Layout, Splice, read_metadata
from cdk_lambda_package.stages.s3_inputs import Inputs
from cdk_lambda_package.stages.s4_archives import archives_of
from cdk_lambda_package.stages.s6_unpacking import PLACES, as_on_lambda, lambda_variables, read_only, unpacked
from cdk_lambda_package.store import Store, remembered
from cdk_lambda_package.target import requirements_of

# The first run reads files from the disk, and any may be disturbed.
_MEASURED_RUNS = 3


@remembered("smoke", version=5)
@dataclass(frozen=True, kw_only=True, slots=True)
class _SmokeResult:
    """The findings of a package's import."""

    findings: tuple[Finding, ...]


def recalled_import(inputs: Inputs, handler: str | None, store: Store) -> tuple[Finding, ...] | None:
    """Return the findings of an earlier import of the same package; None if there was none.

    Example:
        `recalled_import(inputs, "handler", store)`
    """
    known = store.recall(_SmokeResult, _key(inputs, handler))
    return known.findings if known else None


@during("trying the import")
def import_package(
    inputs: Inputs, handler: str | None, layout: Layout, *, preinstalled: Sequence[Splice] | None = None, store: Store
) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Import the handler's module on a machine that can; return the findings, and the requirements that the import lacks.

    Requirements are returned without `preinstalled`, the packages that Lambda's runtime has: an import that needs them has to
    be tried with them. The findings are remembered, unless they depend on more than the package and the variables.

    Example:
        `import_package(inputs, "handler", layout, store=store)`
    """
    request, time_limit = inputs.request, inputs.request.packaging.value("smoke_timeout")
    with unpacked(inputs, archives_of(inputs, layout, store), preinstalled, store) as (workspace, unseen):
        process, result = _run_script(inputs, handler, workspace, time_limit.total_seconds())
    needed = requirements_of(result.missing)
    if needed and preinstalled is None:
        return (), needed
    known = Circumstances(
        target=inputs.target,
        index=inputs.app.index,
        module=module_of(in_full(handler, inputs.app.index)) if handler else module_name(inputs.app.index),
        handler=handler,
        owners={entry.path: entry.owner for entry in layout.tree.entries},
        unseen=(*unseen, *(request.packaging.provided or ())),
        time_limit=time_limit,
        metadata=lambda owner: read_metadata(layout.owned.get(owner)),
        advice=_advice_for,
        # Of chalicelib/, only what exclude leaves out is missing.
        is_in_entry=lambda path: (inputs.app.entry / path).is_file() and not path.startswith(f"{APP_FOLDER}/"),
    )
    finding = finding_of(process, result, known)
    findings = (finding,) if finding is not None else ()
    # The files that aren't packaged may be others the next time.
    lasting = finding is None or not (finding.id == "smoke-timed-out" or "FileNotFoundError" in finding.message)
    # A layer's directory may have other files the next time.
    if lasting and not request.layers:
        store.remember(_SmokeResult(findings=findings), _key(inputs, handler))
    return findings, ()


@during("measuring the import")
def measure_import(
    inputs: Inputs, handler: str | None, layout: Layout, *, preinstalled: Sequence[Splice] | None = None, store: Store
) -> tuple[tuple[ImportTime, ...], tuple[str, ...]]:
    """Import the handler's module on a machine that can; return the times of the fastest of three runs, and what it lacks.

    Requirements are returned without `preinstalled`, as by `import_package`. Nothing is remembered: times aren't facts of a
    package. Raises `PackageError` if the import fails.

    Example:
        `measure_import(inputs, "handler", layout, store=store)`
    """
    seconds = inputs.request.packaging.value("smoke_timeout").total_seconds()
    module = module_of(in_full(handler or "handler", inputs.app.index))
    runs: list[tuple[ImportTime, ...]] = []
    with unpacked(inputs, archives_of(inputs, layout, store), preinstalled, store) as (workspace, _):
        for _ in range(_MEASURED_RUNS):
            process, result = _run_script(inputs, handler, workspace, seconds, measured=True)
            needed = requirements_of(result.missing)
            if needed and preinstalled is None:
                return (), needed
            times = read_import_times(process.output, module)
            if result.status in ("", "started", "failed") or not times:
                reason = result.message or "it took too long, or ended the process"
                raise PackageError(
                    f"{module} can't be imported, so its time can't be measured: {reason}. "
                    "`cdk-lambda-package check … --smoke` says more."
                )
            runs.append(times)
    return min(runs, key=lambda times: times[-1].total), ()


def _advice_for(module: str) -> str | None:
    # Imported here: only an import that fails needs it, and the checks load much.
    from cdk_lambda_package.checks import advice_for

    return advice_for(module)


def _key(inputs: Inputs, handler: str | None) -> str:
    # The interpreter's version and machine are those of the target, which is part of the package's key.
    request = inputs.request
    return key_of(inputs.key, handler, request.environment, sorted(request.packaging.provided or ()))


def _run_script(
    inputs: Inputs, handler: str | None, workspace: Path, seconds: float, *, measured: bool = False
) -> tuple[Finished, ScriptResult]:
    """Import the module in a process, and return its end and result, with paths as they are on Lambda.

    If it is `measured`, the output is stderr alone, with the times of the imports.
    """
    places = {str(workspace / name): place for name, place in PLACES.items()}
    task, layers, scratch = places
    runtime, result = inputs.target.runtime.name, workspace / "result.json"
    called = in_full(handler or "handler", inputs.app.index)
    job = {
        "task": task,
        # Where the package's modules are: the function's, and those in a layer.
        "folders": [task, *(f"{layers}/{root}" for root in (inputs.layer_root, inputs.root) if root)],
        # In the order in which the runtime searches them (awslambdaric/bootstrap.py).
        "layers": [f"{layers}/python/lib/{runtime}/site-packages", f"{layers}/python"],
        "runtime": [str(workspace / "runtime")],
        "module": module_of(called),
        "handler": called.rpartition(".")[2] if handler is not None else None,
        "result": str(result),
    }
    script = workspace / "job.json"
    script.write_text(json.dumps(job), encoding="utf-8")
    # -X utf8: the encoding of Lambda's locale, which this machine may not have.
    host = interpreter_for(inputs.target, run_process)
    options = ["-I", "-S", "-B", "-X", "utf8", *(["-X", "importtime"] if measured else [])]
    argv = [host.program, *options, str(SCRIPT), str(script)]
    own = lambda_variables(runtime, called, task=task, layers=layers, scratch=scratch)
    with read_only(Path(task)):
        variables = {**own, **inputs.request.environment}
        done = run_process(argv, Path(task), variables, separate=measured, time_limit=seconds)
    try:
        text = result.read_text(encoding="utf-8")
        library = decode(text, ScriptResult).standard_library
        told = as_on_lambda(text, places | ({library: f"/var/lang/lib/{runtime}"} if library else {}))
        outcome = decode(told, ScriptResult)
    except (OSError, ValueError, msgspec.MsgspecError):
        outcome = ScriptResult()
    return replace(done, output=as_on_lambda(done.output, places)), outcome
