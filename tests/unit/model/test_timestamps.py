"""RFC 3339 against the standard library."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier.model import timestamps

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))
_OFFSETS = st.integers(-14 * 60, 14 * 60)


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


@given(_MOMENTS)
def test_every_moment_is_read_as_the_standard_library_reads_it(moment: datetime) -> None:
    assert timestamps.parse(moment.isoformat()) == _nanoseconds(moment)


@given(_MOMENTS, _OFFSETS)
def test_an_offset_from_utc_is_taken_off(moment: datetime, minutes: int) -> None:
    there = moment.astimezone(timezone(timedelta(minutes=minutes)))
    assert timestamps.parse(there.isoformat()) == _nanoseconds(moment)


@given(st.integers(0, 253402300799 * 10**9))
def test_what_is_written_is_read_again_to_the_nanosecond(ns: int) -> None:
    text = timestamps.rfc3339(ns)
    assert timestamps.parse(text) == ns
    assert datetime.fromisoformat(text[:19] + "Z") == _EPOCH + timedelta(seconds=ns // 10**9)


@given(st.integers(0, 253402300799 * 10**9), st.integers(0, 253402300799 * 10**9))
def test_texts_sort_as_moments_do(one: int, other: int) -> None:
    assert (timestamps.rfc3339(one) < timestamps.rfc3339(other)) == (one < other)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-23", 1795392000),
        ("2026-11-23T18:00", 1795456800),
        ("2026-11-23T18:00:01", 1795456801),
        ("2026-11-23 18:00:01", 1795456801),
        ("2026-11-23T18:00:01z", 1795456801),
        ("1969-12-31T23:59:59Z", -1),
    ],
)
def test_shorter_forms_count_as_their_beginning_in_utc(text: str, seconds: int) -> None:
    assert timestamps.parse(text) == seconds * 10**9


@pytest.mark.parametrize("text", ["", "now", "2026-13-01", "2026-00-10", "2026-02-30", "2026-01-01T25:00:00Z", "10m"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        timestamps.parse(text)
