"""Namespaces: clone(2), unshare(2), setns(2)."""

from __future__ import annotations

import ctypes
import os
import struct

from pier.kernel import libc

# <linux/sched.h>
CLONE_PIDFD = 0x00001000
CLONE_PARENT = 0x00008000
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

FLAG_OF = {
    "cgroup": CLONE_NEWCGROUP,
    "ipc": CLONE_NEWIPC,
    "mnt": CLONE_NEWNS,
    "net": CLONE_NEWNET,
    "pid": CLONE_NEWPID,
    "user": CLONE_NEWUSER,
    "uts": CLONE_NEWUTS,
}

_CLONE_INTO_CGROUP = 0x200000000
_SIGCHLD = 17
_SYS_CLONE3 = 435
_SYS_CLONE = {"x86_64": 56, "aarch64": 220, "riscv64": 220}

_unshare = libc.function("unshare", libc.c_int)
_setns = libc.function("setns", libc.c_int, libc.c_int)


def unshare(flags: int) -> None:
    """unshare(2)."""
    libc.check(_unshare(flags))


def setns(fd: int, flags: int = 0) -> None:
    """setns(2): *fd* is a namespace file, or a pidfd with several CLONE_NEW* *flags* (Linux 5.8)."""
    libc.check(_setns(fd, flags))


def clone(flags: int, cgroup: str = "") -> tuple[int, int]:
    """fork(2) into new namespaces and, when named, a version 2 *cgroup*: (pid, pidfd); (0, -1) in the child.

    The caller must have one thread: the child skips the interpreter's after-fork work, which one thread does not need.
    """
    pidfd = ctypes.c_int(-1)
    if cgroup:
        pid = _clone_into(flags, cgroup, pidfd)
    else:
        number = _SYS_CLONE[os.uname().machine]
        pid = libc.syscall(number, flags | CLONE_PIDFD | _SIGCHLD, 0, ctypes.addressof(pidfd))
    return (pid, pidfd.value) if pid else (0, -1)


def _clone_into(flags: int, cgroup: str, pidfd: ctypes.c_int) -> int:
    folder = os.open(cgroup, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # struct clone_args of <linux/sched.h>: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size,
        # tls, set_tid, set_tid_size, cgroup
        wanted = flags | CLONE_PIDFD | _CLONE_INTO_CGROUP
        # clone(2): with CLONE_PARENT the signal is the caller's own.
        signal = 0 if flags & CLONE_PARENT else _SIGCHLD
        packed = struct.pack("11Q", wanted, ctypes.addressof(pidfd), 0, 0, signal, 0, 0, 0, 0, 0, folder)
        arguments = ctypes.create_string_buffer(packed, len(packed))
        return libc.syscall(_SYS_CLONE3, ctypes.addressof(arguments), len(packed))
    finally:
        os.close(folder)
