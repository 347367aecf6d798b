"""The limit on when files were uploaded: `uploaded_prior_to` in all its forms.

A duration counts back from the beginning of the day (UTC), not from the second: whoever synthesizes on one day, on
whatever machine, has the same limit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from cdk_lambda_package.errors import OptionError

ACCEPTED = "a date or date and time (ISO 8601, UTC unless it says otherwise), or a number of days, such as 7d or P7D"

UploadedPriorTo = date | datetime | timedelta | str
"""A day or an instant, or how old a release must be."""

# Those of pip (P7D) and the shorter ones that people write.
_DAYS = re.compile(r"P?(\d{1,5})D", re.IGNORECASE | re.ASCII)
_LONGEST = timedelta(days=99_999)


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadLimit:
    """Files must have been uploaded before `instant`. `text` is what was meant: a duration stays one, whatever the day."""

    text: str
    instant: datetime


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
    raise OptionError(f"uploaded_prior_to is {value!r}; accepted is {ACCEPTED}.")


def _parse_text(text: str) -> datetime | timedelta | None:
    if match := _DAYS.fullmatch(text.strip()):
        return timedelta(days=int(match[1]))
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        return None
