"""Restart policies."""

from __future__ import annotations

import pytest

from pier.model.container import RestartPolicy
from pier.runtime import restart


@pytest.mark.parametrize(
    ("policy", "exit_code", "restarts", "again"),
    [
        (RestartPolicy(), 1, 0, False),
        (RestartPolicy(name="always"), 0, 99, True),
        (RestartPolicy(name="unless-stopped"), 0, 99, True),
        (RestartPolicy(name="on-failure"), 0, 0, False),
        (RestartPolicy(name="on-failure"), 1, 99, True),
        (RestartPolicy(name="on-failure", maximum=2), 1, 1, True),
        (RestartPolicy(name="on-failure", maximum=2), 1, 2, False),
        (RestartPolicy(name="on-failure", maximum=2), 137, 0, True),
    ],
)
def test_a_policy_decides_by_exit_code_and_count(
    policy: RestartPolicy, exit_code: int, restarts: int, again: bool
) -> None:
    assert restart.wanted(policy, exit_code=exit_code, restarts=restarts, stopped_by_user=False) == again


@pytest.mark.parametrize("name", ["always", "unless-stopped", "on-failure"])
def test_no_policy_overrules_the_user(name: str) -> None:
    assert not restart.wanted(RestartPolicy(name=name), exit_code=1, restarts=0, stopped_by_user=True)


def test_waits_double_up_to_a_minute_and_begin_anew_after_a_steady_run() -> None:
    waits = [0.0]
    for _ in range(12):
        waits.append(restart.delay(waits[-1], ran_seconds=0.1))
    assert waits[1:5] == [0.1, 0.2, 0.4, 0.8]
    assert waits[-1] == 60.0
    assert restart.delay(60.0, ran_seconds=10.0) == 0.1
