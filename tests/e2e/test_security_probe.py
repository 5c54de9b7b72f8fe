"""Every way out of a container and up in it that one program can try, compared with Docker on the same kernel.

The program is `security_probe.c`. Where no dockerd starts, the seccomp profile itself is the expectation.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import CHECKOUT, Pier

SOURCE = Path(__file__).with_name("security_probe.c")
DOCKERD = CHECKOUT / "bench" / "dockerd.py"
PROFILE = CHECKOUT / "src" / "pier" / "runtime"
_SECONDS = 120.0

Results = dict[str, str]

# Where pier may differ from an older Docker, and why. Numbers are those of x86_64.
_YOUNGER = "allowed by the profile since it needs no privilege (moby's default.json after 20.10)"
_UNKNOWN = "younger than Docker's libseccomp: ENOSYS there, ruled by name here"
_RING = "denied since containerd 2.0: io_uring has had too many holes"
ALLOWED_TO_DIFFER = {
    **{f"call {number}": _YOUNGER for number in (303, 310, 311, 329, 330, 331)},
    **{f"call {number}": _RING for number in (425, 426, 427)},
    **{f"call {number}": _UNKNOWN for number in range(436, 470)},
    **{f"socket 38/{kind}": "AF_ALG is denied by the profile since moby 28" for kind in (1, 2, 3)},
    **{f"socket 40/{kind}": "AF_VSOCK is denied by the profile since moby 22" for kind in (1, 2, 3)},
    "up io_uring_setup": _RING,
    "up name_to_handle_at": _YOUNGER,
    "up process_vm_readv": _YOUNGER,
    "up x32-getpid": "the whole x32 table is refused here, by EPERM",
    "read /proc/interrupts": "masked by moby since 27",
    "read /sys/devices/virtual/powercap": "masked by moby since 24",
}


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build context that holds the static program and a Dockerfile."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc (Debian: gcc, libc6-dev)")
    context = tmp_path_factory.mktemp("probe")
    (context / "tmp").mkdir()
    subprocess.run(["gcc", "-static", "-O1", "-Wall", "-Werror", "-o", context / "probe", SOURCE], check=True)
    (context / "Dockerfile").write_text('FROM scratch\nCOPY probe /probe\nCOPY tmp /tmp\nCMD ["/probe"]\n')
    return context


@pytest.fixture
def image(pier: Pier, probe: Path) -> Iterator[str]:
    pier("build", "-q", "-t", "probe", ".", cwd=probe)
    yield "probe"
    pier.sweep()
    pier("rmi", "-f", "probe")


@pytest.fixture
def short_folder() -> Iterator[str]:
    """A folder whose path leaves room for the names of containerd's sockets (unix(7): 108 bytes)."""
    with tempfile.TemporaryDirectory(prefix="pd", dir="/tmp") as folder:
        yield folder


def _results(text: str) -> Results:
    """"kind name" → result."""
    found: Results = {}
    for line in text.splitlines():
        kind, name, *rest = line.split(" ", 2)
        found[f"{kind} {name}"] = " ".join(rest).strip()
    return found


@pytest.fixture
def here(pier: Pier, image: str) -> Results:
    return _results(pier("run", "--rm", image, timeout=_SECONDS).out)


def _differences(one: Results, other: Results) -> list[str]:
    return [
        f"{name}: {one.get(name, 'absent')}, in Docker {other.get(name, 'absent')}"
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
        and name not in ALLOWED_TO_DIFFER
        and not _same_refusal(name, one.get(name, ""), other.get(name, ""))
    ]


def _same_refusal(name: str, ours: str, theirs: str) -> bool:
    """A device node is dead either way: by nodev here (EACCES), by the device cgroup in Docker (EPERM)."""
    return name.startswith("device ") and {ours, theirs} <= {"EACCES", "EPERM"}


@pytest.mark.slow
def test_each_attempt_ends_as_in_docker(pier: Pier, probe: Path, here: Results, short_folder: str) -> None:
    if shutil.which("dockerd", path="/usr/sbin:/usr/bin:/usr/local/bin") is None or shutil.which("docker") is None:
        pytest.skip("needs Docker (Debian: docker.io)")
    script = f"tar -C {probe} -c probe tmp | docker import - probe >/dev/null && docker run --rm probe /probe"
    done = subprocess.run(
        ["unshare", "-n", "-m", sys.executable, DOCKERD, short_folder, "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
    )
    if "dockerd does not start" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    there = _results(done.stdout)
    assert len(there) > 500
    assert _differences(here, there) == []


def test_exec_is_confined_as_the_first_process_is(pier: Pier, image: str, here: Results) -> None:
    pier("run", "-d", "--name", "probed", "-v", "/bin/busybox:/busybox:ro", image, "/busybox", "sleep", "1000")
    inside = _results(pier("exec", "probed", "/probe", timeout=_SECONDS).out)
    changed = {name for name in here.keys() | inside.keys() if here.get(name) != inside.get(name)}
    # What the probe finds of its parent, and of who else is there, is another's.
    assert changed <= {"read /proc/1/mem", "read /proc/1/exe", "up ptrace-parent", "up signal-init-of-host"}


def test_what_the_profile_does_not_name_is_refused(here: Results) -> None:
    table = json.loads((PROFILE / "syscalls.json").read_text())["x86_64"]
    profile = json.loads((PROFILE / "seccomp-default.json").read_text())
    named = {table[name] for entry in profile["syscalls"] for name in entry["names"] if name in table}
    calls = {int(name.split()[1]): result for name, result in here.items() if name.startswith("call ")}
    assert len(calls) > 350
    let_through = {n: r for n, r in calls.items() if n not in named and r not in ("EPERM", "ENOSYS")}
    assert let_through == {}
    assert {r for n, r in calls.items() if n > max(named)} <= {"ENOSYS"}


def test_nothing_leads_out_or_up(here: Results) -> None:
    """The attempts that must fail whatever Docker does."""
    for name, result in here.items():
        kind, what = name.split(" ", 1)
        if kind in ("unshare", "setns", "device") or (kind == "clone3" and what != "plain"):
            assert result in ("EPERM", "EACCES", "ENOSYS"), f"{name}: {result}"
        if kind == "clone":
            assert result == "EPERM", f"{name}: {result}"
        if kind == "writable":
            assert not what.startswith(("/proc/sys/", "/proc/sysrq-trigger", "/sys/")), f"{what} can be written"
    refused = (
        "mount-tmpfs mount-proc mount-bind remount-proc-sys-rw remount-sys-rw umount-masked umount-proc pivot_root"
        " fsopen open_tree move_mount mount_setattr keyctl add_key request_key bpf-map bpf-program perf_event_open"
        " userfaultfd io_uring_setup open_by_handle_at fanotify_init reboot kexec_load kexec_file_load init_module"
        " delete_module quotactl acct swapon swapoff syslog iopl ioperm sethostname clock_settime settimeofday vhangup"
        " all-capabilities raise-bounding pidfd_getfd"
    ).split()
    assert {name: here[f"up {name}"] for name in refused if here[f"up {name}"] not in ("EPERM", "ENOSYS")} == {}


def test_no_fd_of_piers_is_open(here: Results) -> None:
    assert [name for name in here if name.startswith("fd ")] == []


def test_privileged_differs_in_what_it_is_for(pier: Pier, image: str, here: Results) -> None:
    """The probe would notice if the refusals came from anything but the profile."""
    found = _results(pier("run", "--rm", "--security-opt", "seccomp=unconfined", image, timeout=_SECONDS).out)
    assert found["unshare NEWUSER"] == "ok"
    assert found["status Seccomp"] == "0"
    assert found["up mount-tmpfs"] == "EPERM"
