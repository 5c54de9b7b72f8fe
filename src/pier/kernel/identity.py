"""Users, groups and capabilities of the calling process: capabilities(7), setresuid(2), setgroups(2)."""

from __future__ import annotations

import ctypes
import os

from pier.kernel import libc, process

CAPABILITIES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE"
    " NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN"
    " SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE"
    " MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
).split()
NUMBER_OF = {"CAP_" + name: number for number, name in enumerate(CAPABILITIES)}

_VERSION_3 = 0x20080522


class CapabilitySets:
    """The sets of capabilities(7) that a program starts with, as bit masks."""

    __slots__ = ("ambient", "effective", "inheritable", "permitted")

    def __init__(self, *, effective: int, permitted: int, inheritable: int, ambient: int) -> None:
        self.effective = effective
        self.permitted = permitted
        self.inheritable = inheritable
        self.ambient = ambient


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Data(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


_capget = libc.function("capget", ctypes.POINTER(_Header), ctypes.POINTER(_Data))
_capset = libc.function("capset", ctypes.POINTER(_Header), ctypes.POINTER(_Data))


def mask_of(names: tuple[str, ...]) -> int:
    """Bit mask of capability *names*."""
    mask = 0
    for name in names:
        mask |= 1 << NUMBER_OF[name]
    return mask


def effective_capabilities() -> int:
    """Bit mask of what this process may do now (proc(5), CapEff)."""
    with open("/proc/self/status", "rb") as stream:
        for line in stream:
            if line.startswith(b"CapEff:"):
                return int(line.split()[1], 16)
    return 0


def permitted_capabilities() -> int:
    """capget(2) for this thread. Reads no file: those of a container may lie."""
    header = _Header(_VERSION_3, 0)
    data = (_Data * 2)()
    libc.check(_capget(ctypes.byref(header), data))
    return int(data[0].permitted) | int(data[1].permitted) << 32


def last_capability() -> int:
    """Number of the highest capability this kernel knows."""
    with open("/proc/sys/kernel/cap_last_cap", "rb") as stream:
        return int(stream.read())


def limit_bounding_set(mask: int, last: int) -> None:
    """Drop from the bounding set, for good, every capability outside *mask*; *last* is `last_capability()`."""
    for number in range(last + 1):
        if not mask >> number & 1:
            process.prctl(process.PR_CAPBSET_DROP, number)


def set_capabilities(effective: int, permitted: int, inheritable: int = 0) -> None:
    """capset(2) for this thread; clears the ambient set."""
    header = _Header(_VERSION_3, 0)
    data = (_Data * 2)()
    for half in (0, 1):
        shift = 32 * half
        data[half].effective = effective >> shift & 0xFFFFFFFF
        data[half].permitted = permitted >> shift & 0xFFFFFFFF
        data[half].inheritable = inheritable >> shift & 0xFFFFFFFF
    process.prctl(process.PR_CAP_AMBIENT, process.PR_CAP_AMBIENT_CLEAR_ALL)
    libc.check(_capset(ctypes.byref(header), data))


def become(uid: int, gid: int, groups: tuple[int, ...] | None, capabilities: int) -> None:
    """Change to *uid*:*gid* with supplementary *groups* (None: as they are).

    Root keeps those of *capabilities* it has, others none.
    """
    if uid != 0:
        process.prctl(process.PR_SET_KEEPCAPS, 0)
    if groups is not None:
        os.setgroups(list(groups))
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    # Inside an outer container even --privileged can hand on only what was left to us.
    kept = capabilities & permitted_capabilities() if uid == 0 else 0
    set_capabilities(kept, kept)


def become_holding(uid: int, gid: int, groups: tuple[int, ...], sets: CapabilitySets) -> None:
    """Change to *uid*:*gid* with supplementary *groups* and hold exactly *sets*."""
    process.prctl(process.PR_SET_KEEPCAPS, 1)
    os.setgroups(list(groups))
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    set_capabilities(sets.effective, sets.permitted, sets.inheritable)
    for number in range(len(CAPABILITIES)):
        if sets.ambient >> number & 1:
            process.prctl(process.PR_CAP_AMBIENT, process.PR_CAP_AMBIENT_RAISE, number)
