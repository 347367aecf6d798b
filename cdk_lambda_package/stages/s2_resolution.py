"""Stage 2: resolve the app's requirements: by a committed lock, by what the store remembers, or by pip."""

from __future__ import annotations

import dataclasses
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from cdk_lambda_package.app_directory import APP_FOLDER, REQUIREMENTS_FILE, VENDOR_FOLDER, App, AppFile
from cdk_lambda_package.chalice import CHALICE, slim_distributions
from cdk_lambda_package.errors import LockTargetError, NoWheelError, OptionError, PackageError, WheelError
from cdk_lambda_package.failures import during
from cdk_lambda_package.options import PackageRequest
from cdk_lambda_package.paths import is_selective
from cdk_lambda_package.progress import Progress
from cdk_lambda_package.requirements import (
    NOT_LOCKED,
    PYLOCK,
    LockFile,
    Resolution,
    ResolutionRequest,
    allowed_hosts,
    check_resolution,
    current_resolution,
    find_lock_file,
    find_unlocked_project,
    lock_of,
    name_lock,
    read_upload_limit,
    size_limit,
)
from cdk_lambda_package.splicing import METADATA
from cdk_lambda_package.stages.s1_app import read_requested_app
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target, is_on_library_path

if TYPE_CHECKING:
    from cdk_lambda_package.locks import LockFormat


def plan_resolution(request: PackageRequest, entry: Path, store: Store) -> ResolutionRequest:
    """Return what is to be resolved for a request about `entry` or its original, whatever locks there are; it has its defaults.

    Hashes aren't required, since what is resolved this way is to become the lock that has them. Raises the kinds of
    `PackageError`.
    """
    request = request.with_packaging(require_hashes=False)
    target = Target.parse(request.runtime, request.architecture)
    files = (request.packaging.requirements or REQUIREMENTS_FILE, "pyproject.toml")
    # A layer may have requirements alone.
    alone = any((entry / file).is_file() for file in files)
    asked = plan_locked(request, read_requested_app(request, entry, store, needs_module=not alone), target, store)
    if asked.lock is not None and asked.lock.named:
        raise OptionError(
            f"requirements {str(request.packaging.requirements)!r} is a lock; name the requirements file to lock."
        )
    # A lock has what is left out later, too.
    asked = dataclasses.replace(asked, lock=None, groups=(), extras=(), size_limit=None)
    if asked.requirements is not None:
        return asked
    # Imported here: who packages what is locked needs nothing of it.
    from cdk_lambda_package.locks import require_project
    from cdk_lambda_package.resolving import read_dependencies

    needs = read_dependencies(asked.entry / "pyproject.toml")
    return dataclasses.replace(asked, extra=(*asked.extra, *needs, *require_project(asked.entry, asked.own_modules)))


@during("resolving the requirements")
def resolve_as_locked(
    request: PackageRequest, entry: Path, failed: PackageError, max_age: timedelta, store: Store, progress: Progress
) -> tuple[ResolutionRequest, Resolution] | None:
    """Return what the requirements come to for a target that their lock isn't for, at its versions where that is possible.

    None if the lock failed for another reason, or if only its tool knows what it was made of.

    Example:
        `resolve_as_locked(request, entry, LockTargetError("…"), timedelta(days=1), store, progress)`
    """
    packaging = request.packaging
    if type(failed) not in (LockTargetError, NoWheelError) or packaging.groups or packaging.extras:
        return None
    lock = find_lock_file(entry, origin=request.entry_path)
    if lock is None or lock.format != PYLOCK or packaging.requirements is not None:
        return None
    # Imported here: most packages need nothing of it.
    from cdk_lambda_package.locks import locked_versions

    asked = plan_resolution(request, entry, store)
    asked = dataclasses.replace(asked, preferred=locked_versions(lock.path, asked.target))
    found = find_resolution(asked, max_age, store, progress)
    return asked, dataclasses.replace(found, findings=tuple(one for one in found.findings if one.id != NOT_LOCKED))


@during("resolving the requirements")
def find_resolution(asked: ResolutionRequest, max_age: timedelta, store: Store, progress: Progress) -> Resolution:
    """Return what the committed lock says for the target, else what the requirements resolve to.

    Raises the kinds of `RequirementsError`.
    """

    def resolve_aloud(asked: ResolutionRequest) -> Resolution:
        # Imported here: a resolution that is at hand needs nothing of it.
        from cdk_lambda_package.resolving import resolve

        return resolve(asked, store=store, progress=progress)

    if asked.lock is not None:
        # Imported here: most packages are made without one.
        from cdk_lambda_package.locks import read_lock

        def resolve_lock(lock: LockFormat) -> Resolution:
            # Imported here: a lock that was read before needs nothing of it.
            from cdk_lambda_package import lock_resolution

            return lock_resolution.resolve_lock(lock, store)

        with progress.step(f"reading {asked.lock.path.name}"):
            found = read_lock(asked, store, resolve_lock=resolve_lock, resolve=resolve_aloud, progress=progress)
        return check_resolution(found, asked)

    found = current_resolution(asked, store, max_lock_age=max_age, resolve=resolve_aloud)
    if asked.requirements is None:
        unlocked = find_unlocked_project(asked)
        found = dataclasses.replace(found, findings=(*found.findings, *unlocked))
    return check_resolution(found, asked)


@during("reading the requirements")
def plan_locked(request: PackageRequest, app: App, target: Target, store: Store) -> ResolutionRequest:
    """Return what is to be resolved for a request, with the lock that applies.

    The index options of the requirements file apply in any case. Raises the kinds of `PackageError`.
    """
    packaging, requirements = request.packaging, app.requirements
    if packaging.requirements is None or requirements is None:
        lock = find_lock_file(app.entry, origin=request.entry_path)
    elif lock := name_lock(requirements):
        lock = dataclasses.replace(lock, named=True)
        beside = app.entry / REQUIREMENTS_FILE
        requirements = beside if beside.is_file() else None
    else:
        lock = _find_own_lock(requirements)
    if lock is None and (packaging.groups or packaging.extras):
        raise OptionError(
            f"groups and extras are those of a lock, and {str(request.entry)!r} has none; write extras into the "
            "requirements file, as in 'name[extra]'."
        )
    constraint = None if packaging.build_constraint is None else app.entry / packaging.build_constraint
    if constraint is not None and not constraint.is_file():
        raise OptionError(f"build_constraint {str(constraint)!r} is no file; give one relative to the entry directory.")
    vendored = tuple(_name_vendored_wheel(wheel, target) for wheel in app.vendored_wheels)
    chalice = (CHALICE,) if app.imports_chalice and not _vendors_chalice(app) else ()
    bare = tuple(slim_distributions(bool(chalice), packaging.value("chalice")))
    return ResolutionRequest(
        entry=app.entry,
        target=target,
        requirements=requirements,
        extra=(*vendored, *(() if bare else chalice)),
        bare=bare,
        lock=lock,
        groups=tuple(packaging.groups or ()),
        extras=tuple(packaging.extras or ()),
        provided=tuple(sorted({*(packaging.provided or ()), *app.vendored_distributions})),
        pip_args=tuple(packaging.pip_args or ()),
        pip_environment=tuple((packaging.pip_environment or {}).items()),
        known_metadata=store.folders(METADATA),
        allow_build=packaging.allow_build is not False,
        require_hashes=bool(packaging.require_hashes),
        uploaded_prior_to=read_upload_limit(packaging.uploaded_prior_to, datetime.now(UTC)),
        only_index=None if packaging.only_index is None else allowed_hosts(packaging.only_index),
        build_constraint=constraint,
        build_image=packaging.build_image,
        libraries=tuple(filter(is_on_library_path, app.paths_in("", "lib/"))),
        own_modules=tuple(sorted({name.partition(".")[0] for name in app.tops})),
        own_files=(
            *((app.index,) if app.index and "/" not in app.index else ()),
            f"{APP_FOLDER}/",
            f"{VENDOR_FOLDER}/",
        ),
        of_app=request.of_app,
        lock_options=request.lock_options,
        size_limit=size_limit(
            acknowledge=packaging.acknowledge or (),
            # Which files a pattern matches is known after the download, as is what the function needs; what commands leave, at the end.
            is_final=not (
                packaging.after_packaging
                or packaging.value("slim")
                or any(map(is_selective, packaging.exclude_from_requirements or ()))
            ),
        ),
        excluded=tuple(sorted(map(canonicalize_name, packaging.exclude_distributions or ()))),
    )


def _find_own_lock(requirements: Path) -> LockFile | None:
    """Return the lock beside a requirements file that a function names, if it was made of this very file."""
    own = lock_of(requirements)
    if not own.is_file():
        return None
    # Imported here: most packages are made without one.
    from cdk_lambda_package.locks import find_source

    source = find_source(own)
    is_made_of_it = source is not None and source == Path(os.path.normpath(requirements))
    return name_lock(own) if is_made_of_it else None


def _vendors_chalice(app: App) -> bool:
    return any(folder.package_prefix.startswith(f"{CHALICE}/") and folder.parts for folder in app.vendored.folders)


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
