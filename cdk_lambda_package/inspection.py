"""What interpreters of this machine make of a package: the times of its imports, and its bytecode."""

from __future__ import annotations

from dataclasses import replace

from cdk_lambda_package.errors import PackageError
from cdk_lambda_package.interpreters import Compiler
from cdk_lambda_package.options import PackageRequest
from cdk_lambda_package.pipeline import Inspection, find_preinstalled, inspect
from cdk_lambda_package.progress import QUIET, Progress
from cdk_lambda_package.smoke import ImportTime
from cdk_lambda_package.splicing import Layout
from cdk_lambda_package.stages import (
    add_bytecode,
    archives_of,
    measure_import,
    obstacle_here,
    with_compiler,
)
from cdk_lambda_package.store import Store


def compile_again(
    request: PackageRequest, compiler: Compiler, program: str, store: Store, progress: Progress = QUIET
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the sha256 of each .pyc file that an interpreter compiles for a package, by path: the function's, and the layer's.

    Raises the kinds of `PackageError`.

    Example:
        `compile_again(request, compiler, "/usr/bin/python3.13", store)[0]["__pycache__/app.cpython-313.pyc"]`
    """
    inspected = inspect(request, store, progress)
    inputs = replace(inspected.examined.inputs, compiler=compiler, compiler_program=program)
    with inspected.examined.prepared.naming_errors():
        compiled = add_bytecode(inputs, inspected.layout, lambda: inspected.contents, store, progress)
        archives = archives_of(inputs, compiled, store)
    entries = (archives.function.entries, archives.layer.entries if archives.layer is not None else ())
    function, layer = ({entry.path: entry.digest for entry in found if entry.identity} for found in entries)
    return function, layer


def measure(
    inspected: Inspection, store: Store, progress: Progress = QUIET
) -> tuple[tuple[ImportTime, ...], tuple[ImportTime, ...]]:
    """Return the time of each import when the handler's module is imported here, itself last; and the times with bytecode.

    The second ones are of the package with the bytecode of the modules that it reaches, () if this machine can't compile it. Raises
    `PackageError` if this machine can't import the package, or if the import fails.

    Example:
        `measure(inspect(request, store), store)[0][-1].total`
    """
    inputs, layout = inspected.examined.inputs, inspected.layout
    if obstacle := obstacle_here(inputs.target):
        raise PackageError(
            f"The import can't be measured: {obstacle} Measure on Linux of the function's architecture, with "
            f"{inputs.target.runtime.name} on PATH; or leave out --measure."
        )
    with inspected.examined.prepared.naming_errors():
        plain = _measured(inspected, layout, store, progress)
        compiled = add_bytecode(with_compiler(inputs, store), layout, lambda: inspected.contents, store, progress)
        return plain, _measured(inspected, compiled, store, progress) if compiled is not layout else ()


def _measured(inspected: Inspection, layout: Layout, store: Store, progress: Progress) -> tuple[ImportTime, ...]:
    inputs, handler = inspected.examined.inputs, inspected.examined.review.handler
    importing = f"measuring the import in {inputs.target.runtime.name}"
    with progress.step(importing):
        times, needed = measure_import(inputs, handler, layout, store=store)
    if needed:
        preinstalled = find_preinstalled(needed, inputs, store, progress)
        with progress.step(importing):
            times, _ = measure_import(inputs, handler, layout, preinstalled=preinstalled, store=store)
    return times
