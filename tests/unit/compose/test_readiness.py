"""When a container is what others wait for, and the words for when it never will be."""

from __future__ import annotations

import pytest

from pier.compose import readiness
from pier.compose.model import COMPLETED, HEALTHY, STARTED
from pier.compose.readiness import PENDING, READY, RUNNING_OR_HEALTHY, Judgement
from pier.model.container import Container, ContainerSpec, ContainerState, Health, Healthcheck, HealthProbe

CHECK = Healthcheck(test=("CMD-SHELL", "pg_isready"), interval=2 * 10**9, timeout=3 * 10**9, retries=5)


def container(*, check: Healthcheck | None = None, health: Health | None = None, **state: object) -> Container:
    spec = ContainerSpec(
        id="1" * 64, name="demo-db-1", created="2026-01-01T00:00:00Z", image="x", image_id="sha256:1", healthcheck=check
    )
    return Container(spec=spec, state=ContainerState(health=health, **state))  # type: ignore[arg-type]


RUNNING = {"status": "running", "started_at": "2026-01-01T00:00:01Z"}
EXITED = {"status": "exited", "started_at": "2026-01-01T00:00:01Z"}


@pytest.mark.parametrize(
    ("found", "condition", "judgement"),
    [
        (container(), STARTED, PENDING),
        (container(**RUNNING), STARTED, READY),
        (container(**EXITED), STARTED, READY),
        (container(**RUNNING), COMPLETED, PENDING),
        (container(**EXITED), COMPLETED, READY),
        (container(**EXITED, exit_code=3), COMPLETED, Judgement(verdict="failed", reason="exited")),
        (container(**RUNNING), HEALTHY, Judgement(verdict="failed", reason="no healthcheck")),
        (container(**RUNNING), RUNNING_OR_HEALTHY, READY),
        (container(), RUNNING_OR_HEALTHY, PENDING),
        (container(status="restarting"), RUNNING_OR_HEALTHY, PENDING),
        (container(check=CHECK, health=Health(), **RUNNING), HEALTHY, PENDING),
        (container(check=CHECK, health=Health(status="healthy"), **RUNNING), HEALTHY, READY),
        (container(check=CHECK, health=Health(status="healthy"), **RUNNING), RUNNING_OR_HEALTHY, READY),
        (
            container(check=CHECK, health=Health(status="unhealthy"), **RUNNING),
            HEALTHY,
            Judgement(verdict="failed", reason="unhealthy"),
        ),
        (container(check=CHECK, **EXITED), HEALTHY, Judgement(verdict="failed", reason="exited")),
        (container(check=Healthcheck(test=("NONE",)), **RUNNING), RUNNING_OR_HEALTHY, READY),
    ],
)
def test_the_state_alone_decides(found: Container, condition: str, judgement: Judgement) -> None:
    assert readiness.judge(found, condition) == judgement


def test_every_wait_for_health_has_a_limit_made_of_the_checks_own_numbers() -> None:
    assert readiness.limit_seconds(CHECK) == 6 * 5 + 10
    assert readiness.limit_seconds(CHECK.replace(start_period=60 * 10**9)) == 6 * 5 + 70
    assert readiness.limit_seconds(Healthcheck(test=("CMD", "x"))) == 4 * 60 + 10
    text = readiness.describe_wait("db", container(check=CHECK), HEALTHY, 7.2)
    assert text == "waiting for db to be healthy, 7s of at most 40s"


def test_an_unhealthy_dependency_is_told_with_probe_attempts_and_log() -> None:
    probe = HealthProbe(start="", end="", exit_code=2, output="no response\n")
    found = container(check=CHECK, health=Health(status="unhealthy", failing_streak=5, log=(probe,)), **RUNNING)
    error = readiness.unhealthy_failure("db", found, ["one\n", "two\n"], dependency=True)
    assert error.message == "dependency failed to start: container demo-db-1 is unhealthy"
    assert error.why.split("\n") == [
        "last probe (attempt 5/5): pg_isready: exit code 2: no response",
        "no start_period is set: failures count from the first probe on",
        "its last words:",
        "one",
        "two",
    ]


def test_a_probe_that_hung_is_told() -> None:
    probe = HealthProbe(start="", end="", exit_code=-1, output="")
    found = container(check=CHECK, health=Health(status="unhealthy", failing_streak=5, log=(probe,)), **RUNNING)
    assert "pg_isready: timed out, no output" in readiness.unhealthy_failure("db", found, [], dependency=True).why


@pytest.mark.parametrize(
    ("log", "hint"),
    [
        (["connection to 127.0.0.1, port 5432 failed: Connection refused\n"], "inside a container localhost is the"),
        (['could not translate host name "db" to address\n'], "services find each other by service name"),
        (['FATAL:  password authentication failed for user "demo"\n'], "the database keeps the password its volume"),
        (["NameError: name 'app' is not defined\n"], "pier compose logs api"),
    ],
)
def test_a_death_is_explained_by_its_last_words(log: list[str], hint: str) -> None:
    error = readiness.exit_failure("api", container(**EXITED, exit_code=1), log, dependency=False)
    assert error.message == "service api: container demo-db-1 exited (1)"
    assert error.why.endswith(log[0].rstrip())
    assert error.hint.startswith(hint)


def test_a_silent_death_says_so() -> None:
    found = container(**EXITED, exit_code=1)
    assert readiness.exit_failure("api", found, [], dependency=False).why == "it wrote nothing"
