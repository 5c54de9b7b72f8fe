"""Containers through their life: policies, signals, races, crashes, health, volumes, logs and networks."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import leaks
from harness import Pier, http_get, http_wait, wait_until


def _detached(pier: Pier, name: str, *words: object) -> None:
    pier("run", "-d", "--name", name, *words)


def _exited(pier: Pier, name: str) -> dict[str, object]:
    wait_until(lambda: pier.status(name) == "exited", what=f"{name} has exited")
    return pier.state(name)


def _restarts(pier: Pier, name: str) -> int:
    return int(pier("inspect", "-f", "{{.RestartCount}}", name).words)


# Restart policies.


def test_on_failure_tries_as_often_as_it_says_and_keeps_the_last_code(pier: Pier) -> None:
    _detached(pier, "failing", "--restart", "on-failure:2", "alpine", "sh", "-c", "echo try; exit 4")
    wait_until(lambda: pier("logs", "failing").out == "try\n" * 3, what="three tries")
    assert _exited(pier, "failing")["ExitCode"] == 4
    assert _restarts(pier, "failing") == 2


def test_on_failure_leaves_a_success_alone(pier: Pier) -> None:
    _detached(pier, "content", "--restart", "on-failure", "alpine", "true")
    assert _exited(pier, "content")["ExitCode"] == 0
    assert _restarts(pier, "content") == 0


def test_a_restarting_container_can_be_stopped_at_any_moment_and_started_again(pier: Pier) -> None:
    _detached(pier, "flapping", "--restart", "always", "alpine", "sh", "-c", "echo up; exit 1")
    for count in (1, 3):
        wait_until(lambda count=count: pier("logs", "flapping").out.count("up") > count, what="it flaps")
        pier("stop", "flapping", timeout=20)
        assert pier.status("flapping") == "exited"
        pier("start", "flapping")
    pier("rm", "-f", "flapping", timeout=20)


@pytest.mark.parametrize("moment", range(4))
def test_a_container_that_restarts_all_the_time_is_removed_by_force(pier: Pier, moment: int) -> None:
    _detached(pier, "flapping", "--restart", "always", "alpine", "sleep", f"0.0{moment}")
    wait_until(lambda: _restarts(pier, "flapping") > 0, what="it restarts")
    pier("rm", "-f", "flapping", timeout=20)
    assert pier.names(all=True) == []


# Signals.


def test_stop_kills_what_ignores_its_signal_after_the_grace_time(pier: Pier) -> None:
    _detached(pier, "deaf", "alpine", "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    wait_until(lambda: pier("logs", "deaf").out == "ready\n", what="the trap is set")
    begun = time.monotonic()
    pier("stop", "-t", "1", "deaf", timeout=20)
    assert 1 <= time.monotonic() - begun < 8
    assert pier.state("deaf")["ExitCode"] == 137


def test_the_images_stop_signal_is_the_one_that_is_sent(pier: Pier) -> None:
    script = "trap 'echo int; exit 6' INT; echo ready; while :; do sleep 0.05; done"
    _detached(pier, "listener", "--stop-signal", "SIGINT", "alpine", "sh", "-c", script)
    wait_until(lambda: "ready" in pier("logs", "listener").out, what="the trap is set")
    pier("stop", "listener")
    assert pier.state("listener")["ExitCode"] == 6


@pytest.mark.parametrize("name", ["USR1", "SIGUSR1", "10"])
def test_kill_sends_the_signal_that_is_named(pier: Pier, name: str) -> None:
    script = "trap 'exit 21' USR1; echo ready; while :; do sleep 0.05; done"
    _detached(pier, "listener", "alpine", "sh", "-c", script)
    wait_until(lambda: "ready" in pier("logs", "listener").out, what="the trap is set")
    pier("kill", "-s", name, "listener")
    assert pier("wait", "listener", timeout=20).words == "21"


def test_wait_tells_the_code_of_what_runs_and_of_what_has_ended(pier: Pier) -> None:
    _detached(pier, "brief", "alpine", "sh", "-c", "sleep 0.5; exit 3")
    waiting = pier.start("wait", "brief")
    assert waiting.communicate(timeout=20)[0] == "3\n"
    assert pier("wait", "brief").words == "3"


def test_a_new_name_is_the_only_one_and_a_taken_one_is_refused(pier: Pier) -> None:
    _detached(pier, "old", "alpine", "sleep", "1000")
    _detached(pier, "other", "alpine", "sleep", "1000")
    pier("rename", "old", "new")
    assert sorted(pier.names()) == ["new", "other"]
    assert pier.state("new")["Running"]
    pier.fails("inspect", "old", code=1)
    assert "already in use" in pier.fails("rename", "new", "other", code=1).err
    _detached(pier, "old", "alpine", "true")


# Many commands at once.


def _together(pier: Pier, *commands: tuple[object, ...]) -> list[tuple[int, str]]:
    """(exit code, stderr) of *commands* that were all started before the first was waited for."""
    started = [pier.start(*command) for command in commands]
    ended = [(process.communicate(timeout=60)[1], process.returncode) for process in started]
    assert not [error for error, _ in ended if "Traceback" in error or "bug in pier" in error], ended
    return [(code, error) for error, code in ended]


def test_twenty_containers_started_at_once_have_names_addresses_and_codes_of_their_own(pier: Pier) -> None:
    script = "trap 'exit {}' TERM; while :; do sleep 0.1; done"
    started = [pier.start("run", "-d", "alpine", "sh", "-c", script.format(number)) for number in range(20)]
    ids = [process.communicate(timeout=110)[0].strip() for process in started]
    assert [process.returncode for process in started] == [0] * 20
    facts = pier("inspect", *ids).json()
    assert len({fact["Name"] for fact in facts}) == 20
    addresses = [fact["NetworkSettings"]["Networks"]["bridge"]["IPAddress"] for fact in facts]
    assert len(set(addresses)) == 20 and all(addresses)
    pier("stop", "-t", "60", *ids)
    assert pier("wait", *ids, timeout=60).lines == [str(number) for number in range(20)]


def test_one_name_asked_for_by_many_goes_to_one(pier: Pier) -> None:
    results = _together(pier, *[("run", "-d", "--name", "wanted", "alpine", "sleep", "1000")] * 6)
    assert sorted(code for code, _ in results) == [0, 125, 125, 125, 125, 125]
    assert pier.names(all=True) == ["wanted"]


def test_a_container_started_by_many_runs_once(pier: Pier) -> None:
    pier("create", "--name", "shared", "alpine", "sh", "-c", "echo up; sleep 1000")
    results = _together(pier, *[("start", "shared")] * 6)
    assert [code for code, _ in results] == [0] * 6
    wait_until(lambda: pier("logs", "shared").out == "up\n", what="it says that it is up")
    assert len([pid for pid in leaks.processes_of(pier.root) if _title(pid).startswith("pier: monitor")]) == 1


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


@pytest.mark.parametrize("attempt", range(6))
def test_a_container_started_and_removed_at_once_is_gone_or_tells_the_truth(pier: Pier, attempt: int) -> None:
    pier("create", "--name", "torn", "alpine", "sleep", "1000")
    commands = [("start", "torn"), ("rm", "-f", "torn")]
    random.Random(attempt).shuffle(commands)
    _together(pier, *commands, ("rm", "-f", "torn"))
    if pier.names(all=True):
        pier("rm", "-f", "torn", timeout=30)
    assert pier.names(all=True) == []


def test_many_removals_of_one_container_all_end(pier: Pier) -> None:
    _detached(pier, "gone", "-v", "/anonymous", "alpine", "sleep", "1000")
    results = _together(pier, *[("rm", "-f", "-v", "gone")] * 5)
    assert 0 in {code for code, _ in results}
    assert pier.names(all=True) == [] and pier("volume", "ls", "-q").lines == []


# Crashes.


@pytest.mark.parametrize("seed", range(20))
def test_a_start_killed_at_a_random_moment_leaves_the_truth_and_a_container_that_works(pier: Pier, seed: int) -> None:
    pier("create", "--name", "cut", "alpine", "sh", "-c", "echo up; sleep 1000")
    before = set(leaks.processes_of(pier.root))
    command = pier.start("start", "cut")
    try:
        command.wait(random.Random(seed).uniform(0.005, 0.15))
    except subprocess.TimeoutExpired:
        # Even seeds take the monitor and the container along, so that nobody is left to tidy up.
        doomed = set(leaks.processes_of(pier.root)) - before if seed % 2 == 0 else {command.pid}
        for pid in doomed:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
    command.communicate()
    state = pier.state("cut")
    assert not state["Running"] or Path(f"/proc/{state['Pid']}").exists()
    pier("start", "cut", timeout=30)
    assert pier.state("cut")["Running"]
    assert pier("exec", "cut", "echo", "works").words == "works"


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """A name for *folder* that leaves room below the 108 bytes of unix(7)."""
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{fd}"
    finally:
        os.close(fd)


def test_a_socket_left_by_a_killed_monitor_does_not_keep_its_container_from_starting(pier: Pier) -> None:
    identity = pier("create", "--name", "stale", "alpine", "sleep", "1000").words
    run = pier.root / "run" / identity
    run.mkdir(parents=True)
    with _short(run) as folder, socket.socket(socket.AF_UNIX) as left:
        left.bind(f"{folder}/attach.sock")
    pier("start", "stale")
    assert pier.state("stale")["Running"]


def test_nonsense_on_the_attach_socket_harms_nobody(pier: Pier) -> None:
    _detached(pier, "calm", "alpine", "sleep", "1000")
    run = pier.root / "run" / pier("inspect", "calm").json()[0]["Id"]
    junk = [
        b"g\0\0\0\0",
        b"g\0\0\0\1\xff",
        b"w\0\0\0\1x",
        b"a\0\0\0\1{",
        b"a\0\0\0\1[",
        b"a\0\0\0\2[]",
        b"o\xff\xff\xff\xff",
        b"\0" * 50,
        os.urandom(999),
    ]
    for data in junk:
        with _short(run) as folder, socket.socket(socket.AF_UNIX) as client:
            client.connect(f"{folder}/attach.sock")
            client.sendall(data)
    assert pier("exec", "calm", "echo", "alive").words == "alive"
    assert pier.state("calm")["Running"]


# Health checks.


def _health(pier: Pier, name: str) -> str:
    return str(pier.state(name)["Health"]["Status"])


def test_health_goes_from_starting_to_healthy_to_unhealthy_and_back(pier: Pier) -> None:
    options = ["--health-cmd", "test -e /ok", "--health-interval", "200ms", "--health-retries", "2"]
    _detached(pier, "patient", *options, "alpine", "sleep", "1000")
    assert _health(pier, "patient") == "starting"
    for action, status in (("touch", "healthy"), ("rm", "unhealthy"), ("touch", "healthy")):
        pier("exec", "patient", action, "/ok")
        wait_until(lambda status=status: _health(pier, "patient") == status, what=f"it is {status}")
    assert "(healthy)" in pier("ps", "--format", "{{.Status}}").out
    pier("stop", "-t", "0", "patient")


def test_a_health_command_that_does_not_exist_makes_the_container_unhealthy_not_dead(pier: Pier) -> None:
    pier(
        "build",
        "-q",
        "-t",
        "checked",
        "-",
        stdin='FROM alpine\nHEALTHCHECK --interval=100ms --retries=2 CMD ["none"]\n',
    )
    _detached(pier, "checked", "checked", "sleep", "1000")
    wait_until(lambda: _health(pier, "checked") == "unhealthy", what="it is unhealthy")
    state = pier.state("checked")
    assert state["Running"] and state["Health"]["Log"][-1]["ExitCode"] == 127
    pier("rm", "-f", "checked")
    pier("rmi", "checked")


def test_a_health_command_that_hangs_is_ended_and_counts_as_a_failure(pier: Pier) -> None:
    options = ["--health-cmd", "sleep 1000", "--health-interval", "100ms", "--health-timeout", "200ms"]
    _detached(pier, "hung", *options, "--health-retries", "1", "alpine", "sleep", "1000")
    wait_until(lambda: _health(pier, "hung") == "unhealthy", what="it is unhealthy")
    assert "timeout" in pier.state("hung")["Health"]["Log"][-1]["Output"]


# Volumes.


def test_an_empty_volume_receives_what_the_image_has_there_with_owners(pier: Pier) -> None:
    dockerfile = (
        "FROM alpine\nRUN mkdir -p /data/sub && echo a > /data/a && ln -s a /data/l && chown -R 123:456 /data"
        " && chmod 2750 /data/sub && chmod 600 /data/a\nVOLUME /data\n"
    )
    pier("build", "-q", "-t", "filled", "-", stdin=dockerfile)
    script = "stat -c '%n %u:%g %a' /data /data/sub /data/a; readlink /data/l; echo b > /data/a"
    first = pier("run", "--rm", "-v", "named:/data", "filled", "sh", "-c", script).lines
    assert first == ["/data 123:456 755", "/data/sub 123:456 2750", "/data/a 123:456 600", "a"]
    assert pier("run", "--rm", "-v", "named:/data", "filled", "cat", "/data/a").words == "b"
    assert pier("run", "--rm", "filled", "cat", "/data/a").words == "a"
    assert pier("run", "--rm", "-v", "bare:/data:nocopy", "filled", "ls", "/data").out == ""
    assert sorted(pier("volume", "ls", "-q").lines) == ["bare", "named"]
    pier("rmi", "filled")


def test_anonymous_volumes_go_with_rm_v_and_stay_without(pier: Pier) -> None:
    for options, left in (((), 1), (("-v",), 1)):
        pier("run", "--name", "once", "-v", "/data", "alpine", "true")
        pier("rm", *options, "once")
        assert len(pier("volume", "ls", "-q").lines) == left


def test_a_volume_in_use_is_kept_and_says_by_whom(pier: Pier) -> None:
    _detached(pier, "user", "-v", "used:/data", "alpine", "sleep", "1000")
    assert "in use" in pier.fails("volume", "rm", "used", code=1).err
    assert pier("run", "--rm", "--volumes-from", "user", "alpine", "ls", "-d", "/data").words == "/data"


# Logs.


def test_logs_show_the_end_the_time_and_what_came_since(pier: Pier) -> None:
    pier("run", "--name", "talker", "alpine", "sh", "-c", "echo one; echo two >&2; sleep 0.3; echo three")
    assert pier("logs", "talker").out == "one\nthree\n" and pier("logs", "talker").err == "two\n"
    assert pier("logs", "--tail", "1", "talker").out == "three\n"
    assert pier("logs", "--tail", "0", "talker").out == ""
    stamp, _, text = pier("logs", "-t", "--tail", "1", "talker").words.partition(" ")
    assert text == "three" and stamp.endswith("Z") and len(stamp) == 30
    assert pier("logs", "--since", stamp, "talker").out == "three\n"
    assert pier("logs", "--until", stamp, "talker").out.startswith("one\n")
    assert pier("logs", "--since", "1h", "--tail", "all", "talker").out == "one\nthree\n"


def test_following_logs_see_each_line_and_end_with_the_container(pier: Pier) -> None:
    _detached(
        pier, "talker", "-i", "alpine", "sh", "-c", "echo first; while ! test -e /go; do sleep 0.02; done; echo last"
    )
    follower = pier.start("logs", "-f", "talker")
    assert follower.stdout is not None
    assert follower.stdout.readline() == "first\n"
    pier("exec", "talker", "touch", "/go")
    assert follower.communicate(timeout=20)[0] == "last\n"
    assert follower.returncode == 0


# Networks.


def test_a_network_is_shared_with_another_container(pier: Pier) -> None:
    _detached(pier, "host1", "alpine", "sleep", "1000")
    own = pier("exec", "host1", "cat", "/proc/net/dev", "/etc/hosts", "/etc/resolv.conf").out
    shared = pier(
        "run", "--rm", "--network", "container:host1", "alpine", "sh", "-c", "cat /etc/hosts /etc/resolv.conf"
    )
    assert own.endswith(shared.out)
    links = [pier("exec", "host1", "readlink", "/proc/self/ns/net").words]
    links.append(pier("run", "--rm", "--network", "container:host1", "alpine", "readlink", "/proc/self/ns/net").words)
    assert links[0] == links[1]
    pier("stop", "-t", "0", "host1")
    assert "non running" in pier.fails("run", "--rm", "--network", "container:host1", "alpine", "true", code=125).err


def test_names_of_a_network_follow_containers_as_they_come_and_go(pier: Pier) -> None:
    pier("network", "create", "street")
    _detached(pier, "asker", "--network", "street", "alpine", "sleep", "1000")
    for _ in range(2):
        _detached(pier, "answerer", "--network", "street", "--network-alias", "door", "alpine", "sleep", "1000")
        for name in ("answerer", "door"):
            assert pier.run("exec", "asker", "nslookup", name).code == 0
        pier("rm", "-f", "answerer")
        assert pier.run("exec", "asker", "nslookup", "answerer").code != 0


def test_a_published_port_answers_while_the_container_runs_and_is_refused_after(pier: Pier, free_port: int) -> None:
    _detached(pier, "web", "-p", f"{free_port}:80", "python:3.11-slim", "python", "-m", "http.server", "80")
    http_wait(f"http://127.0.0.1:{free_port}/")
    assert pier("port", "web").lines[0] == f"80/tcp -> 0.0.0.0:{free_port}"
    pier("stop", "-t", "0", "web")
    with pytest.raises(OSError):
        http_get(f"http://127.0.0.1:{free_port}/", timeout=2)
    pier("start", "web")
    http_wait(f"http://127.0.0.1:{free_port}/")
