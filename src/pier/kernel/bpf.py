"""eBPF programs: loaded and attached to a control group of version 2 (bpf(2))."""

from __future__ import annotations

import ctypes
import os

from pier.kernel import libc

# <linux/bpf.h>
PROG_TYPE_CGROUP_DEVICE = 15
CGROUP_DEVICE = 6

_PROG_LOAD = 5
_PROG_ATTACH = 8
_ALLOW_MULTI = 2
_INSTRUCTION_BYTES = 8
_SYS_BPF = {"x86_64": 321, "aarch64": 280, "riscv64": 280}


class _Load(ctypes.Structure):
    _fields_ = [
        ("kind", ctypes.c_uint32),
        ("count", ctypes.c_uint32),
        ("instructions", ctypes.c_uint64),
        ("license", ctypes.c_uint64),
        ("log_level", ctypes.c_uint32),
        ("log_size", ctypes.c_uint32),
        ("log", ctypes.c_uint64),
        ("kernel", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
    ]


class _Attach(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("target", "program", "kind", "flags")]


def load(kind: int, program: bytes) -> int:
    """An fd of the *program*; the kernel's verifier answers EINVAL or EACCES to one that is unsafe."""
    code = ctypes.create_string_buffer(program, len(program))
    licence = ctypes.create_string_buffer(b"Apache-2.0")
    arguments = _Load(
        kind=kind,
        count=len(program) // _INSTRUCTION_BYTES,
        instructions=ctypes.addressof(code),
        license=ctypes.addressof(licence),
    )
    return _bpf(_PROG_LOAD, arguments)


def attach_to_cgroup(path: str, program: int, kind: int) -> None:
    """The program of the fd decides for the group at *path* and those below it, beside what is attached already."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _bpf(_PROG_ATTACH, _Attach(target=folder, program=program, kind=kind, flags=_ALLOW_MULTI))
    finally:
        os.close(folder)


def _bpf(command: int, arguments: ctypes.Structure) -> int:
    number = _SYS_BPF[os.uname().machine]
    return libc.syscall(number, command, ctypes.addressof(arguments), ctypes.sizeof(arguments))
