"""Resolve requirements for a target with the user's own pip: wheels alone, and where these aren't enough, with sources.

A wheel that the target doesn't load, or a missing dependency, is an error.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cdk_lambda_package.errors import UnhashedError
from cdk_lambda_package.processes import Runner, run_process
from cdk_lambda_package.progress import QUIET, Progress
from cdk_lambda_package.requirements import Resolution, ResolutionRequest, has_requirements
from cdk_lambda_package.resolving.errors import explain_unhashed
from cdk_lambda_package.resolving.pip_run import PipRun, check_result, has_failed, run_pip, start_pip
from cdk_lambda_package.resolving.pylocks import make_resolution, read_package
from cdk_lambda_package.resolving.sources import run_with_sources, wants_sources
from cdk_lambda_package.store import Store


def resolve(
    request: ResolutionRequest,
    *,
    store: Store | None = None,
    runner: Runner = run_process,
    progress: Progress = QUIET,
) -> Resolution:
    """Return the wheels that the requirements come to on the target; those that have to be built are in the store.

    Raises the kinds of `RequirementsError`, each naming all requirements that it is about.
    """
    store, run = store or Store.open(), PipRun(request=request, progress=progress)
    with progress.step("resolving requirements", unit="packages"):
        try:
            return _resolve(run, store, runner)
        except UnhashedError:
            # pip stops at the first; without the rule, what else would be chosen can be seen.
            result = start_pip(replace(run, ignore_hashes=True), store, runner)
            if has_failed(result):
                raise
            raise explain_unhashed(result, request) from None


def _resolve(run: PipRun, store: Store, runner: Runner) -> Resolution:
    request = run.request
    result: dict[str, Any] = {}
    if request.extra or (request.requirements is not None and has_requirements(request.requirements)):
        result = _resolve_main(run, store, runner)
    packages = [read_package(row, request, result["built"]) for row in result.get("install", ())]
    known = {package.name for package in packages} | {canonicalize_name(name) for name in request.provided}
    bare = tuple(line for line in request.bare if canonicalize_name(Requirement(line).name) not in known)
    bare_result = run_pip(replace(run, only=bare), store, runner) if bare else {}
    packages += [read_package(row, request) for row in bare_result.get("install", ())]
    return make_resolution(request, packages, result, bare_result)


def _resolve_main(run: PipRun, store: Store, runner: Runner) -> dict[str, Any]:
    """Resolve with wheels alone, and where that finds nothing, with sources too."""
    result = start_pip(run, store, runner)
    if has_failed(result) and run.request.allow_build and wants_sources(result):
        return run_with_sources(run, store=store, runner=runner, links=result.get("links", {}))
    return {**check_result(result, run), "built": {}}
