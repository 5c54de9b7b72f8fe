"""kill -9 at any point: the next command tells the truth, `rm -f` cleans up, and no data is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

import leaks
from harness import Pier, wait_until


def _detached(pier: Pier, name: str, *extra: object) -> None:
    pier("run", "-d", "--name", name, *extra, "alpine", "sh", "-c", "echo up; sleep 1000")


def _monitor_of(pier: Pier, name: str) -> int:
    """The pid of the process that keeps *name*: the parent of its first process."""
    pid = pier.state(name)["Pid"]
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def _truth_is_told(pier: Pier, name: str) -> None:
    """What `ps` shows is what /proc shows."""
    (row,) = [row for row in pier("ps", "-a", "--format", "json").rows() if row["Names"] == name]
    state = pier.state(name)
    assert (row["State"] == "running") == state["Running"]
    if state["Running"]:
        assert not _gone(state["Pid"])
    else:
        assert row["State"] in ("exited", "dead", "created")
        assert not [pid for pid in leaks.processes_of(pier.root) if _in_container(pid)]


def _in_container(pid: int) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid") != os.readlink("/proc/self/ns/pid")
    except OSError:
        return False


def test_a_killed_monitor_is_noticed_and_its_container_removable(pier: Pier) -> None:
    _detached(pier, "orphan")
    monitor = _monitor_of(pier, "orphan")
    os.kill(monitor, signal.SIGKILL)
    wait_until(lambda: _gone(monitor), what="the monitor is gone")
    _truth_is_told(pier, "orphan")
    pier("rm", "-f", "orphan")
    assert pier.names(all=True) == []


def test_a_container_of_a_killed_monitor_starts_again(pier: Pier) -> None:
    _detached(pier, "again")
    os.kill(_monitor_of(pier, "again"), signal.SIGKILL)
    pier.run("stop", "-t", "0", "again")
    pier("start", "again")
    assert pier.state("again")["Running"]


def test_a_killed_first_process_is_exit_137(pier: Pier) -> None:
    _detached(pier, "shot")
    os.kill(pier.state("shot")["Pid"], signal.SIGKILL)
    assert pier("wait", "shot").words == "137"
    assert pier.state("shot")["ExitCode"] == 137


def test_a_killed_command_leaves_its_detached_container_running(pier: Pier) -> None:
    command = pier.start("run", "--name", "kept", "alpine", "sh", "-c", "echo up; sleep 1000")
    wait_until(lambda: pier.names() == ["kept"], what="the container runs")
    os.kill(command.pid, signal.SIGKILL)
    command.wait()
    _truth_is_told(pier, "kept")
    pier("rm", "-f", "kept")


def test_monitor_and_command_killed_together_leave_the_truth(pier: Pier) -> None:
    command = pier.start("run", "--name", "both", "alpine", "sleep", "1000")
    wait_until(lambda: pier.names() == ["both"], what="the container runs")
    monitor = _monitor_of(pier, "both")
    os.kill(monitor, signal.SIGKILL)
    os.kill(command.pid, signal.SIGKILL)
    command.wait()
    wait_until(lambda: _gone(monitor), what="the monitor is gone")
    _truth_is_told(pier, "both")
    pier("rm", "-f", "both")


@pytest.mark.parametrize("moment", [0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.1])
def test_run_killed_at_any_moment_leaves_a_store_that_works(pier: Pier, moment: float) -> None:
    command = pier.start("run", "-d", "--name", "cut", "alpine", "sleep", "1000")
    try:
        command.wait(moment)
    except subprocess.TimeoutExpired:
        os.kill(command.pid, signal.SIGKILL)
        command.wait()
    pier("ps", "-a")
    if pier.names(all=True):
        _truth_is_told(pier, "cut")
        pier("rm", "-f", "cut")
    assert pier("run", "--rm", "--name", "cut", "alpine", "echo", "works").words == "works"


@pytest.mark.parametrize("moment", [0.05, 0.2, 0.6])
def test_build_killed_at_any_moment_leaves_a_store_that_works(pier: Pier, moment: float) -> None:
    command = pier.start("build", "-t", "cut", "-")
    assert command.stdin is not None
    command.stdin.write(f"FROM alpine\nRUN echo {moment} > /x\nRUN sleep 0.3; echo 2 > /y\n")
    command.stdin.close()
    command.stdin = None
    try:
        command.wait(moment)
    except subprocess.TimeoutExpired:
        os.kill(command.pid, signal.SIGKILL)
        command.wait()
    pier("build", "-t", "cut", "-", stdin=f"FROM alpine\nRUN echo {moment} > /x\nRUN sleep 0.3; echo 2 > /y\n")
    assert pier("run", "--rm", "cut", "cat", "/y").words == "2"
    pier("rmi", "cut")


@pytest.mark.parametrize("moment", [0.1, 0.5, 1.5])
def test_pull_killed_at_any_moment_leaves_a_store_that_works(bare_pier: Pier, moment: float) -> None:
    command = bare_pier.start("pull", "alpine")
    try:
        command.wait(moment)
    except subprocess.TimeoutExpired:
        os.kill(command.pid, signal.SIGKILL)
        command.wait()
    assert bare_pier("run", "--rm", "alpine", "echo", "works", timeout=300).words == "works"


def test_a_killed_container_with_a_published_port_frees_the_port(pier: Pier, free_port: int) -> None:
    _detached(pier, "holder", "-p", f"{free_port}:80")
    os.kill(_monitor_of(pier, "holder"), signal.SIGKILL)
    wait_until(lambda: pier.run("rm", "-f", "holder").code == 0, what="the container is removed")
    _detached(pier, "next", "-p", f"{free_port}:80")
    assert pier.state("next")["Running"]


def test_logs_written_before_a_kill_are_kept(pier: Pier) -> None:
    _detached(pier, "talker")
    wait_until(lambda: pier("logs", "talker").out == "up\n", what="the line is in the log")
    os.kill(_monitor_of(pier, "talker"), signal.SIGKILL)
    assert pier("logs", "talker").out == "up\n"


def test_restart_policy_brings_a_killed_program_back(pier: Pier) -> None:
    _detached(pier, "phoenix", "--restart", "always")
    first = pier.state("phoenix")["Pid"]
    os.kill(first, signal.SIGKILL)
    wait_until(
        lambda: pier.state("phoenix")["Running"] and pier.state("phoenix")["Pid"] != first,
        what="the program runs again",
    )
    pier("stop", "-t", "0", "phoenix")
    begun = time.monotonic()
    wait_until(lambda: not pier.state("phoenix")["Running"], what="it stays stopped")
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("moment", [0.05, 0.15, 0.3, 0.5])
def test_up_killed_at_any_moment_is_finished_by_the_next_up(pier: Pier, tmp_path: Path, moment: float) -> None:
    wish = "{image: alpine, command: sleep 1000, stop_signal: SIGKILL, volumes: ['data:/data']}"
    services = "".join(f"  s{n}: {wish}\n" for n in range(3))
    (tmp_path / "compose.yaml").write_text(f"name: cut\nservices:\n{services}volumes: {{data: }}\n")
    command = pier.start("compose", "up", "-d", cwd=tmp_path)
    try:
        command.wait(moment)
    except subprocess.TimeoutExpired:
        os.killpg(command.pid, signal.SIGKILL)
        command.wait()
    pier("compose", "up", "-d", cwd=tmp_path)
    states = {row["Service"]: row["State"] for row in pier("compose", "ps", "--format", "json", cwd=tmp_path).rows()}
    assert states == {"s0": "running", "s1": "running", "s2": "running"}
    pier("compose", "down", "-v", cwd=tmp_path)
    assert pier.names(all=True) == []
    assert pier("volume", "ls", "-q").lines == []
