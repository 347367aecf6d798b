"""Several packages at the same time: equal requests once, each thing that they need once, and what functions share of a layer.

One package is made by `pipeline.py`. Threads wait for pip and the like (`workers.py`), and processes compute (`examiners.py`).
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cdk_lambda_package.app_directory import settled
from cdk_lambda_package.errors import PackageError
from cdk_lambda_package.examiners import Examiners
from cdk_lambda_package.failures import reported
from cdk_lambda_package.options import DefaultsSource, PackageRequest, read_environment, with_defaults
from cdk_lambda_package.pipeline import DeploymentPackage, Destination, Resolved, make_package, resolve_inputs
from cdk_lambda_package.progress import QUIET, Progress
from cdk_lambda_package.stages import Inputs, Sharing, SharingFunction, lay_out, needs_of_layer, share
from cdk_lambda_package.store import Store
from cdk_lambda_package.workers import run_all

if TYPE_CHECKING:
    from cdk_lambda_package.slimming import LayerNeeds


_Made = DeploymentPackage | PackageError


class Job(NamedTuple):
    """A package to be made, and where it is written, with its layer.

    Functions of one `group`, such as a stack, share the layers of equal dependencies.
    """

    request: PackageRequest
    destination: Destination
    layer_destination: Destination | None = None
    group: str = ""


def make_packages(jobs: Sequence[Job], *, store: Store | None = None, progress: Progress = QUIET) -> list[_Made]:
    """Make several packages at the same time, equal requests once; return for each job its package, or the error if there is none.

    Example:
        `make_packages([Job(request, lambda digest: Path("orders.zip"))])`
    """
    store, environment = store or Store.open(), read_environment(os.environ)
    completed = [_with_defaults(job, environment) for job in _with_lock_targets(jobs)]
    # The representation of a request has all of its values, as equality has them; mappings can't be hashed.
    keys = [(repr(job.request), job.destination, job.group) if isinstance(job, Job) else job for job in completed]
    distinct = {key: job for key, job in zip(keys, completed, strict=True) if isinstance(job, Job)}
    shared = _find_sharing(list(distinct.values()), store, progress)
    examiners = Examiners(store.root)

    def make(number: int, job: Job, resolved: Resolved | None, sharing: Sharing | None) -> _Made:
        several = progress.about(f"package {number} of {len(distinct)}") if len(distinct) > 1 else nullcontext()
        try:
            with several, reported(f"packaging {job.request.entry}", store=store.root):
                return make_package(
                    job.request,
                    (job.destination, job.layer_destination or job.destination),
                    store,
                    progress,
                    resolved=resolved,
                    sharing=sharing,
                    examiners=examiners if len(distinct) > 1 else None,
                )
        except PackageError as error:
            return error

    tasks = [
        partial(make, number, job, *known)
        for number, (job, known) in enumerate(zip(distinct.values(), shared, strict=True), start=1)
    ]
    made = dict(zip(distinct, run_all(tasks, at_end=examiners.end), strict=True))
    return [key if isinstance(key, PackageError) else made[key] for key in keys]


def _with_defaults(job: Job, environment: DefaultsSource) -> Job | PackageError:
    """Return a job whose request has its defaults, or the error of its entry directory's table: others are made all the same."""
    try:
        return job._replace(request=with_defaults(job.request, environment))
    except PackageError as error:
        return error


def _find_sharing(
    jobs: Sequence[Job], store: Store, progress: Progress
) -> list[tuple[Resolved | None, Sharing | None]]:
    """Return the inputs of packages with a layer, and what the functions of their group need that share it.

    Both are None of other packages, and of those with an error, which comes when they are made. The second is None too where the layer's
    content doesn't depend on the function.
    """
    layered = [job.request.packaging.value("dependencies") == "layer" for job in jobs]
    if not any(layered):
        return [(None, None)] * len(jobs)

    def resolve(job: Job, *, is_layered: bool) -> Resolved | None:
        if is_layered:
            doing = reported(f"packaging {job.request.entry}", store=store.root)
            with suppress(PackageError), doing, progress.about(job.request.title):
                return settled(partial(resolve_inputs, job.request, store, progress))
        return None

    def find_needs(inputs: Inputs) -> LayerNeeds | None:
        with suppress(PackageError), reported("finding what functions need of their layer", store=store.root):
            return needs_of_layer(inputs, partial(lay_out, inputs, store, progress), store)
        return None

    found = run_all([partial(resolve, job, is_layered=one) for job, one in zip(jobs, layered, strict=True)])
    functions = [
        SharingFunction(group=job.group, inputs=one.inputs, resolution=one.resolution) if one is not None else None
        for job, one in zip(jobs, found, strict=True)
    ]
    sharing = share(functions, lambda several: run_all([partial(find_needs, one) for one in several]))
    return list(zip(found, sharing, strict=True))


def _with_lock_targets(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs with the targets of all that have the same entry directory: one lock is for them all."""
    targets: defaultdict[Path, set[tuple[str, str]]] = defaultdict(set)
    for request, *_ in jobs:
        targets[request.entry_path].update([(request.runtime, request.architecture), *request.lock_targets])

    def with_targets(job: Job) -> Job:
        every = targets[job.request.entry_path]
        # Mostly its own alone.
        alone = every == {(job.request.runtime, job.request.architecture)}
        return job if alone else job._replace(request=replace(job.request, lock_targets=tuple(sorted(every))))

    return [with_targets(job) for job in jobs]
