"""Compile a seccomp profile (Docker's JSON form) into a BPF program. Pure: it reads no file and installs nothing.

Unconditional rules become a binary search over ranges of syscall numbers, so that an allowed call costs about seven
comparisons; rules with arguments are blocks at its leaves. See seccomp(2), and the profile schema of the OCI runtime
specification, config-linux.
"""

from __future__ import annotations

import struct

from pier.errors import Invalid, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Instruction = tuple[int, int, int, int]
    Code = list[Instruction]

# <linux/audit.h>
AUDIT_ARCH = {"x86_64": 0xC000003E, "i386": 0x40000003, "aarch64": 0xC00000B7}
# Names that profiles use (Go's, and libseccomp's)
GO_NAME = {"x86_64": "amd64", "i386": "x86", "aarch64": "arm64"}
NATIVE = {"x86_64": ("x86_64", "i386"), "aarch64": ("aarch64",)}
SCMP_NAME = {"x86_64": "SCMP_ARCH_X86_64", "i386": "SCMP_ARCH_X86", "aarch64": "SCMP_ARCH_AARCH64"}
_X32_BIT = 0x40000000

# <linux/seccomp.h>
_KILL_PROCESS = 0x80000000
_ACTION_BITS = 0xFFFF0000
_ENOSYS = 38
_ACTIONS = {
    "SCMP_ACT_ALLOW": 0x7FFF0000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": _KILL_PROCESS,
}

# <linux/bpf_common.h>: BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, ... , BPF_RET|BPF_K
_LD, _AND, _JA, _JEQ, _JGT, _JGE, _RET = 0x20, 0x54, 0x05, 0x15, 0x25, 0x35, 0x06
_NR_OFFSET, _ARCH_OFFSET, _ARGS_OFFSET = 0, 4, 16


def compile_profile(
    profile: Mapping[str, Any],
    tables: Mapping[str, Mapping[str, int]],
    *,
    machine: str,
    capabilities: Sequence[str],
    kernel: tuple[int, int],
) -> bytes:
    """The BPF program of *profile* for *machine* (`uname -m`) and a process with *capabilities* ("CAP_…").

    *tables*: syscall name → number for each architecture. Unsupported on machines without a table; Invalid for a
    profile that uses an action or an operator nobody defines.
    """
    if machine not in NATIVE:
        raise Unsupported(
            f"no seccomp filter can be made for {machine}", hint="run with --security-opt seccomp=unconfined"
        )
    default = _action(profile["defaultAction"], profile.get("defaultErrnoRet"))
    code: Code = []
    listed = profile.get("architectures")
    for architecture in NATIVE[machine]:
        if listed and architecture != machine and SCMP_NAME[architecture] not in listed:
            continue
        rules = _rules(profile, tables[architecture], architecture, capabilities, kernel)
        body = _dispatch(rules, default, x32=architecture == "x86_64")
        code += [*_branch(_JEQ, AUDIT_ARCH[architecture], [(_LD, 0, 0, _NR_OFFSET), *body])]
    code = [(_LD, 0, 0, _ARCH_OFFSET), *code, (_RET, 0, 0, _KILL_PROCESS)]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code)


def _action(name: str, errno_value: int | None) -> int:
    if name not in _ACTIONS:
        raise Invalid(f"unknown seccomp action {name}")
    value = _ACTIONS[name]
    if name not in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"):
        return value
    return value | (1 if errno_value is None else errno_value)


def _rules(
    profile: Mapping[str, Any],
    numbers: Mapping[str, int],
    architecture: str,
    capabilities: Sequence[str],
    kernel: tuple[int, int],
) -> dict[int, list[tuple[int, Sequence[Mapping[str, int | str]]]]]:
    """Syscall number → its (action, argument conditions) in the profile's order."""
    rules: dict[int, list[tuple[int, Sequence[Mapping[str, int | str]]]]] = {}
    for entry in profile.get("syscalls") or ():
        if not applies(entry, architecture, capabilities, kernel):
            continue
        action = _action(entry["action"], entry.get("errnoRet"))
        for name in entry.get("names") or (entry.get("name"),):
            if name in numbers:
                rules.setdefault(numbers[name], []).append((action, entry.get("args") or ()))
    return rules


def applies(
    entry: Mapping[str, Any], architecture: str, capabilities: Sequence[str], kernel: tuple[int, int]
) -> bool:
    """Whether the conditions of a profile's *entry* hold: architecture, capabilities, kernel."""
    includes, excludes = entry.get("includes") or {}, entry.get("excludes") or {}
    names = GO_NAME[architecture]
    wanted = includes.get("arches")
    if wanted and names not in wanted or names in (excludes.get("arches") or ()):
        return False
    if any(capability not in capabilities for capability in includes.get("caps") or ()):
        return False
    if any(capability in capabilities for capability in excludes.get("caps") or ()):
        return False
    minimum = includes.get("minKernel")
    return not minimum or kernel >= tuple(int(part) for part in minimum.split("."))


def _dispatch(
    rules: Mapping[int, list[tuple[int, Sequence[Mapping[str, int | str]]]]], default: int, *, x32: bool
) -> Code:
    """Code that returns for any syscall number in the accumulator."""
    edges: list[tuple[int, Code]] = [(0, [(_RET, 0, 0, default)])]
    for number in sorted(rules):
        block = _block(rules[number], default)
        if edges[-1][0] == number:
            edges.pop()
        if not edges or edges[-1][1] != block:
            edges.append((number, block))
        edges.append((number + 1, [(_RET, 0, 0, default)]))
    if rules and default & _ACTION_BITS == _ACTIONS["SCMP_ACT_ERRNO"]:
        # A call younger than the profile: C libraries fall back on ENOSYS, not on EPERM (runc does the same).
        edges[-1] = (edges[-1][0], [(_RET, 0, 0, _ACTIONS["SCMP_ACT_ERRNO"] | _ENOSYS)])
    merged: list[tuple[int, Code]] = []
    for start, block in edges:
        if not merged or merged[-1][1] != block:
            merged.append((start, block))
    if x32:
        merged.append((_X32_BIT, [(_RET, 0, 0, default)]))
    return _search(merged)


def _search(edges: Sequence[tuple[int, Code]]) -> Code:
    if len(edges) == 1:
        return edges[0][1]
    middle = len(edges) // 2
    low, high = _search(edges[:middle]), _search(edges[middle:])
    return [*_branch(_JGE, edges[middle][0], high), *low]


def _branch(test: int, value: int, then: Code) -> Code:
    """`if A <test> value: then` and on to what follows. *then* must return on every path."""
    if len(then) <= 255:
        return [(test, 0, len(then), value), *then]
    return [(test, 1, 0, value), (_JA, 0, 0, len(then)), *then]


def _block(alternatives: Sequence[tuple[int, Sequence[Mapping[str, int | str]]]], default: int) -> Code:
    """Return the first action whose conditions all hold, else the default."""
    code: Code = []
    for action, conditions in alternatives:
        end: Code = [(_RET, 0, 0, action)]
        for condition in reversed(conditions):
            end = _condition(condition, end)
        code += end
        if not conditions:
            return code
    return [*code, (_RET, 0, 0, default)]


def _condition(condition: Mapping[str, int | str], then: Code) -> Code:
    """`if condition: then` for one 64-bit argument, compared in two halves (little endian)."""
    low_offset = _ARGS_OFFSET + 8 * int(condition["index"])
    value, second = int(condition["value"]), int(condition.get("valueTwo") or 0)
    operator = condition["op"]
    if operator == "SCMP_CMP_MASKED_EQ":
        return [
            *_half(low_offset + 4, _JEQ, second >> 32, then_length=len(then) + 3, mask=value >> 32),
            *_half(low_offset, _JEQ, second & 0xFFFFFFFF, then_length=len(then), mask=value & 0xFFFFFFFF),
            *then,
        ]
    high, low = value >> 32, value & 0xFFFFFFFF
    size = len(then)
    load_high, load_low = (_LD, 0, 0, low_offset + 4), (_LD, 0, 0, low_offset)
    if operator == "SCMP_CMP_EQ":
        return [load_high, (_JEQ, 0, size + 2, high), load_low, (_JEQ, 0, size, low), *then]
    if operator == "SCMP_CMP_NE":
        return [load_high, (_JEQ, 0, 2, high), load_low, (_JEQ, size, 0, low), *then]
    if operator in ("SCMP_CMP_GT", "SCMP_CMP_GE"):
        test = _JGT if operator == "SCMP_CMP_GT" else _JGE
        return [load_high, (_JGT, 3, 0, high), (_JEQ, 0, size + 2, high), load_low, (test, 0, size, low), *then]
    if operator in ("SCMP_CMP_LT", "SCMP_CMP_LE"):
        test = _JGE if operator == "SCMP_CMP_LT" else _JGT
        return [load_high, (_JGT, size + 3, 0, high), (_JEQ, 0, 2, high), load_low, (test, size, 0, low), *then]
    raise Invalid(f"unknown seccomp operator {operator}")


def _half(offset: int, test: int, value: int, *, then_length: int, mask: int) -> Code:
    return [(_LD, 0, 0, offset), (_AND, 0, 0, mask), (test, 0, then_length, value)]
