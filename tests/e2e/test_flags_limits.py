"""Limits, as a user gives them: in force, shown, changed while the container runs, and what exceeding them does."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from harness import Pier, wait_until

LEGACY = Path("/sys/fs/cgroup/memory").is_dir()
pytestmark = pytest.mark.skipif(not LEGACY, reason="needs version 1 control groups to look at")


def group(controller: str, container: str, file: str) -> str:
    return (Path("/sys/fs/cgroup") / controller / "pier" / container / f"{controller}.{file}").read_text().strip()


def test_limits_are_in_force_before_the_program_runs(pier: Pier) -> None:
    shown = pier(
        "run", "--rm", "-m", "64m", "--memory-reservation", "32m", "--cpus", "0.5", "-c", "512", "--cpuset-cpus", "0",
        "--pids-limit", "20", "--memory-swappiness", "7", "alpine", "sh", "-c",
        "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes"
        " memory/memory.soft_limit_in_bytes memory/memory.swappiness cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us"
        " cpu/cpu.shares cpuset/cpuset.cpus pids/pids.max",
    )  # fmt: skip
    assert shown.lines == ["67108864", "134217728", "33554432", "7", "50000", "100000", "512", "0", "20"]


def test_a_container_past_its_memory_is_killed_and_says_so(pier: Pier) -> None:
    pier.fails("run", "--name", "glutton", "-m", "20m", "--memory-swap", "20m", "alpine", "tail", "/dev/zero", code=137)
    state = pier.state("glutton")
    assert (state["OOMKilled"], state["ExitCode"]) == (True, 137)


def test_a_fork_bomb_stops_at_the_pids_limit(pier: Pier) -> None:
    result = pier.run(
        "run", "--rm", "--pids-limit", "8", "alpine", "sh", "-c", "for i in $(seq 20); do sleep 3 & done; wait"
    )
    assert "fork" in result.err or "Resource temporarily unavailable" in result.err


def test_update_changes_a_running_container(pier: Pier) -> None:
    pier("run", "-d", "--name", "box", "-m", "64m", "alpine", "sleep", "1000")
    whole = pier("inspect", "-f", "{{.Id}}", "box").words
    assert (
        pier("update", "-m", "128m", "--cpus", "1.5", "--pids-limit", "50", "--cpuset-cpus", "1", "box").words == "box"
    )
    assert group("memory", whole, "limit_in_bytes") == str(128 << 20)
    assert group("memory", whole, "memsw.limit_in_bytes") == str(256 << 20)
    assert group("cpu", whole, "cfs_quota_us") == "150000"
    assert group("pids", whole, "max") == "50"
    assert pier("exec", "box", "nproc").words == "1"
    config = pier("inspect", "box").json()[0]["HostConfig"]
    assert (config["Memory"], config["NanoCpus"], config["CpusetCpus"]) == (128 << 20, 1_500_000_000, "1")
    assert "128MiB" in pier("stats", "--no-stream", "--format", "{{.MemUsage}}", "box").out


def test_update_of_a_stopped_container_holds_at_its_next_start(pier: Pier) -> None:
    pier("create", "--name", "later", "alpine", "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
    pier("update", "--memory", "32m", "later")
    assert pier("start", "-a", "later").words == str(32 << 20)


def test_update_of_the_restart_policy_reaches_the_running_container(pier: Pier) -> None:
    pier("run", "-d", "--name", "phoenix", "alpine", "sleep", "1000")
    pier("update", "--restart", "on-failure:1", "phoenix")
    assert pier("inspect", "-f", "{{.HostConfig.RestartPolicy.Name}}", "phoenix").words == "on-failure"
    pid = pier.state("phoenix")["Pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: pier.state("phoenix")["Pid"] not in (0, pid), what="the container runs again")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-m", "1m"], "Minimum memory limit allowed is 6MB"),
        (["-m", "64m", "--memory-swap", "32m"], "Minimum memoryswap limit should be larger than memory limit"),
        (["--memory-swap", "64m"], "You should always set the Memory limit when using Memoryswap limit"),
        (["--cpus", "1000"], "CPUs available"),
        (["--cpus", "1", "--cpu-quota", "5000"], "Nano CPUs and CPU Quota cannot both be set"),
        (["--cpuset-cpus", "900"], "Requested CPUs are not available"),
        (["--cpuset-cpus", "a"], "Invalid value a for cpuset cpus"),
        (["--oom-score-adj", "2000"], "range for oom score adj is [-1000, 1000]"),
        (["--ulimit", "nosuch=1"], "invalid ulimit type: nosuch"),
        (["--ulimit", "nofile=5:1"], "ulimit soft limit must be less than or equal to hard limit"),
        (["--device", "/dev/nosuch"], "/dev/nosuch"),
        (["--device", "/dev/null:/dev/n:r"], "cannot be enforced"),
        (["--pid", "nosense"], "invalid PID mode"),
        (["--ipc", "nosense"], "invalid IPC mode"),
        (["--uts", "private"], "invalid UTS mode"),
        (["--uts", "host", "--hostname", "x"], "conflicting options: hostname and the UTS mode"),
        (["--userns", "keep-id"], "--userns keep-id: not supported"),
        (["--cgroupns", "host"], "--cgroupns host: not supported"),
        (["--volume-driver", "nfs"], "--volume-driver nfs: not supported"),
        (["--log-driver", "syslog"], "--log-driver syslog: not supported"),
        (["--log-driver", "local"], "--log-driver local: not supported"),
        (["--log-opt", "tag=x"], "unknown log opt 'tag'"),
        (["--log-opt", "max-size=lots"], "invalid value for max-size"),
        (["--log-opt", "max-file=0"], "max-file cannot be less than 1"),
        (["--add-host", "nonsense"], "bad format for add-host"),
        (["--restart", "sometimes"], "invalid restart policy"),
        (["-a", "stdlog"], "valid streams are STDIN, STDOUT and STDERR"),
        (["-d", "-a", "stdout"], "--attach and --detach"),
        (["--network", "name=bridge,driver-opt=x"], "driver-opt"),
        (["--mount", "type=image,source=alpine,target=/x"], "type=image: not supported"),
        (["--mount", "type=tmpfs,target=/x,volume-nocopy"], "cannot mix 'volume-*' options with mount type 'tmpfs'"),
        (["--gpus", "all"], "does not support --gpus"),
        (["--blkio-weight", "10"], "does not support --blkio-weight"),
        (["--sysctl", "kernel.shmmax=1", "--ipc", "host"], "is not allowed here"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_meant_or_done_is_refused_by_name(pier: Pier, words: list[str], said: str) -> None:
    assert said in pier.fails("run", "--rm", *words, "alpine", "true", code=125).err
    assert pier.names(all=True) == []
