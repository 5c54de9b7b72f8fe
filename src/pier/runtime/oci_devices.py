"""The device list of version 2 of control groups, which has no file for it: an eBPF program that the kernel asks.

See "Device controller" in the kernel's cgroup-v2.rst, and struct bpf_cgroup_dev_ctx of <linux/bpf.h>.
"""

from __future__ import annotations

import os
import struct

from pier.errors import PierError
from pier.kernel import bpf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.runtime.oci_cgroup import DeviceRule

    Instruction = tuple[int, int, int, int, int]

# <linux/bpf_common.h>: BPF_LDX|BPF_W|BPF_MEM, BPF_ALU|..., BPF_JMP|...
_LOAD, _MOVE, _MOVE_REGISTER, _AND, _SHIFT_RIGHT = 0x61, 0xB4, 0xBC, 0x54, 0x74
_UNEQUAL, _UNEQUAL_REGISTER, _EQUAL, _EXIT = 0x55, 0x5D, 0x15, 0x95
_RESULT, _CONTEXT, _TYPE, _ACCESS, _MAJOR, _MINOR, _SCRATCH = range(7)
_TYPES = {"b": 1, "c": 2}
_ACCESSES = {"m": 1, "r": 2, "w": 4}


def attach(path: str, rules: tuple[DeviceRule, ...]) -> None:
    """The *rules* hold for the group at *path*. PierError when the kernel takes no such program."""
    try:
        program = bpf.load(bpf.PROG_TYPE_CGROUP_DEVICE, compile_rules(rules))
        try:
            bpf.attach_to_cgroup(path, program, bpf.CGROUP_DEVICE)
        finally:
            os.close(program)
    except OSError as exc:
        raise PierError("linux.resources.devices cannot be in force", why=f"bpf(2): {exc.strerror}") from exc


def compile_rules(rules: tuple[DeviceRule, ...]) -> bytes:
    """The program: the last rule that matches decides, and none means yes, as in version 1."""
    code: list[Instruction] = [
        (_LOAD, _TYPE, _CONTEXT, 0, 0),
        (_AND, _TYPE, 0, 0, 0xFFFF),
        (_LOAD, _ACCESS, _CONTEXT, 0, 0),
        (_SHIFT_RIGHT, _ACCESS, 0, 0, 16),
        (_LOAD, _MAJOR, _CONTEXT, 4, 0),
        (_LOAD, _MINOR, _CONTEXT, 8, 0),
    ]
    for rule in reversed(rules):
        code += _rule(rule)
        if rule.kind == "a":
            # Whatever stands before it can never be asked, and the verifier refuses code that cannot be reached.
            break
    else:
        code += [(_MOVE, _RESULT, 0, 0, 1), (_EXIT, 0, 0, 0, 0)]
    return b"".join(
        struct.pack("<BBhi", operation, source << 4 | target, offset, value)
        for operation, target, source, offset, value in code
    )


def _rule(rule: DeviceRule) -> list[Instruction]:
    """Return the rule's answer when it matches, go on behind it when it does not."""
    answer: list[Instruction] = [(_MOVE, _RESULT, 0, 0, int(rule.allow)), (_EXIT, 0, 0, 0, 0)]
    if rule.kind == "a":
        return answer
    tests: list[Instruction] = [(_UNEQUAL, _TYPE, 0, 0, _TYPES[rule.kind])]
    mask = sum(_ACCESSES[letter] for letter in set(rule.access))
    if mask != 7:
        tests += [(_MOVE_REGISTER, _SCRATCH, _ACCESS, 0, 0), (_AND, _SCRATCH, 0, 0, mask)]
        # Allowed is what lies within the rule's letters, denied what touches them.
        tests.append((_UNEQUAL_REGISTER, _SCRATCH, _ACCESS, 0, 0) if rule.allow else (_EQUAL, _SCRATCH, 0, 0, 0))
    tests += [(_UNEQUAL, _MAJOR, 0, 0, rule.major)] if rule.major >= 0 else []
    tests += [(_UNEQUAL, _MINOR, 0, 0, rule.minor)] if rule.minor >= 0 else []
    jumps = (_UNEQUAL, _UNEQUAL_REGISTER, _EQUAL)
    length = len(tests) + len(answer)
    placed = [
        (operation, target, source, length - position - 1 if operation in jumps else offset, value)
        for position, (operation, target, source, offset, value) in enumerate(tests)
    ]
    return placed + answer
