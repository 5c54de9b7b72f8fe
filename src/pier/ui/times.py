"""Ages and states in Docker's words: `Up 3 minutes (healthy)`, `Exited (1) 5 minutes ago`. The clock is passed in."""

from __future__ import annotations

import time

from pier.model.quantities import human_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.model.container import ContainerState

_DAYS_TO_MONTH = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)


def epoch(text: str) -> float:
    """Seconds since 1970 of an RFC 3339 time (`2026-01-02T03:04:05.678+01:00`); 0 for "". ValueError otherwise."""
    if not text or text.startswith("0001-"):
        return 0.0
    year, month, day = int(text[0:4]), int(text[5:7]), int(text[8:10])
    hour, minute, second = int(text[11:13]), int(text[14:16]), int(text[17:19])
    rest = text[19:]
    fraction = 0.0
    if rest.startswith("."):
        digits = rest[1 : len(rest) - len(rest[1:].lstrip("0123456789"))] if rest[1:].lstrip("0123456789") else rest[1:]
        fraction = float("0." + digits)
        rest = rest[1 + len(digits) :]
    leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
    before = year - 1
    days = before * 365 + before // 4 - before // 100 + before // 400 - 719162
    days += _DAYS_TO_MONTH[month - 1] + (leap and month > 2) + day - 1
    return days * 86400 + hour * 3600 + minute * 60 + second + fraction - _offset(rest)


def _offset(text: str) -> int:
    if text in ("", "Z", "z"):
        return 0
    if text[0] not in "+-" or len(text) != 6 or text[3] != ":":
        raise ValueError(f"not a time zone: {text}")
    seconds = int(text[1:3]) * 3600 + int(text[4:6]) * 60
    return -seconds if text[0] == "-" else seconds


def ago(then: float, now: float) -> str:
    """`5 minutes ago`."""
    return human_duration(now - then) + " ago"


def local(seconds: float) -> str:
    """`2026-01-02 03:04:05 +0100 CET`: the CreatedAt of Docker's lists."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(seconds))


def status(state: ContainerState, now: float) -> str:
    """The STATUS column of `ps`."""
    kind = state.status
    if kind in ("running", "paused"):
        text = f"Up {human_duration(now - epoch(state.started_at))}"
        if kind == "paused":
            return text + " (Paused)"
        if state.health is None:
            return text
        health = "health: starting" if state.health.status == "starting" else state.health.status
        return f"{text} ({health})"
    if kind == "restarting":
        return f"Restarting ({state.exit_code}) {ago(epoch(state.finished_at), now)}"
    if kind == "exited":
        return f"Exited ({state.exit_code}) {ago(epoch(state.finished_at), now)}"
    return {"created": "Created", "removing": "Removal In Progress", "dead": "Dead"}[kind]
