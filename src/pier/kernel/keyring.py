"""Keyrings of the kernel: keyctl(2)."""

from __future__ import annotations

import ctypes
import errno
import os

from pier.kernel import libc

_SYS_KEYCTL = {"x86_64": 250, "aarch64": 219, "riscv64": 219}
_KEYCTL_JOIN_SESSION_KEYRING = 1


def join_session(name: str) -> None:
    """This process gets a new, empty session keyring, so that it cannot use its parent's keys.

    No effect where the kernel has no keyrings or forbids them.
    """
    buffer = ctypes.create_string_buffer(name.encode())
    try:
        libc.syscall(_SYS_KEYCTL[os.uname().machine], _KEYCTL_JOIN_SESSION_KEYRING, ctypes.addressof(buffer))
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM, errno.EDQUOT):
            raise
