"""Stage 2: resolve the app's requirements: by a committed lock, by what the store remembers, or by pip."""

from __future__ import annotations

import dataclasses
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cdk_lambda_package.app_directory import VENDOR_FOLDER, App, AppFile, Origin
from cdk_lambda_package.chalice import CHALICE, slim_distributions
from cdk_lambda_package.errors import NoWheelError, OptionError, WheelError
from cdk_lambda_package.options import PackageRequest, with_environment
from cdk_lambda_package.progress import Progress
from cdk_lambda_package.requirements import (
    Resolution,
    ResolutionRequest,
    allowed_hosts,
    check_resolution,
    current_resolution,
    find_unlocked_project,
    read_upload_limit,
)
from cdk_lambda_package.splicing import METADATA
from cdk_lambda_package.stages.s1_app import read_requested_app, requirements_source
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target, is_on_library_path


def plan_resolution(request: PackageRequest, entry: Path, store: Store) -> ResolutionRequest:
    """Return what is to be resolved for a request about `entry` or its original, whatever locks there are.

    Hashes aren't required, since what is resolved this way is to become the lock that has them. Raises the kinds of
    `PackageError`.
    """
    request = with_environment(request, os.environ).with_packaging(require_hashes=False)
    target = Target.parse(request.runtime, request.architecture)
    app = read_requested_app(request, entry, store)
    requirements, lock = requirements_source(request, app)
    if request.packaging.requirements is not None and lock is not None:
        raise OptionError(
            f"requirements {str(request.packaging.requirements)!r} is a lock; name the requirements file to lock."
        )
    asked = _plan(request, app, target, store, requirements)
    if asked.requirements is not None:
        return asked
    # Imported here: who packages what is locked needs nothing of it.
    from cdk_lambda_package.resolving import read_dependencies

    return dataclasses.replace(asked, extra=(*asked.extra, *read_dependencies(app.entry / "pyproject.toml")))


def find_resolution(request: PackageRequest, app: App, target: Target, store: Store, progress: Progress) -> Resolution:
    """Return what the committed lock says for the target, else what the requirements resolve to.

    Raises the kinds of `RequirementsError`.
    """
    requirements, lock = requirements_source(request, app)
    asked = _plan(request, app, target, store, requirements)
    max_age: timedelta = request.packaging.value("max_lock_age")
    if lock is not None:
        # Imported here: most packages are made without one, or from what the store remembers of it.
        from cdk_lambda_package.locks import read_lock

        asked = dataclasses.replace(
            asked, lock=lock, groups=tuple(request.packaging.groups or ()), extras=tuple(request.packaging.extras or ())
        )
        return check_resolution(read_lock(asked, store), asked)

    def resolve_aloud(asked: ResolutionRequest) -> Resolution:
        # Imported here: a resolution that is at hand needs nothing of it.
        from cdk_lambda_package.resolving import resolve

        progress(f"Resolving requirements for {target}")
        return resolve(asked, store=store)

    found = current_resolution(asked, store, max_lock_age=max_age, resolve=resolve_aloud)
    if requirements is None:
        unlocked = find_unlocked_project(app.entry, target, asked.provided)
        found = dataclasses.replace(found, findings=(*found.findings, *unlocked))
    return check_resolution(found, asked)


def _plan(
    request: PackageRequest, app: App, target: Target, store: Store, requirements: Path | None
) -> ResolutionRequest:
    vendored = tuple(_name_vendored_wheel(wheel, target) for wheel in app.vendored_wheels)
    chalice = (CHALICE,) if app.imports_chalice and not _vendors_chalice(app) else ()
    bare = tuple(slim_distributions(bool(chalice), request.packaging.value("chalice")))
    return ResolutionRequest(
        entry=app.entry,
        target=target,
        requirements=requirements,
        extra=(*vendored, *(() if bare else chalice)),
        bare=bare,
        provided=tuple(sorted({*(request.packaging.provided or ()), *app.vendored_distributions})),
        pip_args=tuple(request.packaging.pip_args or ()),
        pip_environment=tuple((request.packaging.pip_environment or {}).items()),
        known_metadata=store.folders(METADATA),
        allow_build=request.packaging.allow_build is not False,
        require_hashes=bool(request.packaging.require_hashes),
        uploaded_prior_to=read_upload_limit(request.packaging.uploaded_prior_to, datetime.now(UTC)),
        only_index=None if request.packaging.only_index is None else allowed_hosts(request.packaging.only_index),
        build_constraint=_find_build_constraint(request, app.entry),
        build_image=request.packaging.build_image,
        libraries=tuple(file.path for file in app.files if is_on_library_path(file.path)),
    )


def _find_build_constraint(request: PackageRequest, entry: Path) -> Path | None:
    if request.packaging.build_constraint is None:
        return None
    path = entry / request.packaging.build_constraint
    if not path.is_file():
        raise OptionError(f"build_constraint {str(path)!r} is no file; give one relative to the entry directory.")
    return path


def _vendors_chalice(app: App) -> bool:
    return any(file.origin is Origin.VENDOR and file.path.startswith("chalice/") for file in app.files)


def _name_vendored_wheel(wheel: AppFile, target: Target) -> str:
    """Return the requirement that a wheel in vendor/ stands for, once its tags were seen to fit."""
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    try:
        name = parse_wheel_filename(wheel.path)[0]
    except InvalidWheelFilename as error:
        raise WheelError(f"{VENDOR_FOLDER}/{wheel.path} isn't named as wheels are: {error}.") from error
    if not target.accepts_wheel(wheel.path):
        raise NoWheelError(
            f"{VENDOR_FOLDER}/{wheel.path} isn't for {target}, whose best tag is {target.tags[0]}. "
            "Replace it by one that is, or exclude it."
        )
    return f"{name} @ {Path(wheel.source).as_uri()}#sha256={wheel.digest}"
