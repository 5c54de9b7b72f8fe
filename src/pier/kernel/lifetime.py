"""Which process a number means, across reuse of numbers (proc(5)). Lean: `ps` asks, and loads no C library for it."""

from __future__ import annotations


def start_time(pid: int, proc: str = "/proc") -> int:
    """Clock ticks from boot to the start of *pid*; 0 when there is no such process or it is a zombie."""
    try:
        with open(f"{proc}/{pid}/stat", "rb") as stream:
            fields = stream.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if fields[0] in (b"Z", b"X") else int(fields[19])


def is_alive(pid: int, started: int) -> bool:
    """Whether *pid* is still the process that started at *started* ticks."""
    return pid > 0 and started > 0 and start_time(pid) == started
