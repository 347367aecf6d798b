"""The rules of the supply chain: whether what was resolved or locked is what the request allows, and the text of each refusal.

pip is held to the same rules while it resolves. These checks read what came of it, and what was never resolved: a committed
lock, and what the store remembers.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cdk_lambda_package.errors import Finding, Severity, SupplyChainError
from cdk_lambda_package.requirements.resolution import LockedWheel, Resolution, ResolutionRequest
from cdk_lambda_package.urls import host_of, is_allowed, local_path, show_url

_ARCHIVES = (".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".zip")


def check_resolution(resolution: Resolution, asked: ResolutionRequest) -> Resolution:
    """Return the resolution, with a finding where it can't be told whether it is what the request allows.

    Raises `SupplyChainError` naming everything that it doesn't allow.
    """
    late = (line for wheel in resolution.wheels for line in _late(_name(wheel), wheel.upload_time, asked))
    _raise([*_unhashable(resolution, asked), *_foreign(resolution, asked), *late])
    findings = (*resolution.findings, *_undated(resolution, asked))
    return dataclasses.replace(resolution, findings=findings)


def refuse_sources(sources: Iterable[tuple[Any, Any]], asked: ResolutionRequest) -> None:
    """Raise `SupplyChainError` for sources of a lock that aren't allowed, before any of their code runs.

    Each is a package of the lock (`packaging.pylock.Package`) and its sdist, archive, directory or checkout.
    """
    problems: list[str] = []
    for package, file in sources:
        name, url = f"{package.name} {package.version or ''}".strip(), getattr(file, "url", None)
        time = getattr(file, "upload_time", None)
        if asked.only_index is not None and url and not is_allowed(url, asked.only_index):
            problems.append(explain_file(name, url))
        problems += _late(name, time, asked)
    _raise(problems)


def refuse_late(rows: Iterable[Mapping[str, Any]], asked: ResolutionRequest) -> None:
    """Raise `SupplyChainError` for files that pip chose and that were uploaded too late, before any is built."""
    _raise([line for row in rows for line in _late(f"{row['name']} {row['version']}", row.get("upload_time"), asked)])


def explain_index(url: str) -> str:
    """Return why an index isn't asked that `only_index` doesn't allow."""
    return (
        f"{_not_allowed(f'{show_url(url)} would be asked', url)}, or remove it from the requirements file or pip's settings "
        "(`pip config list`, PIP_*)"
    )


def explain_file(what: str, url: str) -> str:
    """Return why a file isn't used that `only_index` doesn't allow."""
    return f"{_not_allowed(f'{what} would come from {show_url(url)}', url)}, or require it from another index"


def _not_allowed(what: str, url: str) -> str:
    host = host_of(url)
    return f"{what}, and only_index doesn't have that host: add {host[0] if host else show_url(url)}"


def _raise(problems: Sequence[str]) -> None:
    if len(problems) == 1:
        raise SupplyChainError(f"{problems[0]}.")
    if problems:
        lines = "".join(f"\n  - {line}." for line in problems)
        raise SupplyChainError(f"{len(problems)} files aren't allowed:{lines}")


def _unhashable(resolution: Resolution, asked: ResolutionRequest) -> Iterator[str]:
    for wheel in resolution.wheels if asked.require_hashes else ():
        if wheel.source and not is_own_project(wheel, asked.entry) and not urlsplit(wheel.url).path.endswith(_ARCHIVES):
            yield (
                f"{_name(wheel)} was built of {show_url(wheel.url)}, which can't be pinned by a hash, and require_hashes "
                "asks for one: build it, and put its wheel into vendor/"
            )


def is_own_project(wheel: LockedWheel, entry: Path) -> bool:
    """Tell whether a wheel was built of the entry directory itself, so that its code is the app's own."""
    is_local = wheel.source and wheel.url.startswith("file:")
    return bool(is_local) and os.path.realpath(local_path(wheel.url)) == os.path.realpath(entry)


def _foreign(resolution: Resolution, asked: ResolutionRequest) -> Iterator[str]:
    if asked.only_index is None:
        return
    for wheel in resolution.wheels:
        places = dict.fromkeys([wheel.url, wheel.index])
        yield from (explain_file(_name(wheel), url) for url in places if not is_allowed(url, asked.only_index))
        for host in [host for host in wheel.build_hosts if not is_allowed(f"https://{host}", asked.only_index)]:
            yield _not_allowed(f"{_name(wheel)} was built with something from {host}", f"https://{host}")


def _undated(resolution: Resolution, asked: ResolutionRequest) -> Iterator[Finding]:
    # Files of this machine aren't from an index; pip's own option ignores them too.
    undated = [_name(wheel) for wheel in resolution.wheels if not wheel.upload_time and host_of(wheel.url)]
    if asked.uploaded_prior_to and undated:
        message = (
            f"It isn't known when {', '.join(undated)} {'was' if len(undated) == 1 else 'were'} uploaded, so it can't be "
            "told whether uploaded_prior_to allows it. Write the lock again with a tool that keeps upload times, such as "
            f"`{asked.lock_command()}`, require it from an index instead of by URL, or acknowledge this warning."
        )
        yield Finding(id="upload-time-unknown", severity=Severity.WARNING, message=message)


def _name(wheel: LockedWheel) -> str:
    return f"{wheel.name} {wheel.version}"


def _late(name: str, time: datetime | str | None, asked: ResolutionRequest) -> Iterator[str]:
    limit, uploaded = asked.uploaded_prior_to, datetime.fromisoformat(time) if isinstance(time, str) and time else time
    if limit and isinstance(uploaded, datetime) and uploaded >= limit.instant:
        yield (
            f"{name} was uploaded {uploaded.isoformat()}, and uploaded_prior_to allows what was before "
            f"{limit.instant.isoformat()}: lock an older version, or wait"
        )
