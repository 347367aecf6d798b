"""The resolution of a request: the one that the store remembers while it holds, else a new one.

The key of a remembered resolution covers the request and the content of every local file and folder that it was made of.
Most of these are known only after pip has read the requirements. So two records are kept: under the request's key, which
local inputs there were; under that key and these inputs' content, the resolution. Then no process starts, and nothing is
imported that only pip's results need.
"""

from __future__ import annotations

import dataclasses
import os
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cdk_lambda_package.errors import Finding, IndexUnreachableError, RequirementsError, Severity
from cdk_lambda_package.keys import key_of
from cdk_lambda_package.requirements.local_inputs import (
    changed_since,
    read_inputs,
    relative_place,
    with_places,
    without_places,
)
from cdk_lambda_package.requirements.lock_file import lock_command
from cdk_lambda_package.requirements.requirements_file import has_requirements
from cdk_lambda_package.requirements.resolution import InputKind, LocalInput, LockedWheel, Resolution, ResolutionRequest
from cdk_lambda_package.requirements.resolver_settings import digest_configuration, read_build_variables, read_variables
from cdk_lambda_package.store import Store, remembered
from cdk_lambda_package.urls import file_sha256, input_digest, local_path, without_rotating

DEFAULT_MAX_LOCK_AGE = timedelta(days=1)

_EMPTY_LOCK = '{"lock-version": "1.0", "created-by": "cdk-lambda-package", "packages": []}'
# Branches and services with the same requirements may have been made of other inputs.
_MOST_SETS = 8


@remembered("resolutions", version=4)
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DatedResolution:
    """A resolution, and when it was made."""

    created: datetime
    resolution: Resolution


@remembered("resolution-inputs", version=1)
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _InputSets:
    """The sets of local inputs, without digests, that resolutions of a request were made of, the newest first."""

    sets: tuple[tuple[LocalInput, ...], ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RequestContent:
    """What the fields of a request that aren't part of its key stand for: content in place of paths, no credentials."""

    requirements: tuple[str, str] = ("", "")
    extra: tuple[str, ...] = ()
    pip_args: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    build_variables: tuple[str, ...] = ()
    configuration: tuple[str, ...] = ()
    build_constraint: str = ""

    @classmethod
    def read(cls, request: ResolutionRequest, environ: Mapping[str, str]) -> RequestContent:
        """Read the files that a request names."""
        path = request.requirements
        return cls(
            requirements=(relative_place(path, request.entry), input_digest(path.read_bytes(), environ))
            if path
            else ("", ""),
            extra=tuple(map(identify, request.extra)),
            pip_args=tuple(without_rotating(word, environ) for word in request.pip_args),
            variables=tuple(read_variables(environ)),
            build_variables=tuple(read_build_variables(request.pip_environment, environ)),
            configuration=tuple(digest_configuration(environ)),
            build_constraint=read_constraint(request),
        )


def current_resolution(
    request: ResolutionRequest,
    store: Store,
    *,
    resolve: Callable[[ResolutionRequest], Resolution],
    max_lock_age: timedelta = DEFAULT_MAX_LOCK_AGE,
    now: datetime | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Resolution:
    """Return the resolution that applies: the remembered one while it holds, else that of `resolve`.

    A resolution whose files are all pinned by hashes holds as long as its inputs are the same, any other for
    `max_lock_age`, or longer, with a finding, while the index can't be reached. Raises the kinds of `RequirementsError`.

    Example:
        `current_resolution(request, store, resolve=lambda request: resolve(request, store=store)).wheels`
    """
    path, now = request.requirements, now or datetime.now(UTC)
    asks = path is not None and has_requirements(path)
    if not (asks or request.extra or request.bare):
        return Resolution(lock=_EMPTY_LOCK, wheels=(), pinned=True)
    # Index options count even if the file has no requirement.
    request = dataclasses.replace(request, requirements=path if path is not None and path.is_file() else None)
    environ = {**environ, **dict(request.pip_environment)}
    key, began = resolution_key(request, environ), time.time()
    known = recalled_resolution(key, request.entry, environ, store)
    if known is not None and (known.resolution.pinned or timedelta(0) <= now - known.created <= max_lock_age):
        return _with_pinning_finding(known.resolution, request)
    try:
        resolution = resolve(request)
    except IndexUnreachableError:
        if known is None:
            raise
        return _with_pinning_finding(_with_age_finding(known, now), request)
    if not any(finding.id == "index-not-read" for finding in resolution.findings):
        dated = DatedResolution(created=now, resolution=resolution)
        remember_resolution(dated, key, request.entry, environ, store, began=began)
    return _with_pinning_finding(resolution, request)


def resolution_key(request: ResolutionRequest, environ: Mapping[str, str]) -> str:
    """Return the key of a request, without credentials and the place of the checkout."""
    return key_of("resolution", request, RequestContent.read(request, environ))


def read_constraint(request: ResolutionRequest) -> str:
    """Return the text of the request's build constraints, "" for none."""
    return request.build_constraint.read_text(encoding="utf-8") if request.build_constraint else ""


def identify(requirement: str) -> str:
    """Return a requirement of `ResolutionRequest.extra` with a local wheel's content in the place of its path."""
    name, separator, url = requirement.partition(" @ ")
    if not separator or not url.startswith("file:"):
        return without_rotating(requirement)
    match = re.search(r"#sha256=([0-9a-f]{64})", url)
    return f"{name} @ {match[1] if match else file_sha256(url)}"


def recalled_resolution(key: str, entry: Path, environ: Mapping[str, str], store: Store) -> DatedResolution | None:
    """Return the resolution that was made of what the local inputs are now; None if the store has none."""
    for inputs in (store.recall(_InputSets, key) or _InputSets()).sets:
        try:
            found = store.recall(DatedResolution, key_of(key, read_inputs(inputs, entry, environ, store)))
        except (OSError, RequirementsError):
            continue
        if found is not None and all(_is_kept(wheel, store) for wheel in found.resolution.wheels if wheel.source):
            return dataclasses.replace(found, resolution=_move(found.resolution, entry, with_places))
    return None


def remember_resolution(
    dated: DatedResolution, key: str, entry: Path, environ: Mapping[str, str], store: Store, *, began: float
) -> None:
    """Remember a resolution under a request's key and its local inputs, unless they changed since it `began`."""
    try:
        inputs = read_inputs(_all_inputs(dated.resolution, entry), entry, environ, store)
        if changed_since(inputs, entry, began):
            return
    except (OSError, RequirementsError):
        return
    places = tuple(dataclasses.replace(one, digest="") for one in inputs)
    others = (one for one in (store.recall(_InputSets, key) or _InputSets()).sets if one != places)
    store.remember(_InputSets(sets=(places, *others)[:_MOST_SETS]), key)
    moved = dataclasses.replace(_move(dated.resolution, entry, without_places), inputs=())
    store.remember(dataclasses.replace(dated, resolution=moved), key_of(key, inputs))


def _all_inputs(resolution: Resolution, entry: Path) -> tuple[LocalInput, ...]:
    """Return the local inputs of a resolution, its local wheels among them, sorted."""
    wheels = {
        LocalInput(
            kind=InputKind.FILE,
            place=relative_place(local_path(one.url) if one.url.startswith("file:") else one.url, entry),
            digest=one.sha256,
        )
        for one in resolution.wheels
        if not one.source and (one.url.startswith("file:") or "://" not in one.url)
    }
    return tuple(sorted({*resolution.inputs, *wheels}, key=lambda one: (one.kind, one.place)))


def _move(resolution: Resolution, entry: Path, move: Callable[[str, Path], str]) -> Resolution:
    wheels = (
        dataclasses.replace(one, url=move(one.url, entry), index=move(one.index, entry))
        if "file:" in one.url + one.index
        else one
        for one in resolution.wheels
    )
    findings = (dataclasses.replace(one, message=move(one.message, entry)) for one in resolution.findings)
    return dataclasses.replace(
        resolution, lock=move(resolution.lock, entry), wheels=tuple(wheels), findings=tuple(findings)
    )


def _is_kept(wheel: LockedWheel, store: Store) -> bool:
    """Tell whether a wheel that was built here is still in the store: no index has it."""
    path = store.find("wheels", wheel.sha256, wheel.filename)
    return path is not None and file_sha256(path.as_uri()) == wheel.sha256


def _with_pinning_finding(resolution: Resolution, request: ResolutionRequest) -> Resolution:
    if resolution.pinned or not resolution.wheels:
        return resolution
    path = request.requirements
    name = relative_place(path, request.entry) if path is not None and has_requirements(path) else None
    subject = f"{name} doesn't" if name else "The requirements don't"
    command = lock_command(request.entry, (request.target,), requirements=path)
    message = (
        f"{subject} pin every file by its hash, so a later synth may package other versions. Write a lock "
        f"with `{command}`, or acknowledge this warning."
    )
    finding = Finding(id="requirements-not-locked", severity=Severity.WARNING, message=message, path=name)
    return dataclasses.replace(resolution, findings=(*resolution.findings, finding))


def _with_age_finding(known: DatedResolution, now: datetime) -> Resolution:
    message = (
        f"The index can't be reached, so the versions of {known.created:%Y-%m-%d %H:%M} UTC are used, "
        f"{(now - known.created).days} days old. Check the connection, or raise max_lock_age."
    )
    finding = Finding(id="index-unreachable", severity=Severity.WARNING, message=message)
    return dataclasses.replace(known.resolution, findings=(*known.resolution.findings, finding))
