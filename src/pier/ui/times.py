"""Ages and states in Docker's words: `Up 3 minutes (healthy)`, `Exited (1) 5 minutes ago`. The clock is passed in."""

from __future__ import annotations

import time

from pier.model import timestamps
from pier.model.quantities import human_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.model.container import ContainerState


def epoch(text: str) -> float:
    """Seconds since 1970 of an RFC 3339 time; 0 for "" and for the year 1, which both mean never. ValueError."""
    return 0.0 if not text or text.startswith("0001-") else timestamps.parse(text) / 1e9


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
