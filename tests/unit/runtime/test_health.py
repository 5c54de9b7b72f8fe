"""How probes make a container's health."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier.model.container import Health, Healthcheck, HealthProbe
from pier.runtime.health import command_of, judge

_PROBES = st.lists(st.tuples(st.integers(-1, 2), st.booleans()), max_size=20)


def _probe(exit_code: int) -> HealthProbe:
    return HealthProbe(start="", end="", exit_code=exit_code, output="")


def _after(*probes: tuple[int, bool], retries: int = 3) -> Health:
    health = Health()
    for exit_code, in_start_period in probes:
        health = judge(health, _probe(exit_code), retries=retries, in_start_period=in_start_period)
    return health


def test_one_success_is_healthy() -> None:
    assert _after((0, False)).status == "healthy"
    assert _after((1, False), (1, False), (0, False)).failing_streak == 0


def test_failures_in_a_row_are_unhealthy_and_fewer_are_not() -> None:
    assert _after((1, False), (1, False)).status == "starting"
    assert _after((1, False), (1, False), (1, False)).status == "unhealthy"
    assert _after((0, False), (1, False), (1, False)).status == "healthy"
    assert _after((0, False), *[(1, False)] * 3).status == "unhealthy"


def test_failures_of_the_start_period_do_not_count() -> None:
    assert _after(*[(1, True)] * 9).status == "starting"
    assert _after(*[(1, True)] * 9, (1, False)).failing_streak == 1


def test_the_start_period_ends_with_the_first_success() -> None:
    assert _after((0, True), *[(1, True)] * 3).status == "unhealthy"


def test_an_unhealthy_container_recovers() -> None:
    assert _after(*[(1, False)] * 5, (0, False)).status == "healthy"


@given(_PROBES, st.integers(1, 4))
def test_the_streak_counts_the_failures_since_the_last_success(probes: list[tuple[int, bool]], retries: int) -> None:
    health = _after(*probes, retries=retries)
    assert [probe.exit_code for probe in health.log] == [code for code, _ in probes][-5:]
    assert (health.status == "unhealthy") == (health.failing_streak >= retries)
    assert health.failing_streak <= len(probes)


@pytest.mark.parametrize(
    ("test", "words"),
    [
        (("CMD", "pg_isready", "-U", "demo"), ("pg_isready", "-U", "demo")),
        (("CMD-SHELL", "curl -f http://localhost || exit 1"), ("/bin/sh", "-c", "curl -f http://localhost || exit 1")),
    ],
)
def test_a_test_becomes_words(test: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert command_of(Healthcheck(test=test), ("/bin/sh", "-c")) == words


def test_none_switches_a_check_off() -> None:
    assert not Healthcheck(test=("NONE",)).enabled and not Healthcheck().enabled
    assert Healthcheck(test=("CMD", "true")).enabled
