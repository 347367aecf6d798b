"""Stage 6, with `smoke`: import the handler's module from the finished .zip, in the target's Python.

It shows what really happens, which no reading of the source can. It doesn't show the runtime's system libraries: this
machine's are used.
"""

from __future__ import annotations

import contextlib
import json
import platform
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from cdk_lambda_package.app_directory import APP_FOLDER
from cdk_lambda_package.decoding import decode
from cdk_lambda_package.errors import Finding, OptionError, PackageError, explain_os_errors
from cdk_lambda_package.failures import during
from cdk_lambda_package.handlers import in_full, module_name, module_of
from cdk_lambda_package.interpreters import Interpreter, interpreter_for
from cdk_lambda_package.keys import key_of
from cdk_lambda_package.layers import Layer, LayerSource, layer_path
from cdk_lambda_package.processes import Finished, run_process
from cdk_lambda_package.smoke import (
    SCRIPT,
    Circumstances,
    ImportTime,
    ScriptResult,
    finding_of,
    read_import_times,
)
from cdk_lambda_package.splicing import Layout, Splice, read_metadata, write_tree, write_zip
from cdk_lambda_package.stages.s3_inputs import Inputs
from cdk_lambda_package.stages.s4_archives import Archive, archives_of
from cdk_lambda_package.store import Store, remembered
from cdk_lambda_package.target import Target, requirements_of

# The folders of the workspace by their names, and the places on Lambda that they stand for.
_PLACES = {"task": "/var/task", "opt": "/opt", "scratch": "/tmp"}  # noqa: S108
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
    with _unpacked(inputs, layout, preinstalled, store) as (workspace, unseen):
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
    with _unpacked(inputs, layout, preinstalled, store) as (workspace, _):
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


@contextlib.contextmanager
def _unpacked(
    inputs: Inputs, layout: Layout, preinstalled: Sequence[Splice] | None, store: Store
) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Unpack a package, its layers and the runtime's packages for the block; yield the workspace, and unknown layers."""
    with explain_os_errors(store.root), store.workspace() as workspace:
        for name in (*_PLACES, "runtime"):
            (workspace / name).mkdir()
        archives = archives_of(inputs, layout, store)
        # The package of a layer is unpacked where layers are.
        place = workspace / ("opt" if inputs.root else "task")
        _unpack_package(archives.function, workspace / "package.zip", place)
        unseen = _unpack_layers(inputs.request.layers, workspace / "opt")
        if archives.layer is not None:
            # It is the last of the function's layers, which are put over each other in their order.
            _unpack_package(archives.layer, workspace / "layer.zip", workspace / "opt")
        write_tree(preinstalled or (), workspace / "runtime")
        yield workspace, unseen


def _advice_for(module: str) -> str | None:
    # Imported here: only an import that fails needs it, and the checks load much.
    from cdk_lambda_package.checks import advice_for

    return advice_for(module)


def _key(inputs: Inputs, handler: str | None) -> str:
    # The interpreter's version and machine are those of the target, which is part of the package's key.
    request = inputs.request
    return key_of(inputs.key, handler, request.environment, sorted(request.packaging.provided or ()))


def obstacle_here(target: Target) -> str | None:
    """Return why a package for the target can't be imported on this machine, None if it can.

    Example:
        `obstacle_here(Target.parse("python3.9"))` may be "there is no python3.9 on PATH."
    """
    return obstacle_to(target, interpreter_for(target, run_process), system=sys.platform, glibc=_read_glibc())


def obstacle_to(target: Target, host: Interpreter, *, system: str, glibc: tuple[int, ...] | None) -> str | None:
    """Return why a package for the target can't be tried on a machine, None if it can.

    `glibc` is the version of the machine's C library, None if it isn't glibc.
    """
    if system != "linux":
        return f"a package for Lambda is for Linux, and this machine runs {system}."
    if host.version != target.runtime.version:
        return f"there is no {target.runtime.name} on PATH."
    if host.platform != f"linux-{target.architecture.machine}":
        return f"the package is for {target.architecture}, and {host.program} is for {host.platform}."
    if glibc is None or glibc < target.runtime.system.glibc:
        found = "another C library" if glibc is None else "glibc {}.{}".format(*glibc)
        return "{} has glibc {}.{}, and this machine {}.".format(target, *target.runtime.system.glibc, found)
    return None


def _read_glibc() -> tuple[int, ...] | None:
    name, version = platform.libc_ver()
    return tuple(map(int, version.split(".")[:2])) if name == "glibc" else None


def _run_script(
    inputs: Inputs, handler: str | None, workspace: Path, seconds: float, *, measured: bool = False
) -> tuple[Finished, ScriptResult]:
    """Import the module in a process, and return its end and result, with paths as they are on Lambda.

    If it is `measured`, the output is stderr alone, with the times of the imports.
    """
    places = {str(workspace / name): place for name, place in _PLACES.items()}
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
    own = _lambda_variables(runtime, called, task=task, layers=layers, scratch=scratch)
    with _read_only(Path(task)):
        variables = {**own, **inputs.request.environment}
        done = run_process(argv, Path(task), variables, separate=measured, time_limit=seconds)
    try:
        text = result.read_text(encoding="utf-8")
        library = decode(text, ScriptResult).standard_library
        told = _as_on_lambda(text, places | ({library: f"/var/lang/lib/{runtime}"} if library else {}))
        outcome = decode(told, ScriptResult)
    except (OSError, ValueError, msgspec.MsgspecError):
        outcome = ScriptResult()
    return replace(done, output=_as_on_lambda(done.output, places)), outcome


def _unpack_package(archive: Archive, path: Path, folder: Path) -> None:
    """Write the .zip, and unpack it with zipfile, as other readers do."""
    with path.open("xb") as stream:
        write_zip(archive.splices, stream)
    _unpack_zip(path, folder)
    path.unlink()


def _unpack_zip(archive: Path, folder: Path) -> None:
    # Imported here: only `smoke` needs it.
    from cdk_lambda_package.archives import open_archive

    with open_archive(archive) as opened:
        for member in opened.infolist():
            # Not at the name that the member says, which may lead out of the folder.
            path = Path(opened.extract(member, folder))
            if mode := member.external_attr >> 16 & 0o777:
                path.chmod(mode)


def _unpack_layers(layers: Iterable[LayerSource], folder: Path) -> tuple[str, ...]:
    """Put layers over each other as Lambda does, and return the names of those whose content is unknown here."""
    unseen = []
    for layer in layers:
        path = layer_path(layer)
        if path is None:
            unseen.append(layer.name if isinstance(layer, Layer) else str(layer))
        elif path.is_dir():
            shutil.copytree(path, folder, dirs_exist_ok=True, symlinks=True)
        else:
            _unpack_layer(path, folder)
    return tuple(unseen)


def _unpack_layer(archive: Path, folder: Path) -> None:
    from cdk_lambda_package.archives import ArchiveError

    try:
        _unpack_zip(archive, folder)
    except (ArchiveError, FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        raise OptionError(f"layers: {str(archive)!r} can't be unpacked: {error}. Make the archive again.") from error


@contextlib.contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    """Make folders read-only for the block, as on Lambda; root can write all the same."""
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())]
    for path in folders:
        path.chmod(0o555)
    try:
        yield
    finally:
        for path in folders:
            path.chmod(0o755)


def _lambda_variables(runtime: str, handler: str, *, task: str, layers: str, scratch: str) -> dict[str, str]:
    """Return Lambda's variables, for a package unpacked at `task` and layers at `layers`.

    `scratch` replaces /tmp, and the home directory, which a function doesn't have. The credentials aren't real: a client
    can be made with them, and no request succeeds.
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
    """
    return {
        "_HANDLER": handler,
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_FUNCTION_NAME": "function",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/function",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2000/01/01/[$LATEST]00000000000000000000000000000000",
        "AWS_REGION": "us-east-1",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_SESSION_TOKEN": "none",
        "HOME": scratch,
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LAMBDA_TASK_ROOT": task,
        "LANG": "en_US.UTF-8",
        "LD_LIBRARY_PATH": f"{task}:{task}/lib:{layers}/lib",
        "PATH": f"/usr/local/bin:/usr/bin:/bin:{layers}/bin",
        "PYTHONPATH": "/var/runtime",
        "TMPDIR": scratch,
        "TZ": ":UTC",
    }


def _as_on_lambda(text: str, places: Mapping[str, str]) -> str:
    """Return a text with this machine's paths replaced by the same places on Lambda."""
    for path, name in places.items():
        text = text.replace(path, name)
    return text
