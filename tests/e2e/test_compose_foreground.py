"""`compose up` and `logs -f` on a terminal: prefixes, Ctrl-C, and the aborts."""

from __future__ import annotations

import signal
from pathlib import Path

import pexpect
import pytest

from e2e.composing import Project
from harness import Pier, wait_until


@pytest.fixture
def project(pier: Pier, tmp_path: Path) -> Project:
    folder = tmp_path / "demo"
    folder.mkdir()
    return Project(pier, folder)


def test_up_shows_the_lines_of_all_services_until_they_end(project: Project) -> None:
    project.write("""\
        services:
          long-name: {image: busybox, command: echo from the long one}
          short: {image: busybox, command: sh -c 'echo from the short one; echo and an error >&2'}
        """)
    up = project("up")
    assert "long-name-1  | from the long one" in up.out
    assert "short-1      | from the short one" in up.out
    assert "short-1      | and an error" in up.err
    assert "short-1 exited with code 0" in up.out
    assert "Attaching to long-name-1, short-1" in up.out


def test_up_that_ends_with_a_failed_service_says_so_and_fails(project: Project) -> None:
    refused = project.write("services:\n  app: {image: busybox, command: sh -c 'echo last word; exit 2'}\n").fails("up")
    assert "app-1 exited with code 2" in refused.out
    assert "Error: service app: container demo-app-1 exited (2)" in refused.err
    assert "last word" in refused.err


SERVERS = """\
services:
  app:
    image: busybox
    command: sh -c 'trap "echo app ends; exit 0" TERM; echo app begins; while true; do sleep 0.1; done'
    depends_on: [db]
  db:
    image: busybox
    command: sh -c 'trap "echo db ends; exit 0" TERM; echo db begins; while true; do sleep 0.1; done'
"""


def test_ctrl_c_once_stops_dependents_first(project: Project) -> None:
    up = project.write(SERVERS).terminal("up")
    up.expect("app begins")
    up.sendintr()
    up.expect("Gracefully stopping")
    up.expect(pexpect.EOF, timeout=30)
    up.wait()
    assert up.exitstatus == 130
    assert set(project.states().values()) == {"exited"}
    ended = {name: project.pier.state(name)["FinishedAt"] for name in ("demo-app-1", "demo-db-1")}
    assert ended["demo-app-1"] < ended["demo-db-1"]
    assert "db ends" in project("logs", "db").out


def test_ctrl_c_twice_kills(project: Project) -> None:
    project.write("""\
        services:
          app: {image: busybox, command: sh -c 'trap "" TERM; echo begins; while true; do sleep 0.1; done'}
        """)
    up = project.terminal("up")
    up.expect("begins")
    up.sendintr()
    up.expect("Stopping")
    up.sendintr()
    up.expect("Killing")
    up.expect(pexpect.EOF, timeout=8)
    assert project.states() == {"demo-app-1": "exited"}


def test_abort_and_exit_code_from(project: Project) -> None:
    project.write(SERVERS + "  job: {image: busybox, command: sh -c 'sleep 0.3; exit 7'}\n")
    aborted = project.run("up", "--abort-on-container-exit")
    assert aborted.code == 7
    assert set(project.states().values()) == {"exited"}
    assert project.run("up", "--exit-code-from", "db").code == 0
    assert project.run("up", "--abort-on-container-failure").code == 7


def test_a_second_up_shows_only_what_is_new(project: Project) -> None:
    project.write(SERVERS)("up", "-d")
    wait_until(lambda: "app begins" in project("logs").out, what="the app has begun")
    up = project.terminal("up")
    up.expect("Attaching to")
    up.expect([pexpect.TIMEOUT, "begins"], timeout=0.5)
    assert up.after is pexpect.TIMEOUT
    up.sendintr()
    up.expect("app ends")
    up.expect(pexpect.EOF, timeout=30)


def test_logs_follow_until_the_services_end(project: Project) -> None:
    project.write(SERVERS)("up", "-d")
    follow = project.pier.start("compose", "logs", "-f", "db", cwd=project.folder)
    project("stop", "db")
    out, _ = follow.communicate(timeout=20)
    assert "db-1  | db begins" in out and "db-1  | db ends" in out
    assert follow.returncode == 0


def test_ctrl_c_ends_logs_follow_and_stops_nothing(project: Project) -> None:
    project.write(SERVERS)("up", "-d")
    follow = project.terminal("logs", "-f")
    follow.expect("begins")
    follow.sendintr()
    follow.expect(pexpect.EOF)
    assert set(project.states().values()) == {"running"}
    project("kill", "-s", signal.SIGKILL.name)
