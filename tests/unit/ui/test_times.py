"""Ages and states in Docker's words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier.model.container import ContainerState, Health
from pier.ui import times

NOW = times.epoch("2026-03-01T12:00:00Z")


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2100, 1, 1)), st.integers(-720, 720))
def test_rfc_3339_times_are_read_exactly(moment: datetime, minutes: int):
    there = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert times.epoch(there.isoformat()) == pytest.approx(there.timestamp(), abs=1e-5)


def test_zulu_and_never_are_read():
    assert times.epoch("2026-01-02T03:04:05.5Z") == datetime(2026, 1, 2, 3, 4, 5, 500000, UTC).timestamp()
    assert times.epoch("") == times.epoch("0001-01-01T00:00:00Z") == 0


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (ContainerState(), "Created"),
        (ContainerState(status="running", started_at="2026-03-01T11:57:00Z"), "Up 3 minutes"),
        (
            ContainerState(status="running", started_at="2026-03-01T11:59:57Z", health=Health(status="healthy")),
            "Up 3 seconds (healthy)",
        ),
        (
            ContainerState(status="running", started_at="2026-03-01T11:59:57Z", health=Health()),
            "Up 3 seconds (health: starting)",
        ),
        (ContainerState(status="paused", started_at="2026-03-01T11:00:00Z"), "Up About an hour (Paused)"),
        (
            ContainerState(status="exited", exit_code=1, finished_at="2026-03-01T11:55:00Z"),
            "Exited (1) 5 minutes ago",
        ),
        (
            ContainerState(status="restarting", exit_code=2, finished_at="2026-03-01T11:59:59Z"),
            "Restarting (2) 1 second ago",
        ),
        (ContainerState(status="dead"), "Dead"),
    ],
)
def test_states_are_said_as_ps_says_them(state: ContainerState, text: str):
    assert times.status(state, NOW) == text
