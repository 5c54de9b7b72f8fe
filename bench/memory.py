"""Proportional memory (PSS) that an engine holds, from /proc: for itself at idle, and for each running container."""

from __future__ import annotations

import os
from pathlib import Path


def processes() -> set[int]:
    return {int(entry) for entry in os.listdir("/proc") if entry.isdigit()}


def engine_bytes(pids: set[int]) -> int:
    """PSS of those of *pids* that serve the engine: in this pid namespace, not in a container's."""
    return sum(_pss(pid) for pid in pids if not _inside_container(pid))


def named(words: tuple[str, ...]) -> set[int]:
    """Processes whose program's name holds one of *words*."""
    return {pid for pid in processes() if any(word in _read(pid, "comm") for word in words)}


def _inside_container(pid: int) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid") != os.readlink("/proc/self/ns/pid")
    except OSError:
        return True


def _pss(pid: int) -> int:
    for line in _read(pid, "smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except OSError:
        return ""
