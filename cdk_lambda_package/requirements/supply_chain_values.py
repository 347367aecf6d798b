"""Limits of what may be packaged, as values: `uploaded_prior_to` and `only_index`.

A duration counts back from the beginning of the day (UTC), not from the second: on one day, all machines have the same
limit.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.keys import outside_key
from cdk_lambda_package.processes import run_process
from cdk_lambda_package.urls import without_credentials

UPLOAD_LIMITS = (
    "a date or date and time (ISO 8601, UTC unless it says otherwise), or a number of days, such as 7d or P7D"
)

HOSTS = "hosts, such as packages.example.com or packages.example.com:8443, or index URLs, whose host is what counts"

UploadedPriorTo = date | datetime | timedelta | str
"""A day or an instant, or how old a release must be."""

# Those of pip (P7D) and the shorter ones that people write.
_DAYS = re.compile(r"P?(\d{1,5})D", re.IGNORECASE | re.ASCII)
_LONGEST = timedelta(days=99_999)
_HOST = re.compile(
    r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?::\d{1,5})?|\[[0-9a-f:.]+\](?::\d{1,5})?"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadLimit:
    """Files must have been uploaded before `instant`. `text` is what was meant: a duration stays one, whatever the day."""

    text: str
    # What was chosen under a duration holds on later days too, when it allows more.
    instant: datetime = field(metadata=outside_key("`text` is what was meant"))


def read_upload_limit(value: UploadedPriorTo | None, now: datetime) -> UploadLimit | None:
    """Return the limit that holds at `now`; None for no value, and for a duration of nothing.

    A day ends before it begins: files of that day itself are too new. Raises `OptionError`.
    """
    meant = None if value is None else parse_upload_limit(value)
    if isinstance(meant, datetime):
        return UploadLimit(text=meant.isoformat(), instant=meant)
    if not meant:
        return None
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return UploadLimit(text=f"{meant.total_seconds():.0f} s", instant=midnight - meant)


def write_upload_limit(value: UploadedPriorTo) -> str:
    """Return a limit as the command line reads it; a duration that isn't in whole days is the instant that it means today.

    Example:
        `write_upload_limit(timedelta(days=7)) == "7d"`
    """
    meant = parse_upload_limit(value)
    if isinstance(meant, timedelta) and meant % timedelta(days=1):
        meant = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - meant
    return f"{meant.days}d" if isinstance(meant, timedelta) else meant.isoformat()


def stricter_limit(one: UploadedPriorTo, other: UploadedPriorTo) -> UploadedPriorTo:
    """Return the limit that lets in less today. Raises `OptionError`."""
    now = datetime.now(UTC)
    limits = [(read_upload_limit(value, now), value) for value in (one, other)]
    given = [(limit.instant, value) for limit, value in limits if limit is not None]
    return min(given, key=lambda pair: pair[0])[1] if given else one


def parse_upload_limit(value: object) -> datetime | timedelta:
    """Return the instant (UTC) or the duration that a value stands for. Raises `OptionError`."""
    parsed = _parse_text(value) if isinstance(value, str) else value
    if isinstance(parsed, timedelta) and timedelta(0) <= parsed <= _LONGEST:
        return parsed
    if isinstance(parsed, date):
        whole = parsed if isinstance(parsed, datetime) else datetime(parsed.year, parsed.month, parsed.day)  # noqa: DTZ001
        # pip takes the local zone where none is given; a limit shouldn't be another one on each machine.
        return whole.replace(tzinfo=UTC) if whole.tzinfo is None else whole.astimezone(UTC)
    raise OptionError(f"uploaded_prior_to is {value!r}; accepted is {UPLOAD_LIMITS}.")


def _parse_text(text: str) -> datetime | timedelta | None:
    if match := _DAYS.fullmatch(text.strip()):
        return timedelta(days=int(match[1]))
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        return None


def read_hosts(values: Iterable[str]) -> tuple[str, ...]:
    """Return the hosts in `only_index`, in lower case, as `name` or `name:port`.

    Raises `OptionError` for a value without a host; its message has no credentials.

    Example:
        `read_hosts(["https://me:secret@Packages.example.com/simple"])` is `("packages.example.com",)`.
    """
    return tuple(dict.fromkeys(map(_read_host, values)))


def allowed_hosts(values: Iterable[str]) -> tuple[str, ...]:
    """Return the hosts that files may come from: the default index brings the host of its files along.

    Raises `OptionError` as `read_hosts` does.
    """
    hosts = read_hosts(values)
    default = default_index()
    return (*hosts, default.file_host) if default is not None and default.host in hosts else hosts


def _read_host(value: str) -> str:
    text = value.strip().lower()
    # Not urlsplit, which has errors of its own for what is none.
    host = re.split(r"[/?#]", text.partition("://")[2])[0].rpartition("@")[2] if "://" in text else text.rstrip("/")
    if not _HOST.fullmatch(host):
        raise OptionError(f"only_index has {without_credentials(value)!r}; accepted are {HOSTS}.")
    return host


_PRINT_DEFAULT_INDEX = """
import json
from pip._internal.models.index import PyPI
print(json.dumps([PyPI.simple_url, PyPI.netloc, PyPI.file_storage_domain]))
"""


@dataclass(frozen=True, slots=True)
class DefaultIndex:
    """The `url` of its pages in the simple repository API (PEP 503), its `host`, and the `file_host` of its files."""

    url: str
    host: str
    file_host: str


@cache
def default_index() -> DefaultIndex | None:
    """Return the index that pip uses by default, as the installed pip knows it; None if no pip is installed."""
    # In a process of its own: pip's modules aren't for others to import, and the library doesn't name any registry.
    done = run_process([sys.executable, "-P", "-c", _PRINT_DEFAULT_INDEX], Path.cwd(), os.environ)
    return DefaultIndex(*json.loads(done.output.splitlines()[-1])) if done.status == 0 else None
