"""Whether what was resolved or locked is what `require_hashes`, `uploaded_prior_to` and `only_index` allow. Pure.

pip was held to the same rules while it resolved. This looks at what came of it, and at what was never resolved: a lock
that somebody committed, and what the store remembers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cdk_lambda_package.errors import Finding, Severity, SupplyChainError
from cdk_lambda_package.requirements.lock_file import lock_command
from cdk_lambda_package.urls import host_of, is_allowed, show_url

if TYPE_CHECKING:
    from packaging.pylock import Package

    from cdk_lambda_package.requirements.resolution import LockedWheel, Resolution, ResolutionRequest
    from cdk_lambda_package.requirements.upload_limit import UploadLimit


def check_resolution(resolution: Resolution, asked: ResolutionRequest) -> Resolution:
    """Return the resolution, with a finding where it can't be told whether it is what the request allows.

    Raises `SupplyChainError` naming everything that it doesn't allow.
    """
    _raise([*_find_unhashable(resolution, asked), *_find_foreign(resolution, asked), *_find_late(resolution, asked)])
    findings = (*resolution.findings, *_find_undated(resolution, asked))
    return dataclasses.replace(resolution, findings=findings)


def refuse_sources(sources: Iterable[tuple[Package, Any]], asked: ResolutionRequest) -> None:
    """Raise `SupplyChainError` for sources of a lock that aren't allowed, before any code of theirs runs.

    Each is a package of the lock with what it is to be built of: an sdist, an archive, a directory or a checkout.
    """
    problems: list[str] = []
    for package, file in sources:
        name, url = f"{package.name} {package.version or ''}".strip(), getattr(file, "url", None)
        time = getattr(file, "upload_time", None)
        if asked.only_index is not None and url and not is_allowed(url, asked.only_index):
            problems.append(_tell_foreign(name, url))
        if asked.uploaded_prior_to and time and time >= asked.uploaded_prior_to.instant:
            problems.append(_tell_late(name, time.isoformat(), asked.uploaded_prior_to))
    _raise(problems)


def refuse_late(rows: Iterable[Mapping[str, Any]], asked: ResolutionRequest) -> None:
    """Raise `SupplyChainError` for what pip chose and was uploaded too late, before anything of it is built."""
    limit = asked.uploaded_prior_to
    known = [row for row in rows if row.get("upload_time")] if limit else []
    _raise(
        [
            _tell_late(f"{row['name']} {row['version']}", row["upload_time"], limit)
            for row in known
            if limit and datetime.fromisoformat(row["upload_time"]) >= limit.instant
        ]
    )


def _raise(problems: Sequence[str]) -> None:
    if len(problems) == 1:
        raise SupplyChainError(problems[0])
    if problems:
        raise SupplyChainError(f"{len(problems)} files aren't allowed:" + "".join(f"\n  - {line}" for line in problems))


def _find_unhashable(resolution: Resolution, asked: ResolutionRequest) -> Iterator[str]:
    for wheel in resolution.wheels if asked.require_hashes else ():
        if wheel.source and not urlsplit(wheel.url).path.endswith((".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".zip")):
            yield (
                f"{_name(wheel)} was built of {show_url(wheel.url)}, which can't be pinned by a hash, and require_hashes "
                "asks for one: build it, and put its wheel into vendor/."
            )


def _find_foreign(resolution: Resolution, asked: ResolutionRequest) -> Iterator[str]:
    if asked.only_index is None:
        return
    for wheel in resolution.wheels:
        places = dict.fromkeys([wheel.url, wheel.index])
        for url in [url for url in places if not is_allowed(url, asked.only_index)]:
            yield _tell_foreign(_name(wheel), url)
        for host in [host for host in wheel.build_hosts if not is_allowed(f"https://{host}", asked.only_index)]:
            yield (
                f"{_name(wheel)} was built with something from {host}, and only_index doesn't have that host: "
                f"{_add(f'https://{host}')}."
            )


def _find_late(resolution: Resolution, asked: ResolutionRequest) -> Iterator[str]:
    limit = asked.uploaded_prior_to
    for wheel in resolution.wheels if limit else ():
        if limit and wheel.upload_time and datetime.fromisoformat(wheel.upload_time) >= limit.instant:
            yield _tell_late(_name(wheel), wheel.upload_time, limit)


def _find_undated(resolution: Resolution, asked: ResolutionRequest) -> Iterator[Finding]:
    # What lies on this machine isn't from an index; pip's own option passes it over too.
    undated = [_name(wheel) for wheel in resolution.wheels if not wheel.upload_time and host_of(wheel.url)]
    if asked.uploaded_prior_to and undated:
        command = lock_command(asked.entry, (asked.target,), requirements=asked.requirements)
        message = (
            f"It isn't known when {', '.join(undated)} {'was' if len(undated) == 1 else 'were'} uploaded, so it can't be "
            "told whether uploaded_prior_to allows it. Write the lock again with a tool that keeps upload times, such as "
            f"`{command}`, require it from an index instead of by URL, or acknowledge this warning."
        )
        yield Finding(id="upload-time-unknown", severity=Severity.WARNING, message=message)


def _tell_foreign(name: str, url: str) -> str:
    return f"{name} comes from {show_url(url)}, and only_index doesn't have that host: {_add(url)}."


def _tell_late(name: str, time: str, limit: UploadLimit) -> str:
    return (
        f"{name} was uploaded {time}, and uploaded_prior_to allows what was before {limit.instant.isoformat()}: lock an "
        "older version, or wait."
    )


def _name(wheel: LockedWheel) -> str:
    return f"{wheel.name} {wheel.version}"


def _add(url: str) -> str:
    host = host_of(url)
    return f"require it from another index, or add {host[0] if host else url}"
