"""seccomp(2): install a filter that was compiled elsewhere."""

from __future__ import annotations

import ctypes
import os

from pier.kernel import libc, process

_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_SECCOMP_SET_MODE_FILTER = 1
_SYS_SECCOMP = {"x86_64": 317, "aarch64": 277, "riscv64": 277}
INSTRUCTION_BYTES = 8
MAXIMUM_INSTRUCTIONS = 4096


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def install(program: bytes, flags: int = 0) -> None:
    """Filter this process and all it becomes. Needs CAP_SYS_ADMIN or no_new_privs (EACCES otherwise).

    *flags* are SECCOMP_FILTER_FLAG_*.
    """
    buffer = ctypes.create_string_buffer(program, len(program))
    filter_program = _Program(len(program) // INSTRUCTION_BYTES, ctypes.addressof(buffer))
    if flags:
        number = _SYS_SECCOMP[os.uname().machine]
        libc.syscall(number, _SECCOMP_SET_MODE_FILTER, flags, ctypes.addressof(filter_program))
        return
    process.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(filter_program))
