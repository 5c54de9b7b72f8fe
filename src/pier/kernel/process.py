"""What a process may set about itself: prctl(2), limits, fds, its command line. Knows nothing of containers."""

from __future__ import annotations

import ctypes
import errno
import os

from pier.kernel import libc

# <linux/prctl.h>
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_NAME = 15
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
PR_CAP_AMBIENT_CLEAR_ALL = 4

RLIM_INFINITY = (1 << 64) - 1
RLIMITS = {
    "cpu": 0,
    "fsize": 1,
    "data": 2,
    "stack": 3,
    "core": 4,
    "rss": 5,
    "nproc": 6,
    "nofile": 7,
    "memlock": 8,
    "as": 9,
    "locks": 10,
    "sigpending": 11,
    "msgqueue": 12,
    "nice": 13,
    "rtprio": 14,
    "rttime": 15,
}

_CLOSE_RANGE_CLOEXEC = 4
_SYS_CLOSE_RANGE = 436

_prctl = libc.function("prctl", libc.c_int, libc.c_ulong, libc.c_ulong, libc.c_ulong, libc.c_ulong)


class _Rlimit(ctypes.Structure):
    _fields_ = [("soft", ctypes.c_uint64), ("hard", ctypes.c_uint64)]


_prlimit = libc.function("prlimit64", libc.c_int, libc.c_int, ctypes.POINTER(_Rlimit), ctypes.POINTER(_Rlimit))


def prctl(option: int, *arguments: int) -> int:
    """prctl(2)."""
    padded = arguments + (0,) * (4 - len(arguments))
    return libc.check(_prctl(option, *padded))


def set_command_line(text: str) -> None:
    """Show *text* in place of this process's arguments (proc(5), /proc/pid/cmdline), cut to their length."""
    with open("/proc/self/stat", "rb") as stream:
        fields = stream.read().rpartition(b")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    if 0 < start < end:
        ctypes.memmove(start, os.fsencode(text)[: end - start - 1].ljust(end - start, b"\0"), end - start)


def get_limit(name: str) -> tuple[int, int]:
    """(soft, hard) of a limit in `RLIMITS`."""
    old = _Rlimit()
    libc.check(_prlimit(0, RLIMITS[name], None, ctypes.byref(old)))
    return old.soft, old.hard


def set_limit(name: str, soft: int, hard: int, pid: int = 0) -> None:
    """Set a limit in `RLIMITS`; -1 is unlimited. PermissionError when *hard* is above the present one."""
    infinite = RLIM_INFINITY
    new = _Rlimit(infinite if soft < 0 else soft, infinite if hard < 0 else hard)
    libc.check(_prlimit(pid, RLIMITS[name], ctypes.byref(new), None))


def close_range_on_exec(first: int) -> None:
    """Mark every fd from *first* up close-on-exec (close_range(2); /proc/self/fd before Linux 5.11)."""
    try:
        libc.syscall(_SYS_CLOSE_RANGE, first, 0xFFFFFFFF, _CLOSE_RANGE_CLOEXEC)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EINVAL, errno.EPERM):
            raise
        for name in os.listdir("/proc/self/fd"):
            if int(name) >= first:
                try:
                    os.set_inheritable(int(name), False)
                except OSError as closed:
                    if closed.errno != errno.EBADF:
                        raise


def close_range_now(first: int) -> None:
    """Close every fd from *first* up."""
    os.closerange(first, 65536)
