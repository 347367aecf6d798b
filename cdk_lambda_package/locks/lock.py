"""Which lock applies, and what it says for a target.

A resolution is kept in the store under a digest of what went into it, and used again as long as the files that pip
read for it are the same: then no process starts, and nothing is imported that only pip's results need.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cdk_lambda_package.app_directory import file_stamp
from cdk_lambda_package.errors import Finding, IndexUnreachableError, RequirementsError, Severity
from cdk_lambda_package.requirements.lock_file import lock_command
from cdk_lambda_package.requirements.requirements_file import has_requirements
from cdk_lambda_package.requirements.resolution import LockedWheel, Resolution, ResolutionRequest
from cdk_lambda_package.requirements.resolver_settings import digest_configuration, read_build_variables, read_variables
from cdk_lambda_package.store import Store
from cdk_lambda_package.urls import file_sha256, input_digest, local_path, without_rotating

KIND = "resolutions"
FORMAT = "3"
DEFAULT_MAX_LOCK_AGE = timedelta(days=1)

_EMPTY_LOCK = '{"lock-version": "1.0", "created-by": "cdk-lambda-package", "packages": []}'


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A cached resolution, when it was made, and the stat results of the wheels on this machine, by their URLs."""

    created: datetime
    resolution: Resolution
    stamps: Mapping[str, list[int] | None] = dataclasses.field(default_factory=dict)


def find_lock(
    request: ResolutionRequest,
    store: Store,
    *,
    max_lock_age: timedelta = DEFAULT_MAX_LOCK_AGE,
    now: datetime | None = None,
    environ: Mapping[str, str] = os.environ,
    resolve: Callable[[ResolutionRequest], Resolution] | None = None,
) -> Resolution:
    """Return the resolution that applies: the cached one while it holds, else a new one.

    One that is pinned by hashes holds as long as its inputs are the same, another for `max_lock_age`, or longer, with
    a finding, while the index can't be reached. Raises the kinds of `RequirementsError`.
    """
    request = _without_empty_file(request)
    environ = {**environ, **dict(request.pip_environment)}
    if not (request.requirements or request.extra or request.bare):
        return Resolution(lock=_EMPTY_LOCK, wheels=(), pinned=True)
    key, now = resolution_key(request, environ), now or datetime.now(UTC)
    record = read_record(store, key, request.entry, environ)
    if record is not None and (record.resolution.pinned or timedelta(0) <= now - record.created <= max_lock_age):
        return _with_pinning_finding(record.resolution, request)
    try:
        resolution = resolve(request) if resolve else _resolve(request, store)
    except IndexUnreachableError:
        if record is None:
            raise
        return _with_pinning_finding(_with_age_finding(record, now), request)
    if not any(finding.id == "index-not-read" for finding in resolution.findings):
        write_record(store, key, Record(created=now, resolution=resolution))
    return _with_pinning_finding(resolution, request)


def resolution_key(request: ResolutionRequest, environ: Mapping[str, str]) -> str:
    """Return the digest of what a resolution depends on, each field framed with its length.

    Neither credentials nor the place of the checkout are part of it.
    """
    digest = hashlib.sha256()
    for field in _key_fields(request, environ):
        digest.update(b"%d:%s," % (len(field), field))
    return digest.hexdigest()


def _key_fields(request: ResolutionRequest, environ: Mapping[str, str]) -> Iterator[bytes]:
    yield from (FORMAT.encode(), str(request.target).encode(), request.target.runtime.full_version.encode())
    yield _file_name(request).encode()
    yield input_digest(request.requirements.read_bytes(), environ).encode() if request.requirements else b""
    pip_args = [without_rotating(word, environ) for word in request.pip_args]
    constraint, limit = request.build_constraint, request.uploaded_prior_to
    yield from (b"%d" % request.allow_build, b"%d" % request.require_hashes, (request.build_image or "").encode())
    # What was chosen under a duration holds on later days too, when it lets in more.
    yield from (limit.text.encode() if limit else b"", json.dumps(request.only_index).encode())
    yield constraint.read_bytes() if constraint else b""
    lists = (
        map(_identify, request.extra),
        request.bare,
        request.provided,
        pip_args,
        read_variables(environ),
        read_build_variables(request.pip_environment, environ),
    )
    # At the end, and only where there are any: nothing else depends on them.
    libraries = (request.libraries,) if request.libraries else ()
    for fields in (*map(tuple, lists), tuple(digest_configuration(environ)), *libraries):
        yield str(len(fields)).encode()
        yield from (field.encode("utf-8", "surrogateescape") for field in fields)


def _file_name(request: ResolutionRequest) -> str:
    path = request.requirements
    if path is None:
        return ""
    return path.relative_to(request.entry).as_posix() if path.is_relative_to(request.entry) else path.name


def _identify(requirement: str) -> str:
    """Name a local wheel by its content: its path is this machine's."""
    name, separator, url = requirement.partition(" @ ")
    if not separator or not url.startswith("file:"):
        return without_rotating(requirement)
    if match := re.search(r"#sha256=([0-9a-f]{64})", url):
        return f"{name} @ {match[1]}"
    return f"{name} @ {file_sha256(url)}"


def _without_empty_file(request: ResolutionRequest) -> ResolutionRequest:
    if request.requirements is not None and not has_requirements(request.requirements):
        return dataclasses.replace(request, requirements=None if not request.bare else request.requirements)
    return request


def write_record(store: Store, key: str, record: Record) -> None:
    """Keep a resolution under the digest of its inputs."""
    local = (wheel for wheel in record.resolution.wheels if wheel.url.startswith("file:"))
    stamped = dataclasses.replace(record, stamps={wheel.url: _stamp(wheel) for wheel in local})
    store.write(_to_bytes(stamped), KIND, key)


def read_record(store: Store, key: str, entry: Path, environ: Mapping[str, str]) -> Record | None:
    """Return the resolution that was kept, while the files that it rests on are the same."""
    content = store.read(KIND, key)
    if content is None:
        return None
    try:
        record = _from_bytes(content)
    except (ValueError, TypeError, KeyError):
        return None
    if not all(_is_kept(wheel, store) for wheel in record.resolution.wheels if wheel.source):
        return None
    current = _is_current(record.resolution.files, entry, environ, store) and _are_local_wheels_there(record)
    return record if current else None


def _are_local_wheels_there(record: Record) -> bool:
    """Tell whether wheels on this machine still are what they were: one that is built anew keeps its name."""
    for wheel in record.resolution.wheels:
        try:
            if _stamp(wheel) != record.stamps.get(wheel.url) and file_sha256(wheel.url) != wheel.sha256:
                return False
        except OSError:
            return False
    return True


def _stamp(wheel: LockedWheel) -> list[int] | None:
    """Return the stat result of a wheel on this machine, which spares reading it; None for any other."""
    local = wheel.url.startswith("file:") and not wheel.source
    return list(file_stamp(local_path(wheel.url).stat())) if local else None


def _is_kept(wheel: LockedWheel, store: Store) -> bool:
    """Tell whether a wheel that was built here is still there: no index has it."""
    path = store.find("wheels", wheel.sha256, wheel.filename)
    return path is not None and file_sha256(path.as_uri()) == wheel.sha256


def _is_current(files: Iterable[tuple[str, str | None]], entry: Path, environ: Mapping[str, str], store: Store) -> bool:
    """Tell whether the files that pip read would be read today as they were then."""
    for name, digest in files:
        if digest is None:
            continue
        try:
            if _digest(entry, name, environ, store) != digest:
                return False
        except (OSError, RequirementsError):
            return False
    return True


def _digest(entry: Path, name: str, environ: Mapping[str, str], store: Store) -> str:
    if not name.endswith("/"):
        return input_digest((entry / name).read_bytes(), environ)
    # Imported here: few apps have local projects.
    from cdk_lambda_package.building import digest_project

    return digest_project(entry / name, store)


def _to_bytes(record: Record) -> bytes:
    resolution = record.resolution
    content: dict[str, Any] = {
        "created": record.created.isoformat(),
        "lock": resolution.lock,
        "wheels": [[getattr(wheel, name) for name in _WHEEL_FIELDS] for wheel in resolution.wheels],
        "pinned": resolution.pinned,
        "stamps": record.stamps,
        "files": resolution.files,
        "findings": [dataclasses.asdict(finding) for finding in resolution.findings],
    }
    return json.dumps(content).encode()


def _from_bytes(content: bytes) -> Record:
    fields = json.loads(content)
    resolution = Resolution(
        lock=fields["lock"],
        wheels=tuple(map(_read_wheel, fields["wheels"])),
        pinned=fields["pinned"],
        files=tuple((name, digest) for name, digest in fields["files"]),
        findings=tuple(
            Finding(**{**finding, "severity": Severity(finding["severity"])}) for finding in fields["findings"]
        ),
    )
    created = datetime.fromisoformat(fields["created"])
    return Record(created=created, resolution=resolution, stamps=fields["stamps"])


_WHEEL_FIELDS = tuple(field.name for field in dataclasses.fields(LockedWheel))


def _read_wheel(values: list[Any]) -> LockedWheel:
    frozen = (tuple(value) if isinstance(value, list) else value for value in values)
    fields: dict[str, Any] = dict(zip(_WHEEL_FIELDS, frozen, strict=True))
    return LockedWheel(**fields)


def _resolve(request: ResolutionRequest, store: Store) -> Resolution:
    # Imported here: what starts pip is only needed where pip starts.
    from cdk_lambda_package.resolving import resolve

    return resolve(request, store=store)


def _with_pinning_finding(resolution: Resolution, request: ResolutionRequest) -> Resolution:
    if resolution.pinned or not resolution.wheels:
        return resolution
    subject = f"{_file_name(request)} doesn't" if request.requirements else "The requirements don't"
    command = lock_command(request.entry, (request.target,), requirements=request.requirements)
    message = (
        f"{subject} pin every file by its hash, so a later synth may package other versions. Write a lock "
        f"with `{command}`, or acknowledge this warning."
    )
    finding = Finding(
        id="requirements-not-locked", severity=Severity.WARNING, message=message, path=_file_name(request) or None
    )
    return dataclasses.replace(resolution, findings=(*resolution.findings, finding))


def _with_age_finding(record: Record, now: datetime) -> Resolution:
    message = (
        f"The index can't be reached, so the versions of {record.created:%Y-%m-%d %H:%M} UTC are used, "
        f"{(now - record.created).days} days old. Check the connection, or raise max_lock_age."
    )
    finding = Finding(id="index-unreachable", severity=Severity.WARNING, message=message)
    return dataclasses.replace(record.resolution, findings=(*record.resolution.findings, finding))
