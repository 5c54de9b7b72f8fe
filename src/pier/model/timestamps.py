"""RFC 3339 time stamps with nanoseconds, always UTC. Pure: the clock is read by the caller."""

from __future__ import annotations

import time

ZERO = "0001-01-01T00:00:00Z"
_NANOSECONDS = 1_000_000_000


def rfc3339(ns: int) -> str:
    """*ns* since the epoch as "2026-11-23T18:00:00.123456789Z"."""
    seconds, fraction = divmod(ns, _NANOSECONDS)
    t = time.gmtime(seconds)
    day = f"{t.tm_year:04}-{t.tm_mon:02}-{t.tm_mday:02}T{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02}"
    return f"{day}.{fraction:09}Z"


def parse(text: str) -> int:
    """Nanoseconds since the epoch of an RFC 3339 stamp; a missing zone is UTC. ValueError."""
    body, offset = _split_zone(text)
    date, _, clock = body.replace(" ", "T").partition("T")
    year, month, day = (int(part) for part in date.split("-"))
    hour, minute, second = [*clock.split(":"), "0", "0"][:3] if clock else ("0", "0", "0")
    whole, _, fraction = second.partition(".")
    seconds = _epoch_seconds(year, month, day, int(hour), int(minute), int(whole)) - offset
    return seconds * _NANOSECONDS + int((fraction + "0" * 9)[:9] or "0")


def _split_zone(text: str) -> tuple[str, int]:
    """(the part before the zone, its offset from UTC in seconds)."""
    if text.endswith(("Z", "z")):
        return text[:-1], 0
    sign = text[-6:-5]
    if sign in ("+", "-") and text[-3:-2] == ":" and "T" in text:
        seconds = int(text[-5:-3]) * 3600 + int(text[-2:]) * 60
        return text[:-6], seconds if sign == "+" else -seconds
    return text, 0


def _days(year: int, month: int) -> int:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if month == 2 and leap else (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]


def _epoch_seconds(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int:
    """The proleptic Gregorian calendar, counted from 1970."""
    if not (1 <= month <= 12 and 1 <= day <= _days(year, month) and hour < 24 and minute < 60 and second < 61):
        raise ValueError("no such time")
    shifted = year - (month <= 2)
    era = shifted // 400
    year_of_era = shifted - era * 400
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    days = era * 146097 + day_of_era - 719468
    return ((days * 24 + hour) * 60 + minute) * 60 + second
