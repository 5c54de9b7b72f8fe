"""Sizes and durations, in Docker's and Go's spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier.model import quantities


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0B"), (999, "999B"), (1000, "1kB"), (13_260, "13.26kB"), (7_049_000, "7.049MB"), (1_500_000_000, "1.5GB")],
)
def test_decimal_sizes_have_four_digits(count: int, text: str):
    assert quantities.decimal_size(count) == text


def test_image_sizes_have_three_digits():
    assert quantities.decimal_size(7_049_000, 3) == "7.05MB"
    assert quantities.decimal_size(999_999, 3) == "1000kB"


def test_memory_is_binary():
    assert quantities.binary_size(1 << 20) == "1MiB"
    assert quantities.binary_size(1_610_612_736) == "1.5GiB"


@pytest.mark.parametrize(
    ("text", "count"),
    [("1024", 1024), ("512m", 512 << 20), ("1g", 1 << 30), ("1.5GiB", 3 << 29), ("2kb", 2048), ("10 MB", 10 << 20)],
)
def test_typed_sizes_are_binary(text: str, count: int):
    assert quantities.parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "m", "x", "1x", "-5", "1.2.3", "0x10", "1e3", "١"])
def test_what_is_no_size_is_refused(text: str):
    with pytest.raises(ValueError, match="invalid size"):
        quantities.parse_bytes(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1h2m3.5s", 3723.5), ("300ms", 0.3), ("0", 0), ("-10s", -10), ("1.5h", 5400), ("2µs", 2e-6)]
)
def test_go_durations_are_read(text: str, seconds: float):
    assert quantities.parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "10", "s", "1x", "1h-", "1..5s", "--1s"])
def test_what_is_no_duration_is_refused(text: str):
    with pytest.raises(ValueError, match="duration"):
        quantities.parse_duration(text)


@given(st.integers(min_value=0, max_value=10**15))
def test_printed_durations_read_back(nanos: int):
    text = quantities.go_duration(nanos / 1e9)
    assert quantities.parse_duration(text) == pytest.approx(nanos / 1e9)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "Less than a second"),
        (1, "1 second"),
        (47, "47 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (180, "3 minutes"),
        (3600, "About an hour"),
        (7200, "2 hours"),
        (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
        (14 * 86400, "2 weeks"),
        (61 * 86400, "2 months"),
        (800 * 86400, "2 years"),
    ],
)
def test_ages_are_dockers(seconds: float, text: str):
    assert quantities.human_duration(seconds) == text


@given(st.text(max_size=10))
def test_any_text_is_read_or_refused(text: str):
    for read in (quantities.parse_bytes, quantities.parse_duration):
        try:
            read(text)
        except ValueError as exc:
            assert str(exc)
