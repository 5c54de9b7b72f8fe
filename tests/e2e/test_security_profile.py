"""Docker's default security profile, as a process inside a container meets it: the first one and one of exec."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Pier

DOCKERS_CAPABILITIES = "00000000a80425fb"
NONE = "0" * 16

# Each system call with the errno that answers it; run by an interpreter inside the container.
_CALL = (
    "import ctypes, os, sys; libc = ctypes.CDLL(None, use_errno=True);"
    "r = libc.syscall(*map(int, sys.argv[1:]), 0, 0, 0, 0); print(r, os.strerror(ctypes.get_errno()))"
)


@pytest.fixture
def box(pier: Pier) -> str:
    """A container that runs; the tests look at what exec starts in it."""
    pier("run", "-d", "--name", "box", "alpine", "sleep", "1000")
    return "box"


@pytest.fixture(params=["run", "exec"])
def inside(request: pytest.FixtureRequest, pier: Pier) -> Iterator[list[str]]:
    """The words before a command that is to run in a python container: as its first process, or by exec."""
    if request.param == "run":
        yield ["run", "--rm", "python:3.11-slim"]
        return
    pier("run", "-d", "--name", "pybox", "python:3.11-slim", "sleep", "1000")
    yield ["exec", "pybox"]


def _status(text: str) -> dict[str, str]:
    return {line.partition(":")[0]: line.partition(":")[2].strip() for line in text.splitlines()}


def test_the_capabilities_are_dockers(pier: Pier, inside: list[str]) -> None:
    status = _status(pier(*inside, "cat", "/proc/self/status").out)
    assert {status[name] for name in ("CapPrm", "CapEff", "CapBnd")} == {DOCKERS_CAPABILITIES}
    assert {status["CapInh"], status["CapAmb"]} == {NONE}
    assert status["Seccomp"] == "2"


def test_an_ordinary_user_holds_no_capability(pier: Pier, box: str) -> None:
    for words in (["run", "--rm", "-u", "1000:1000", "alpine"], ["exec", "-u", "1000:1000", box]):
        status = _status(pier(*words, "cat", "/proc/self/status").out)
        assert {status[name] for name in ("CapPrm", "CapEff", "CapAmb")} == {NONE}
        assert status["CapBnd"] == DOCKERS_CAPABILITIES
        assert status["Uid"].split() == ["1000"] * 4 and status["Gid"].split() == ["1000"] * 4


def test_a_user_number_that_means_no_change_to_the_kernel_does_not_run_as_root(pier: Pier, box: str) -> None:
    pier.fails("run", "--rm", "-u", "4294967295", "alpine", "id", code=125)
    assert pier.run("exec", "-u", "4294967295", box, "id").code != 0


def test_capabilities_are_added_and_dropped_by_name(pier: Pier) -> None:
    def effective(*options: str) -> int:
        return int(_status(pier("run", "--rm", *options, "alpine", "cat", "/proc/self/status").out)["CapEff"], 16)

    assert effective("--cap-drop", "ALL") == 0
    assert effective("--cap-drop", "all", "--cap-add", "chown") == 1
    assert effective("--cap-add", "NET_ADMIN") == int(DOCKERS_CAPABILITIES, 16) | 1 << 12


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("mount", 165),
        ("umount2", 166),
        ("pivot_root", 155),
        ("unshare", 272),
        ("setns", 308),
        ("keyctl", 250),
        ("add_key", 248),
        ("bpf", 321),
        ("reboot", 169),
        ("init_module", 175),
        ("kexec_load", 246),
        ("open_by_handle_at", 304),
        ("perf_event_open", 298),
        ("userfaultfd", 323),
        ("io_uring_setup", 425),
        ("mount_setattr", 442),
        ("fsopen", 430),
        ("swapon", 167),
        ("settimeofday", 164),
        ("iopl", 172),
    ],
)
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are those of x86_64")
def test_calls_that_reach_the_host_are_refused(pier: Pier, pybox: str, name: str, number: int) -> None:
    assert pier("exec", pybox, "python", "-c", _CALL, number, 0, 0).words == "-1 Operation not permitted"


@pytest.fixture
def pybox(pier: Pier) -> str:
    pier("run", "-d", "--name", "pybox", "python:3.11-slim", "sleep", "1000")
    return "pybox"


def test_new_namespaces_are_refused_and_clone3_is_said_to_be_absent(pier: Pier, pybox: str) -> None:
    for flag in (0x00020000, 0x10000000, 0x20000000, 0x40000000):
        assert "Operation not permitted" in pier("exec", pybox, "python", "-c", _CALL, 56, flag | 17, 0).out
    assert pier("exec", pybox, "python", "-c", _CALL, 435, 0, 0).words == "-1 Function not implemented"


def test_paths_that_tell_of_the_machine_show_nothing(pier: Pier, box: str) -> None:
    for path in ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/proc/interrupts"):
        assert pier.run("exec", box, "cat", path).out == ""
    for path in ("/proc/scsi", "/proc/acpi", "/proc/asound", "/sys/firmware", "/sys/devices/virtual/powercap"):
        assert pier.run("exec", box, "ls", path).out == ""


@pytest.mark.parametrize(
    "path",
    [
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/vm/panic_on_oom",
        "/proc/sysrq-trigger",
        "/proc/irq/0/x",
        "/proc/bus/x",
        "/sys/kernel/x",
        "/sys/fs/cgroup/x",
    ],
)
def test_switches_of_the_kernel_cannot_be_written(pier: Pier, box: str, path: str) -> None:
    result = pier.run("exec", box, "sh", "-c", f"echo x > {path}")
    assert result.code != 0
    assert "Read-only" in result.err or "nonexistent" in result.err or "denied" in result.err


def test_mounts_carry_the_flags_that_keep_them_harmless(pier: Pier, box: str) -> None:
    mounts = {line.split()[1]: line.split()[3].split(",") for line in pier("exec", box, "cat", "/proc/mounts").lines}
    for path in ("/proc", "/sys", "/dev/shm"):
        assert {"nosuid", "nodev", "noexec"} <= set(mounts[path]), path
    assert "nosuid" in mounts["/dev"] and "nodev" in mounts["/dev"] and "nodev" in mounts["/"]
    assert "ro" in mounts["/sys"] and "ro" in mounts["/proc/sys"]
    assert not [path for path in mounts if path.startswith(str(pier.root))]


def test_no_fd_of_pier_is_open_in_the_container(pier: Pier, box: str) -> None:
    """ls opens the directory it lists, so 3 is its own."""
    own = "0\n1\n2\n3\n"
    assert pier("run", "--rm", "alpine", "ls", "/proc/self/fd").out == own
    assert pier("run", "--rm", "-i", "alpine", "ls", "/proc/self/fd").out == own
    assert pier("run", "--rm", "--init", "alpine", "ls", "/proc/self/fd").out == own
    assert pier("exec", box, "ls", "/proc/self/fd").out == own
    assert pier("exec", "-i", box, "ls", "/proc/self/fd").out == own
    assert pier("exec", box, "ls", "/proc/1/fd").out == "0\n1\n2\n"
    for words in (("run", "-it", "--rm", "alpine"), ("exec", "-it", box)):
        terminal = pier.terminal(*words, "ls", "-1", "/proc/self/fd")
        assert terminal.read().split() == ["0", "1", "2", "3"]


def test_the_streams_lead_nowhere_on_the_host(pier: Pier, box: str) -> None:
    for words in (("run", "--rm", "alpine"), ("exec", box)):
        targets = pier(*words, "sh", "-c", "for n in 0 1 2; do readlink /proc/self/fd/$n; done").lines
        assert targets[0] == "/dev/null" and all(target.startswith("pipe:") for target in targets[1:])


def test_a_device_node_that_the_container_makes_is_dead(pier: Pier, box: str) -> None:
    (major, minor) = (1, 1)
    for folder in ("/tmp", "/dev", "/root"):
        made = pier.run("exec", box, "sh", "-c", f"mknod {folder}/mem c {major} {minor} && head -c1 {folder}/mem")
        assert made.code != 0 and "denied" in made.err, str(made)


@pytest.mark.parametrize("options", [("-v", "/data"), ("-v", "nodes:/data"), ("--tmpfs", "/data:dev")])
def test_a_device_node_on_a_volume_is_dead_too(pier: Pier, options: tuple[str, ...]) -> None:
    made = pier.run("run", "--rm", *options, "alpine", "sh", "-c", "mknod /data/mem c 1 1 && head -c1 /data/mem")
    assert made.code != 0 and "denied" in made.err, str(made)


def test_the_devices_of_a_container_work(pier: Pier, box: str) -> None:
    script = "echo x > /dev/null && head -c4 /dev/zero | wc -c && head -c4 /dev/urandom | wc -c && ls /dev"
    result = pier("exec", box, "sh", "-c", script)
    assert result.lines[:2] == ["4", "4"]
    assert set(result.lines[2:]) <= set(
        "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero".split()
    )


def test_processes_outside_cannot_be_seen_or_signalled(pier: Pier, box: str) -> None:
    pids = pier("exec", box, "sh", "-c", "ls -d /proc/[0-9]*").lines
    assert 1 <= len(pids) <= 4
    assert pier.run("exec", box, "kill", "-0", os.getpid()).code != 0


def test_a_kernel_parameter_of_the_machine_cannot_be_asked_for(pier: Pier) -> None:
    before = Path("/proc/sys/vm/swappiness").read_text()
    result = pier.fails("run", "--rm", "--sysctl", "vm.swappiness=1", "alpine", "true", code=125)
    assert "not in a separate kernel namespace" in result.err
    assert Path("/proc/sys/vm/swappiness").read_text() == before
    assert (
        pier("run", "--rm", "--sysctl", "net.core.somaxconn=77", "alpine", "cat", "/proc/sys/net/core/somaxconn").words
        == "77"
    )


def test_the_attach_socket_and_the_store_belong_to_their_owner_alone(pier: Pier, box: str) -> None:
    run = Path(pier.root, "run", pier("inspect", box).json()[0]["Id"])
    assert stat.S_IMODE(os.stat(run / "attach.sock").st_mode) == 0o600
    for folder in (run, run.parent, Path(pier.root, "containers"), Path(pier.root, "volumes")):
        assert stat.S_IMODE(os.stat(folder).st_mode) & 0o077 == 0, folder


def test_init_shows_no_path_of_the_host(pier: Pier) -> None:
    pier("run", "-d", "--init", "--name", "reaped", "alpine", "sleep", "1000")
    line = pier("exec", "reaped", "cat", "/proc/1/cmdline").out
    assert line.rstrip("\0") == "pier-init"
    pier("exec", "reaped", "sh", "-c", "test ! -w /proc/1/exe; ! cat /proc/1/environ | grep -q PIER")


def test_no_new_privileges_is_passed_on(pier: Pier) -> None:
    status = pier("run", "--rm", "--security-opt", "no-new-privileges", "alpine", "cat", "/proc/self/status").out
    assert _status(status)["NoNewPrivs"] == "1" and _status(status)["Seccomp"] == "2"


def test_privileged_is_what_it_says(pier: Pier) -> None:
    result = pier("run", "--rm", "--privileged", "alpine", "sh", "-c", "cat /proc/self/status; mount -t tmpfs x /mnt")
    status = _status(result.out)
    assert status["Seccomp"] == "0" and int(status["CapEff"], 16) > 1 << 36


def test_a_read_only_root_refuses_and_its_volumes_and_tmpfs_do_not(pier: Pier) -> None:
    script = "! touch /x && touch /run/x /data/x /dev/shm/x && ! mkdir /etc/x"
    pier("run", "--rm", "--read-only", "--tmpfs", "/run", "-v", "/data", "alpine", "sh", "-c", script)
    pier("run", "--rm", "-v", f"{pier.cwd}:/in:ro", "alpine", "sh", "-c", "! touch /in/x")
    assert os.listdir(pier.cwd) == []
