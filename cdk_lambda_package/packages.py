"""Several packages at the same time: equal requests once, each thing that they need once, and what functions share of a layer.

One package is made by `pipeline.py`. Threads wait for pip and the like (`workers.py`), and processes compute (`examiners.py`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from cdk_lambda_package.app_directory import settled
from cdk_lambda_package.errors import PackageError
from cdk_lambda_package.examiners import Examiners
from cdk_lambda_package.failures import reported
from cdk_lambda_package.options import DefaultsSource, PackageRequest, read_environment, with_defaults
from cdk_lambda_package.pipeline import (
    ALONE,
    AmongOthers,
    DeploymentPackage,
    Destination,
    Examination,
    Resolved,
    examine,
    make_package,
    resolve_inputs,
)
from cdk_lambda_package.progress import QUIET, Progress
from cdk_lambda_package.stages import Inputs, SharingFunction, lay_out, needs_of_layer, share
from cdk_lambda_package.store import Store
from cdk_lambda_package.workers import run_all

if TYPE_CHECKING:
    from cdk_lambda_package.slimming import LayerNeeds


T = TypeVar("T")


class Job(NamedTuple):
    """A package to be made, and where it is written, with its layer; None for a package that isn't written.

    Functions of one `group`, such as a stack, share the layers of equal dependencies.
    """

    request: PackageRequest
    destination: Destination | None = None
    layer_destination: Destination | None = None
    group: str = ""


def make_packages(
    jobs: Sequence[Job], *, store: Store | None = None, progress: Progress = QUIET
) -> list[DeploymentPackage | PackageError]:
    """Make several packages at the same time, equal requests once; return for each job its package, or the error if there is none.

    Example:
        `make_packages([Job(request, lambda digest: Path("orders.zip"))])`
    """
    opened = store or Store.open()

    def make(job: Job, among: AmongOthers) -> DeploymentPackage:
        destinations = (job.destination, job.layer_destination or job.destination)
        return make_package(job.request, destinations, opened, progress, among=among)

    return _do_all(jobs, make, opened, progress)


def examine_packages(jobs: Sequence[Job], *, store: Store, progress: Progress) -> list[Examination | PackageError]:
    """Examine several packages at the same time, equal requests once, as `examine` does with `beyond_lock`; nothing is written.

    Example:
        `examine_packages([Job(request)], store=Store.open(), progress=QUIET)`
    """

    def look(job: Job, among: AmongOthers) -> Examination:
        return examine(job.request, store, progress, beyond_lock=True, among=among)

    return _do_all(jobs, look, store, progress)


def _do_all(
    jobs: Sequence[Job], work: Callable[[Job, AmongOthers], T], store: Store, progress: Progress
) -> list[T | PackageError]:
    """Do the work of all jobs at the same time; return for each job the result, or the error if there is none."""
    environment = read_environment(os.environ)
    completed = [_with_defaults(job, environment) for job in jobs]
    # The representation of a request has all of its values, as equality has them; mappings can't be hashed.
    keys = [(repr(job.request), job.destination, job.group) if isinstance(job, Job) else job for job in completed]
    distinct = {key: job for key, job in zip(keys, completed, strict=True) if isinstance(job, Job)}
    shared = _find_sharing(list(distinct.values()), store, progress)
    examiners = Examiners(store.root)

    def do(number: int, job: Job, among: AmongOthers) -> T | PackageError:
        several = progress.about(f"package {number} of {len(distinct)}") if len(distinct) > 1 else nullcontext()
        try:
            with several, reported(f"packaging {job.request.entry}", store=store.root):
                return work(job, among._replace(examiners=examiners if len(distinct) > 1 else None))
        except PackageError as error:
            return error

    tasks = [
        partial(do, number, job, known)
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


def _find_sharing(jobs: Sequence[Job], store: Store, progress: Progress) -> list[AmongOthers]:
    """Return the inputs of packages with a layer, and what the functions of their group need that share it.

    Nothing is known of other packages, and of those with an error, which comes when they are made. Nothing is shared where the layer's
    content doesn't depend on the function.
    """
    layered = [job.request.packaging.value("dependencies") == "layer" for job in jobs]
    if not any(layered):
        return [ALONE] * len(jobs)

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
    return list(map(AmongOthers, found, sharing))
