"""Points in time as people type them for `--since` and `--until`. Pure: now is passed in."""

from __future__ import annotations

import time

from pier.errors import Invalid
from pier.model import timestamps
from pier.model.quantities import parse_duration


def moment(text: str, now: float) -> float:
    """Seconds since 1970 of `42m` (ago), a Unix time, or a date and time; without a zone it is this machine's.

    Invalid for anything else.
    """
    try:
        return now - parse_duration(text)
    except ValueError:
        pass
    try:
        return float(text) if text.isascii() else _stamp(text)
    except ValueError:
        return _stamp(text)


def _stamp(text: str) -> float:
    try:
        seconds = timestamps.parse(text) / 1e9
    except ValueError as exc:
        raise Invalid(
            f"invalid time: {text}", hint="write 42m, 2026-01-31T13:23:37 or seconds since 1970"
        ) from exc
    zoned = text.endswith(("Z", "z")) or ("T" in text and text[-6:-5] in ("+", "-") and text[-3:-2] == ":")
    if zoned:
        return seconds
    # Read as UTC so far; the clock on the wall was meant.
    parts = time.gmtime(seconds)
    return time.mktime((*parts[:6], 0, 0, -1)) + seconds % 1
