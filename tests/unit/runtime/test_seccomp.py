"""The compiled filter against the profile itself: every system call, every argument case, every architecture."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bpf
from pier.errors import Invalid, Unsupported
from pier.kernel import identity
from pier.model.container import Security
from pier.runtime import seccomp, security

_DATA = Path(seccomp.__file__).parent
PROFILE = json.loads((_DATA / "seccomp-default.json").read_text())
TABLES = json.loads((_DATA / "syscalls.json").read_text())
KERNEL = (5, 15)
DEFAULT = security.DEFAULT_CAPABILITIES
ARCH = {"x86_64": 0xC000003E, "i386": 0x40000003, "aarch64": 0xC00000B7}
GO = {"x86_64": "amd64", "i386": "x86", "aarch64": "arm64"}

_COMPARE = {
    "SCMP_CMP_EQ": lambda a, v, _: a == v,
    "SCMP_CMP_NE": lambda a, v, _: a != v,
    "SCMP_CMP_LT": lambda a, v, _: a < v,
    "SCMP_CMP_LE": lambda a, v, _: a <= v,
    "SCMP_CMP_GT": lambda a, v, _: a > v,
    "SCMP_CMP_GE": lambda a, v, _: a >= v,
    "SCMP_CMP_MASKED_EQ": lambda a, v, w: a & v == w,
}


def _compile(
    profile: Mapping[str, Any], machine: str, capabilities: Sequence[str], kernel: tuple[int, int] = KERNEL
) -> bpf.Program:
    return bpf.Program(
        seccomp.compile_profile(profile, TABLES, machine=machine, capabilities=capabilities, kernel=kernel)
    )


def _applies(entry: Mapping[str, Any], architecture: str, capabilities: Sequence[str]) -> bool:
    includes, excludes = entry.get("includes") or {}, entry.get("excludes") or {}
    return (
        GO[architecture] in includes.get("arches", [GO[architecture]])
        and GO[architecture] not in excludes.get("arches", [])
        and set(includes.get("caps", [])) <= set(capabilities)
        and not set(excludes.get("caps", [])) & set(capabilities)
    )


def _meant(name: str, arguments: tuple[int, ...], architecture: str, capabilities: Sequence[str]) -> int:
    """What the profile says, read line by line."""
    for entry in PROFILE["syscalls"]:
        if name in entry["names"] and _applies(entry, architecture, capabilities):
            conditions = entry.get("args") or []
            if all(_COMPARE[c["op"]](arguments[c["index"]], c["value"], c.get("valueTwo", 0)) for c in conditions):
                return bpf.ALLOW if entry["action"] == "SCMP_ACT_ALLOW" else bpf.ERRNO | entry["errnoRet"]
    return bpf.ERRNO | PROFILE["defaultErrnoRet"]


def _cases(name: str) -> Iterator[tuple[int, ...]]:
    """Arguments on both sides of every border that the profile draws for *name*, in the low and the high half."""
    zero = (0,) * 6
    yield zero
    for entry in PROFILE["syscalls"]:
        if name in entry["names"]:
            for condition in entry.get("args") or []:
                value = condition["value"]
                for one in (
                    value - 1,
                    value,
                    value + 1,
                    value | 1 << 32,
                    value << 32,
                    1,
                    17,
                    2**64 - 1,
                    value & -value,
                ):
                    yield tuple(one % 2**64 if i == condition["index"] else 0 for i in range(6))


@pytest.mark.parametrize("extra", [(), ("CAP_SYS_ADMIN",), tuple(identity.NUMBER_OF)], ids=["default", "admin", "all"])
@pytest.mark.parametrize(
    ("machine", "architecture"), [("x86_64", "x86_64"), ("x86_64", "i386"), ("aarch64", "aarch64")]
)
def test_the_filter_says_of_every_call_what_the_profile_says(
    machine: str, architecture: str, extra: tuple[str, ...]
) -> None:
    capabilities = tuple(dict.fromkeys((*DEFAULT, *extra)))
    program = _compile(PROFILE, machine, capabilities)
    wrong = [
        (name, arguments)
        for name, number in TABLES[architecture].items()
        for arguments in _cases(name)
        if program.run(number, ARCH[architecture], arguments) != _meant(name, arguments, architecture, capabilities)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("machine", "architecture"), [("x86_64", "x86_64"), ("x86_64", "i386"), ("aarch64", "aarch64")]
)
def test_numbers_without_a_name_are_refused_and_those_younger_than_the_profile_unknown(
    machine: str, architecture: str
) -> None:
    program = _compile(PROFILE, machine, DEFAULT)
    named = {name for entry in PROFILE["syscalls"] for name in entry["names"]}
    youngest = max(number for name, number in TABLES[architecture].items() if name in named)
    for number in set(range(1024)) - set(TABLES[architecture].values()):
        expected = errno.ENOSYS if number > youngest else errno.EPERM
        assert program.run(number, ARCH[architecture]) == bpf.ERRNO | expected, number


def test_x32_calls_are_refused_on_x86_64() -> None:
    program = _compile(PROFILE, "x86_64", DEFAULT)
    assert {program.run(0x40000000 | number, ARCH["x86_64"]) for number in range(600)} == {bpf.ERRNO | 1}


@pytest.mark.parametrize(("machine", "foreign"), [("x86_64", "aarch64"), ("aarch64", "x86_64"), ("aarch64", "i386")])
def test_calls_of_another_architecture_kill(machine: str, foreign: str) -> None:
    assert _compile(PROFILE, machine, DEFAULT).run(0, ARCH[foreign]) == bpf.KILL_PROCESS


@pytest.mark.parametrize("name", ["mount", "unshare", "setns", "keyctl", "bpf", "reboot", "init_module", "kexec_load"])
def test_what_reaches_the_host_is_refused_by_default(name: str) -> None:
    program = _compile(PROFILE, "x86_64", DEFAULT)
    assert program.run(TABLES["x86_64"][name], ARCH["x86_64"]) == bpf.ERRNO | 1


def test_threads_may_be_made_but_not_namespaces() -> None:
    program, number = _compile(PROFILE, "x86_64", DEFAULT), TABLES["x86_64"]["clone"]
    assert program.run(number, ARCH["x86_64"], (0x3D0F00,)) == bpf.ALLOW
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert program.run(number, ARCH["x86_64"], (flag | 17,)) == bpf.ERRNO | 1
    # ENOSYS makes the C library fall back to clone(2), whose flags a filter can see.
    assert program.run(TABLES["x86_64"]["clone3"], ARCH["x86_64"]) == bpf.ERRNO | 38


_VALUES = st.one_of(
    st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**63, 2**64 - 1])
)
_CONDITIONS = st.fixed_dictionaries(
    {"index": st.integers(0, 5), "op": st.sampled_from(sorted(_COMPARE)), "value": _VALUES, "valueTwo": _VALUES}
)
_ARGUMENTS = st.tuples(*[_VALUES] * 6)


@settings(max_examples=300)
@given(st.lists(st.lists(_CONDITIONS, min_size=1, max_size=4), min_size=1, max_size=4), _ARGUMENTS, st.data())
def test_any_conditions_hold_for_64_bits(
    alternatives: list[list[dict[str, Any]]], arguments: tuple[int, ...], data: st.DataObject
) -> None:
    near = data.draw(st.sampled_from([condition for group in alternatives for condition in group]))
    shift = data.draw(st.sampled_from([-1, 0, 0, 1]))
    arguments = (*arguments[: near["index"]], (near["value"] + shift) % 2**64, *arguments[near["index"] + 1 :])
    profile = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 10 + i, "args": group}
            for i, group in enumerate(alternatives)
        ],
    }
    expected = next(
        (
            bpf.ERRNO | 10 + i
            for i, group in enumerate(alternatives)
            if all(_COMPARE[c["op"]](arguments[c["index"]], c["value"], c["valueTwo"]) for c in group)
        ),
        bpf.ERRNO | 1,
    )
    assert _compile(profile, "x86_64", ()).run(0, ARCH["x86_64"], arguments) == expected


@settings(max_examples=100)
@given(st.sets(st.sampled_from(sorted(TABLES["x86_64"])), max_size=400))
def test_any_set_of_calls_is_allowed_and_no_other(names: set[str]) -> None:
    profile = {
        "defaultAction": "SCMP_ACT_KILL_PROCESS",
        "syscalls": [{"names": sorted(names), "action": "SCMP_ACT_ALLOW"}],
    }
    program = _compile(profile, "x86_64", ())
    allowed = {n for n in TABLES["x86_64"] if program.run(TABLES["x86_64"][n], ARCH["x86_64"]) == bpf.ALLOW}
    assert allowed == names


def test_a_rule_for_a_newer_kernel_waits_for_it() -> None:
    entry = {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}}
    profile = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [entry]}
    number = TABLES["x86_64"]["ptrace"]
    assert _compile(profile, "x86_64", (), (4, 4)).run(number, ARCH["x86_64"]) == bpf.ERRNO | 1
    assert _compile(profile, "x86_64", (), (4, 8)).run(number, ARCH["x86_64"]) == bpf.ALLOW
    assert _compile(profile, "x86_64", (), (10, 0)).run(number, ARCH["x86_64"]) == bpf.ALLOW


@pytest.mark.parametrize(
    "entry",
    [
        {"names": ["read"], "action": "SCMP_ACT_DANCE"},
        {
            "names": ["read"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_LIKE"}],
        },
    ],
)
def test_an_unknown_action_or_operator_is_invalid(entry: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        _compile({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [entry]}, "x86_64", ())


def test_a_machine_without_a_table_is_unsupported_and_told_the_way_out() -> None:
    with pytest.raises(Unsupported) as caught:
        _compile(PROFILE, "s390x", DEFAULT)
    assert "unconfined" in caught.value.hint


def test_the_compiled_filter_is_cached_and_none_is_needed_when_privileged(tmp_path: Path) -> None:
    names = security.capabilities(Security())
    first = security.seccomp_program(Security(), names, str(tmp_path))
    (cached,) = tmp_path.iterdir()
    assert cached.read_bytes() == first == security.seccomp_program(Security(), names, str(tmp_path))
    assert security.seccomp_program(Security(privileged=True), names, str(tmp_path)) == b""
    assert security.seccomp_program(Security(seccomp="unconfined"), names, str(tmp_path)) == b""
