"""A seccomp filter as the kernel runs it (net/core/filter.c), in a few lines: one program on one system call."""

from __future__ import annotations

import struct

ALLOW, ERRNO, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000


class Program:
    """A classic BPF program over struct seccomp_data (seccomp(2))."""

    def __init__(self, code: bytes) -> None:
        assert len(code) % 8 == 0 and 0 < len(code) // 8 <= 4096
        self.instructions = list(struct.iter_unpack("HBBI", code))

    def run(self, number: int, architecture: int, arguments: tuple[int, ...] = ()) -> int:
        """The action returned. AssertionError where the kernel would have refused the program."""
        padded = (*arguments, *(0,) * (6 - len(arguments)))
        data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, architecture, 0, *padded)
        accumulator, at = 0, 0
        while True:
            opcode, jump_true, jump_false, operand = self.instructions[at]
            at += 1
            if opcode == 0x20:
                assert operand % 4 == 0 and operand < len(data)
                (accumulator,) = struct.unpack_from("<I", data, operand)
            elif opcode == 0x54:
                accumulator &= operand
            elif opcode == 0x05:
                at += operand
            elif opcode == 0x15:
                at += jump_true if accumulator == operand else jump_false
            elif opcode == 0x25:
                at += jump_true if accumulator > operand else jump_false
            elif opcode == 0x35:
                at += jump_true if accumulator >= operand else jump_false
            elif opcode == 0x06:
                return operand
            else:
                raise AssertionError(f"opcode {opcode:#x}")
