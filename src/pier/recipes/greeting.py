"""The program of the hello-world image: a static ELF file of a few instructions per architecture. Pure."""

from __future__ import annotations

import struct

from pier.errors import Unsupported

TEXT = """
Hello from pier!
This message shows that your installation appears to be working correctly.

To print it, pier
 1. made the image "hello-world" here, without a registry;
 2. created a container from it, with a file system, processes and a network of its own;
 3. ran the program in it, whose output you are reading.

Something larger to try:
 $ pier run -it debian:bookworm-slim bash

"""

_BASE = 0x400000
_HEADERS = 64 + 56
_X86_64, _AARCH64 = 62, 183


def program(architecture: str, text: str = TEXT) -> bytes:
    """An executable that writes *text* to standard output and exits with 0. Unsupported for other architectures."""
    message = text.encode("utf-8")
    if architecture == "amd64":
        return _elf(_X86_64, _amd64(len(message)), message)
    if architecture == "arm64":
        return _elf(_AARCH64, _arm64(len(message)), message)
    raise Unsupported(f"the hello-world recipe has no program for {architecture}", hint="pull it from a registry")


def _amd64(length: int) -> bytes:
    """write(1, message, length); exit(0), by the System V ABI's syscall instruction. The message follows the code."""
    code_size = 5 + 5 + 7 + 5 + 2 + 5 + 2 + 2
    return b"".join(
        (
            b"\xb8" + struct.pack("<I", 1),  # mov eax, write
            b"\xbf" + struct.pack("<I", 1),  # mov edi, 1
            b"\x48\x8d\x35" + struct.pack("<i", code_size - 17),  # lea rsi, [rip + distance to the end]
            b"\xba" + struct.pack("<I", length),  # mov edx, length
            b"\x0f\x05",  # syscall
            b"\xb8" + struct.pack("<I", 60),  # mov eax, exit
            b"\x31\xff",  # xor edi, edi
            b"\x0f\x05",  # syscall
        )
    )


def _arm64(length: int) -> bytes:
    """The same with svc #0; numbers of the generic syscall table (write 64, exit 93)."""
    words = (
        _movz(0, 1),
        _adr(1, 7 * 4),  # from this instruction to the end of the code
        _movz(2, length),
        _movz(8, 64),
        0xD4000001,  # svc #0
        _movz(0, 0),
        _movz(8, 93),
        0xD4000001,
    )
    return struct.pack(f"<{len(words)}I", *words)


def _movz(register: int, value: int) -> int:
    return 0xD2800000 | value << 5 | register


def _adr(register: int, distance: int) -> int:
    return 0x10000000 | (distance & 3) << 29 | (distance >> 2) << 5 | register


def _elf(machine: int, code: bytes, message: bytes) -> bytes:
    """One loadable, executable segment that holds headers, code and message (elf(5))."""
    size = _HEADERS + len(code) + len(message)
    ident = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return ident + header + segment + code + message
