"""Power is cut: every process is gone at once, the host's network too, and pid numbers come to mean others."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import leaks
from fault import aftermath
from fault.scenarios import Stage
from harness import Pier, wait_until


@pytest.fixture
def stranger() -> Iterator[int]:
    """A process that has nothing to do with pier, and must outlive whatever pier does."""
    process = subprocess.Popen(["sleep", "1000"])
    yield process.pid
    assert process.poll() is None, "pier killed a process that is not its own"
    process.kill()
    process.wait()


def _cut_power(pier: Pier) -> None:
    """What a power cut takes: processes, control groups, interfaces, rules. The disk stays as it is."""
    for pid in leaks.processes_of(pier.root):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    wait_until(lambda: not leaks.processes_of(pier.root), what="nothing of the store runs")
    pier.note_networks()
    for network in pier.networks:
        leaks.remove_network(network)


def _hand_over_pid(pier: Pier, container: str, pid: int, *, started: int) -> None:
    """The numbers in the container's files are those of another process now."""
    folder = pier.root / "containers" / container
    state = json.loads((folder / "state.json").read_text())
    assert state["monitor_pid"] > 0
    state |= {"pid": pid, "monitor_pid": pid, "pid_start": started, "monitor_start": started}
    (folder / "state.json").write_text(json.dumps(state))


def _start_time(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


@pytest.mark.parametrize("rebooted", [True, False], ids=["reboot", "reuse"])
@pytest.mark.parametrize("run_folder", ["kept", "gone"])
def test_after_a_power_cut_nothing_runs_and_everything_starts_again(
    stage: Stage, stranger: int, free_port: int, rebooted: bool, run_folder: str
) -> None:
    pier = stage.pier
    judged = aftermath.Aftermath(stage)
    # A range of its own: other stores on this machine choose among the same defaults.
    pier("network", "create", "--subnet", f"10.213.{free_port % 256}.0/24", "cut")
    options = ("-p", f"{free_port}:80", "-v", "precious:/data")
    one = pier("run", "-d", "--name", "one", *options, "alpine", "sleep", "1000").words
    pier("run", "-d", "--name", "two", "--network", "cut", "--restart", "always", "alpine", "sleep", "1000")
    pier("run", "-d", "--rm", "--name", "three", "alpine", "sleep", "1000")
    _cut_power(pier)
    # The same start time only a reboot makes possible: the boot id tells.
    _hand_over_pid(pier, one, stranger, started=_start_time(stranger) + (0 if rebooted else 1))
    if rebooted:
        (pier.root / "boot").write_text("00000000-0000-0000-0000-000000000000\n")
    if run_folder == "gone":
        shutil.rmtree(pier.root / "run")
    assert pier("ps", "-q").out == ""
    assert sorted(pier.names(all=True)) == ["one", "two"]
    assert list(aftermath.lies(pier)) == []
    pier("start", "one", "two")
    assert sorted(pier.names()) == ["one", "two"]
    assert pier("exec", "one", "cat", "/data/a").out == pier("exec", "one", "cat", "/data/b").out
    assert pier("exec", "two", "nslookup", "two", "127.0.0.11").code == 0
    judged.judge("after a power cut")
    judged.verdict()


def test_stop_kill_and_rm_spare_the_process_that_took_a_pid_over(stage: Stage, stranger: int) -> None:
    pier = stage.pier
    for number, words in enumerate((("stop", "-t", "0"), ("kill",), ("rm", "-f"), ("restart", "-t", "0"))):
        container = pier("run", "-d", "--name", f"cut{number}", "alpine", "sleep", "1000").words
        _cut_power(pier)
        _hand_over_pid(pier, container, stranger, started=_start_time(stranger) - 1)
        pier.run(*words, container)
        assert list(aftermath.lies(pier)) == []
