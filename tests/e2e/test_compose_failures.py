"""What goes wrong in a project is told by name, with the facts, in bounded time, and by the exit code."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from e2e.composing import Project
from harness import Pier


@pytest.fixture
def project(pier: Pier, tmp_path: Path) -> Project:
    folder = tmp_path / "demo"
    folder.mkdir()
    return Project(pier, folder)


DYING = """\
services:
  app:
    image: busybox
    command: [sh, -c, 'echo starting; echo "NameError: no app" >&2; exit 3']
  good:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
"""


@pytest.mark.parametrize("how", [("-d",), ("-d", "--wait")], ids=" ".join)
def test_up_notices_a_service_that_dies_at_once(project: Project, how: tuple[str, ...]) -> None:
    refused = project.write(DYING).fails("up", *how)
    assert "Error: service app: container demo-app-1 exited (3)" in refused.err
    assert "NameError: no app" in refused.err
    assert "fix: pier compose logs app" in refused.err
    assert project.states() == {"demo-app-1": "exited", "demo-good-1": "running"}


def test_up_waits_for_a_server_that_takes_a_moment_to_fail(project: Project, free_port: int) -> None:
    project.write(f"""\
        services:
          app:
            image: busybox
            command: [sh, -c, "sleep 0.5; echo cannot bind >&2; exit 3"]
            ports: ["{free_port}:80"]
        """)
    assert "cannot bind" in project.fails("up", "-d").err


def test_a_server_only_the_container_can_reach_is_warned_about(project: Project, free_port: int) -> None:
    project.write(f"""\
        services:
          app:
            image: busybox
            command: httpd -f -p 127.0.0.1:80
            stop_signal: SIGKILL
            ports: ["{free_port}:80"]
        """)
    warned = project("up", "-d").err
    assert "service app: port 80 is published, but the program listens on 127.0.0.1 only" in warned


def test_an_unhealthy_dependency_is_told_with_its_last_probe(project: Project) -> None:
    project.write("""\
        services:
          app: {image: busybox, command: sleep 1000, depends_on: {db: {condition: service_healthy}}}
          db:
            image: busybox
            command: sh -c 'echo listening nowhere; sleep 1000'
            stop_signal: SIGKILL
            healthcheck: {test: "echo no answer; exit 7", interval: 50ms, timeout: 1s, retries: 2}
        """)
    began = time.monotonic()
    refused = project.fails("up", "-d")
    assert time.monotonic() - began < 15
    assert "dependency failed to start: container demo-db-1 is unhealthy" in refused.err
    assert "last probe (attempt 2/2): echo no answer; exit 7: exit code 7: no answer" in refused.err
    assert "no start_period is set" in refused.err
    assert "listening nowhere" in refused.err
    assert project.states() == {"demo-app-1": "created", "demo-db-1": "running"}


def test_an_old_verdict_is_not_held_against_a_dependency_that_has_recovered(project: Project) -> None:
    project.write("""\
        services:
          app:
            image: busybox
            command: sleep 1000
            stop_signal: SIGKILL
            depends_on: {db: {condition: service_healthy}}
          db:
            image: busybox
            command: sleep 1000
            stop_signal: SIGKILL
            healthcheck: {test: [CMD, test, -f, /ready], interval: 300ms, retries: 1}
        """)
    project.fails("up", "-d")
    project("exec", "-T", "db", "touch", "/ready")
    project("up", "-d")
    assert project.states() == {"demo-app-1": "running", "demo-db-1": "running"}


def test_a_dependency_that_died_and_a_job_that_failed_are_told_apart(project: Project) -> None:
    project.write("""\
        services:
          app: {image: busybox, command: sleep 1000, depends_on: {db: {condition: service_healthy}}}
          db: {image: busybox, command: sh -c 'exit 4', healthcheck: {test: "true", interval: 1s}}
        """)
    assert "dependency failed to start: container demo-db-1 exited (4)" in project.fails("up", "-d").err
    project("down")
    project.write("""\
        services:
          app: {image: busybox, command: sleep 1000, depends_on: {job: {condition: service_completed_successfully}}}
          job: {image: busybox, command: sh -c 'echo no luck; exit 5'}
        """)
    refused = project.fails("up", "-d")
    assert 'service "job" didn\'t complete successfully: exit 5' in refused.err
    assert "no luck" in refused.err


def test_waiting_for_health_nobody_checks_is_refused(project: Project) -> None:
    project.write("""\
        services:
          app: {image: busybox, command: sleep 1000, depends_on: {db: {condition: service_healthy}}}
          db: {image: busybox, command: sleep 1000, stop_signal: SIGKILL}
        """)
    refused = project.fails("up", "-d")
    assert "container demo-db-1 has no healthcheck configured" in refused.err
    assert "fix: add a healthcheck to db" in refused.err


def test_wait_ends_with_its_timeout(project: Project) -> None:
    project.write("""\
        services:
          app:
            image: busybox
            command: sleep 1000
            stop_signal: SIGKILL
            healthcheck: {test: "exit 1", interval: 10s, start_period: 100s, start_interval: 100ms}
        """)
    began = time.monotonic()
    refused = project.fails("up", "-d", "--wait", "--wait-timeout", "1")
    assert 1 <= time.monotonic() - began < 10
    assert "container demo-app-1 was not ready within 1 seconds (running, health: starting)" in refused.err


def test_an_optional_dependency_that_fails_only_warns(project: Project) -> None:
    project.write("""\
        services:
          app:
            image: busybox
            command: sleep 1000
            stop_signal: SIGKILL
            depends_on: {job: {condition: service_completed_successfully, required: false}}
          job: {image: busybox, command: sh -c 'exit 5'}
        """)
    up = project.run("up", "-d", "app")
    assert "optional dependency job failed to start" in up.err
    assert project.states()["demo-app-1"] == "running"


def test_a_command_that_is_not_there_is_told(project: Project) -> None:
    refused = project.write("services:\n  app: {image: busybox, command: nosuchprogram}\n").run("up", "-d")
    assert refused.code == 127
    assert "nosuchprogram" in refused.err


def test_what_is_external_and_missing_is_told(project: Project) -> None:
    project.write("""\
        services:
          app: {image: busybox, command: "true", networks: [out]}
        networks: {out: {external: true, name: elsewhere}}
        """)
    refused = project.fails("up", "-d")
    assert "network elsewhere declared as external, but could not be found" in refused.err
    assert "fix: pier network create elsewhere" in refused.err
    assert project.ids() == {}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("up", "--detatch"), "unknown flag: --detatch"),
        (("upp",), "Did you mean 'pier compose up'?"),
        (("pause",), "Docker Compose command that pier does not have"),
        (("up", "-d", "--abort-on-container-exit"), "--detach cannot be combined with"),
        (("up", "--build", "--no-build"), "--build and --no-build are incompatible"),
        (("up", "--scale", "app"), "write SERVICE=NUMBER"),
        (("exec", "app", "true"), 'service "app" is not running'),
        (("logs", "ap"), "did you mean app?"),
        (("port", "app", "http"), "invalid port: http"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_was_typed_wrong_is_one_clear_error(project: Project, words: tuple[str, ...], told: str) -> None:
    refused = project.write("services:\n  app: {image: busybox, command: sleep 1000}\n").run(*words)
    assert refused.code != 0
    assert "Traceback" not in refused.err
    assert told in refused.err
