"""Points in time as people type them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier.cli.moments import moment
from pier.errors import Invalid

NOW = 1_700_000_000.0


def test_a_duration_means_that_long_ago():
    assert moment("42m", NOW) == NOW - 42 * 60
    assert moment("1h30m", NOW) == NOW - 5400
    assert moment("0", NOW) == NOW


def test_a_number_is_a_unix_time():
    assert moment("1700000000", NOW) == 1_700_000_000
    assert moment("1700000000.5", NOW) == 1_700_000_000.5


def test_a_zoned_stamp_is_exact():
    assert moment("2023-11-14T22:13:20Z", NOW) == NOW
    assert moment("2023-11-14T23:13:20+01:00", NOW) == NOW


def test_a_stamp_without_a_zone_is_this_machines(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", "Etc/GMT-3")
    time.tzset()
    try:
        assert moment("2023-11-15T01:13:20", NOW) == NOW
    finally:
        monkeypatch.undo()
        time.tzset()


@given(st.text(max_size=24))
def test_anything_else_is_refused_in_words(text: str):
    try:
        assert isinstance(moment(text, NOW), float)
    except Invalid as exc:
        assert "invalid time" in exc.message
