"""Docker's default security profile, and what the options make of it. Pure but for the cached seccomp program."""

from __future__ import annotations

import os

from pier.errors import Invalid, NotFound
from pier.kernel import identity
from pier.model import jsontext
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pier.model.container import Security

# moby: oci/caps/defaults.go
DEFAULT_CAPABILITIES = tuple(
    "CAP_" + name
    for name in (
        "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID"
        " SYS_CHROOT"
    ).split()
)

# moby: oci/defaults.go
MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
READ_ONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

# The kernel parameters that namespaces keep apart (opencontainers/runc: libcontainer/configs/validate).
_OWN_SYSCTLS = tuple(
    "kernel." + name for name in "domainname msgmax msgmnb msgmni sem shmall shmmax shmmni shm_rmid_forced".split()
)
_OWN_SYSCTL_FAMILIES = ("net.", "fs.mqueue.")

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")

_DATA = os.path.dirname(__file__)
_PROFILE_VERSION = "2"


def capabilities(security: Security) -> tuple[str, ...]:
    """The names a process of the container may hold, in kernel order. Invalid names a capability nobody knows."""
    known = identity.NUMBER_OF
    add = tuple(_capability_name(name, known) for name in security.cap_add)
    drop = tuple(_capability_name(name, known) for name in security.cap_drop)
    if security.privileged:
        return tuple(known)
    kept = set(known if "ALL" in add else () if "ALL" in drop else DEFAULT_CAPABILITIES)
    kept |= set(add) - {"ALL"}
    kept -= set(drop) - {"ALL"}
    return tuple(name for name in known if name in kept)


def _capability_name(text: str, known: dict[str, int]) -> str:
    name = text.upper()
    if name == "ALL":
        return name
    if not name.startswith("CAP_"):
        name = "CAP_" + name
    if name not in known:
        raise Invalid(f"unknown capability {text!r}", hint="capabilities(7) lists them, for example NET_ADMIN")
    return name


def check_sysctls(sysctls: Mapping[str, str], *, own_network: bool) -> None:
    """Invalid for a kernel parameter that would change the host."""
    for key in sysctls:
        name = key.replace("/", ".")
        if name.startswith("net.") and not own_network:
            raise Invalid(f"sysctl {key} is not allowed here", why="the container has no network namespace of its own")
        if name not in _OWN_SYSCTLS and not name.startswith(_OWN_SYSCTL_FAMILIES) or ".." in key:
            raise Invalid(
                f"sysctl {key} is not in a separate kernel namespace",
                why="it would change this machine, not the container",
                hint=f"on this machine: sysctl -w {key}=...",
            )


def seccomp_program(security: Security, names: tuple[str, ...], cache: str) -> bytes:
    """The compiled filter, from *cache* when it is there; empty when the container is to run unconfined."""
    if security.privileged or security.seccomp == "unconfined":
        return b""
    host = os.uname()
    kernel = kernel_version(host.release)
    if security.seccomp:
        return _compile(security.seccomp, host.machine, names, kernel)
    mask = identity.mask_of(names)
    cached = f"{cache}/seccomp-{_PROFILE_VERSION}-{host.machine}-{kernel[0]}.{kernel[1]}-{mask:x}.bpf"
    try:
        fd = os.open(cached, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        program = _compile(_DATA + "/seccomp-default.json", host.machine, names, kernel)
        files.write_text(cached, program.decode("latin-1"), encoding="latin-1")
        return program
    try:
        return os.read(fd, 1 << 16)
    finally:
        os.close(fd)


def kernel_version(release: str) -> tuple[int, int]:
    """The first two numbers of `uname -r`."""
    numbers = release.split("-")[0].split(".")
    return int(numbers[0]), int(numbers[1])


def seccomp_profile(path: str) -> Any:
    """The profile in the file *path*, Docker's own without one. NotFound, Invalid."""
    path = path or _DATA + "/seccomp-default.json"
    try:
        return jsontext.loads(files.read_text(path))
    except FileNotFoundError as exc:
        raise NotFound(f"no seccomp profile at {path}") from exc
    except ValueError as exc:
        raise Invalid(f"the seccomp profile {path} is not JSON", why=str(exc)) from exc


def _compile(profile_path: str, machine: str, names: tuple[str, ...], kernel: tuple[int, int]) -> bytes:
    from pier.runtime import seccomp

    profile = seccomp_profile(profile_path)
    tables = jsontext.loads(files.read_text(_DATA + "/syscalls.json"))
    try:
        return seccomp.compile_profile(profile, tables, machine=machine, capabilities=names, kernel=kernel)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise Invalid(f"{profile_path} is not a seccomp profile", why=f"{type(exc).__name__}: {exc}") from exc


def compile_oci_filter(profile: dict[str, Any]) -> bytes:
    """The program of an OCI configuration's `linux.seccomp`, whose conditions are resolved already."""
    from pier.runtime import seccomp

    tables = jsontext.loads(files.read_text(_DATA + "/syscalls.json"))
    return seccomp.compile_profile(profile, tables, machine=os.uname().machine, capabilities=(), kernel=(0, 0))
