"""The packages of an app's plan: for the targets of the app or for another one, and layers before the functions that have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from cdk_lambda_package.app_plan import AppPlan, PlannedPackage
from cdk_lambda_package.errors import OptionError, PackageError
from cdk_lambda_package.layers import Layer, LayerFiles, LayerSource, layer_folder
from cdk_lambda_package.options import PackageRequest, with_defaults
from cdk_lambda_package.packages import Job, examine_packages, make_packages
from cdk_lambda_package.pipeline import DeploymentPackage, Destination, Examination
from cdk_lambda_package.progress import Progress
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import RUNTIMES, Architecture, Target


class Examined(NamedTuple):
    """What was found about a request of a construct, or the error if nothing could be."""

    planned: PlannedPackage
    request: PackageRequest
    result: Examination | PackageError


class Made(NamedTuple):
    """The package of a construct, or the error if there is none."""

    planned: PlannedPackage
    result: DeploymentPackage | PackageError


def for_target(plan: AppPlan, *, runtime: str | None, architecture: str | None) -> AppPlan:
    """Return the plan as if the whole app had another runtime or architecture; None leaves each as it is.

    Raises `TargetError` for a target that can't be packaged for.

    Example:
        `for_target(plan, runtime="python3.14", architecture=None)`
    """
    if runtime is None and architecture is None:
        return plan
    Target.parse(runtime or RUNTIMES[-1].name, architecture or Architecture.X86_64.value)

    def moved(request: PackageRequest) -> PackageRequest:
        there = replace(request, runtime=runtime or request.runtime, architecture=architecture or request.architecture)
        # The folder of a layer for one runtime has its name.
        own = request.root == layer_folder([request.runtime])
        return replace(there, root=layer_folder([there.runtime])) if own else there

    packages = tuple(
        replace(one, requests=tuple({repr(request): request for request in map(moved, one.requests)}.values()))
        for one in plan.packages
    )
    return replace(plan, packages=packages)


def examine_app(plan: AppPlan, store: Store, progress: Progress) -> list[Examined]:
    """Examine the packages of all constructs, at the same time and equal ones once.

    Example:
        `[one.planned.construct for one in examine_app(plan, store, QUIET) if isinstance(one.result, PackageError)]`
    """
    pairs = [(one, request) for one in _with_layers(plan, store, progress) for request in one.requests]
    jobs = [Job(request, group=one.group) for one, request in pairs]
    results = examine_packages(jobs, store=store, progress=progress)
    return [Examined(*pair, result) for pair, result in zip(pairs, results, strict=True)]


def make_app(plan: AppPlan, folder: Path, store: Store, progress: Progress) -> list[Made]:
    """Make the packages of all constructs, at the same time and equal ones once, as archives that are named by the constructs' paths.

    Nothing is written to the folder unless all can be made. The layer of a function with `dependencies="layer"` is beside its package.

    Example:
        `make_app(plan, Path("build"), store, QUIET)` writes `build/Shop.Orders.zip`.
    """
    placed = [one for one in _with_layers(plan, store, progress) if one.requests]
    pairs = [(one, request) for one in placed for request in one.requests]
    made = make_packages([Job(request, group=one.group) for one, request in pairs], store=store, progress=progress)
    results: dict[str, list[DeploymentPackage | PackageError]] = {one.construct: [] for one in placed}
    for (one, _), result in zip(pairs, made, strict=True):
        results[one.construct].append(result)
    tried = [_only(results[one.construct]) for one in placed]
    _refuse_shared_names(placed)
    if not any(isinstance(result, PackageError) for result in tried):
        jobs = [
            Job(one.requests[0], _at(folder, one.construct), _at(folder, f"{one.construct}-layer"), one.group)
            for one in placed
        ]
        tried = make_packages(jobs, store=store, progress=progress)
    return [Made(one, result) for one, result in zip(placed, tried, strict=True)]


def _refuse_shared_names(placed: Sequence[PlannedPackage]) -> None:
    """Raise `OptionError` for two constructs whose archives would be one file."""
    taken: dict[str, str] = {}
    for one in placed:
        layered = any(with_defaults(request).packaging.value("dependencies") == "layer" for request in one.requests)
        for name in (_name(one.construct), *([_name(f"{one.construct}-layer")] if layered else [])):
            if name in taken:
                raise OptionError(
                    f"{taken[name]} and {one.construct} would both be {name}. Give one of the constructs another id."
                )
            taken[name] = one.construct


def _only(results: Sequence[DeploymentPackage | PackageError]) -> DeploymentPackage | PackageError:
    """Return the one package of a construct's requests, or an error: a layer for several targets has one content."""
    errors = [one for one in results if isinstance(one, PackageError)]
    made = [one for one in results if not isinstance(one, PackageError)]
    if errors:
        return errors[0]
    other = next((one for one in made if one.content_digest != made[0].content_digest), None)
    if other is None:
        return made[0]
    return OptionError(
        f"the layer is for {made[0].target} and {other.target}, whose packages differ. Make a layer for each, with its own "
        "compatible_runtimes and compatible_architectures."
    )


def _place(path: Path, _: str) -> Path:
    return path


def _at(folder: Path, construct: str) -> Destination:
    return partial(_place, folder / _name(construct))


def _name(construct: str) -> str:
    return f"{construct.replace('/', '.')}.zip"


def _with_layers(plan: AppPlan, store: Store, progress: Progress) -> list[PlannedPackage]:
    """Make the layers where the requests of functions look for them; return the packages, whose failed layers are unknown ones."""
    layers = [one for one in plan.packages if one.is_layer and one.requests]
    jobs = [Job(one.requests[0], partial(_place, one.output), group=one.group) for one in layers if one.output]
    make_packages(jobs, store=store, progress=progress)
    missing = {one.output for one in layers if one.output is not None and not one.output.exists()}

    def known(layer: LayerSource) -> LayerSource:
        if isinstance(layer, LayerFiles) and layer.path in missing:
            return Layer(name=layer.name, known=False)
        return layer

    return [
        replace(one, requests=tuple(replace(two, layers=tuple(map(known, two.layers))) for two in one.requests))
        for one in plan.packages
    ]
