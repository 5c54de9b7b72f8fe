"""A profile in Docker's form as `linux.seccomp` of an OCI configuration; its conditions are decided here. Pure."""

from __future__ import annotations

from pier.errors import Unsupported
from pier.runtime import seccomp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_SYSCALL_FIELDS = ("names", "action", "errnoRet", "args")
_PROFILE_FIELDS = ("defaultAction", "defaultErrnoRet", "flags")


def expand(
    profile: Mapping[str, Any], *, machine: str, capabilities: Sequence[str], kernel: tuple[int, int]
) -> dict[str, Any]:
    """What holds of *profile* on *machine* for a process with *capabilities*.

    Architectures are the ones pier's own filter knows, so that another runtime's filter answers alike.
    """
    if machine not in seccomp.NATIVE:
        raise Unsupported(
            f"no seccomp filter can be made for {machine}", hint="run with --security-opt seccomp=unconfined"
        )
    expanded: dict[str, Any] = {name: profile[name] for name in _PROFILE_FIELDS if profile.get(name) is not None}
    expanded["architectures"] = [seccomp.SCMP_NAME[architecture] for architecture in seccomp.NATIVE[machine]]
    expanded["syscalls"] = []
    for entry in profile.get("syscalls") or ():
        if seccomp.applies(entry, machine, capabilities, kernel):
            rule = {name: entry[name] for name in _SYSCALL_FIELDS if entry.get(name)}
            rule.setdefault("names", [entry["name"]] if entry.get("name") else [])
            expanded["syscalls"].append(rule)
    return expanded
