"""seccomp(2): install a filter that was compiled elsewhere."""

from __future__ import annotations

import ctypes

from pier.kernel import process

_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
INSTRUCTION_BYTES = 8
MAXIMUM_INSTRUCTIONS = 4096


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def install(program: bytes) -> None:
    """Filter this process and all it becomes. Needs CAP_SYS_ADMIN or no_new_privs (EACCES otherwise)."""
    buffer = ctypes.create_string_buffer(program, len(program))
    filter_program = _Program(len(program) // INSTRUCTION_BYTES, ctypes.addressof(buffer))
    process.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(filter_program))
