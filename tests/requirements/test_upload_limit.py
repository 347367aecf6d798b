"""The forms in which a limit on upload times can be given."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.requirements.supply_chain_values import read_upload_limit

NOW = datetime(2026, 6, 15, 23, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        ("2026-01-02", "2026-01-02T00:00:00+00:00"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00"),
        ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05+00:00"),
        ("2026-01-02 03:04", "2026-01-02T03:04:00+00:00"),
        (date(2026, 1, 2), "2026-01-02T00:00:00+00:00"),
        (datetime(2026, 1, 2, 3), "2026-01-02T03:00:00+00:00"),  # noqa: DTZ001 - what is tested
        (datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=1))), "2026-01-02T02:00:00+00:00"),
        ("7d", "2026-06-08T00:00:00+00:00"),
        ("P7D", "2026-06-08T00:00:00+00:00"),
        (" p14d ", "2026-06-01T00:00:00+00:00"),
        (timedelta(days=7), "2026-06-08T00:00:00+00:00"),
        (timedelta(hours=36), "2026-06-13T12:00:00+00:00"),
    ],
)
def test_dates_are_utc_and_durations_count_from_the_beginning_of_the_day(value, instant):
    assert read_upload_limit(value, NOW).instant.isoformat() == instant


@pytest.mark.parametrize("value", [None, "0d", timedelta(0)])
def test_nothing_and_a_duration_of_nothing_are_no_limit(value):
    assert read_upload_limit(value, NOW) is None


def test_a_duration_is_the_same_in_all_its_forms_and_on_all_days():
    values = ["7d", "P7D", timedelta(days=7)]
    assert len({read_upload_limit(value, NOW + timedelta(days=day)).text for day in (0, 3) for value in values}) == 1


@pytest.mark.parametrize("value", ["", "soon", "-7d", "7", "7h", "P1M", 7, True, timedelta(days=-1), "999999d"])
def test_what_is_neither_is_refused_with_what_is_accepted(value):
    with pytest.raises(OptionError, match=r"^uploaded_prior_to is .*; accepted is a date .*such as 7d or P7D"):
        read_upload_limit(value, NOW)
