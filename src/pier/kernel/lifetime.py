"""Which process a number means, across reuse of numbers (proc(5)), and its end (pidfd_open(2)).

Lean: `ps` and `run` ask, and load no C library for it.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import errno
import os
import select

# USER_HZ: what proc(5) counts start times in, the same on every machine pier runs on.
TICKS = 100


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


def open_pidfd(pid: int, started: int) -> int:
    """A pidfd of exactly that process. ProcessLookupError when it has ended, whoever has its number now."""
    fd = os.pidfd_open(pid)
    if start_time(pid) != started:
        os.close(fd)
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
    return fd


def wait_for_exit(pidfd: int, seconds: float | None) -> bool:
    """Whether the process behind *pidfd* ended within *seconds* (None: for ever). Need not be a child."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(None if seconds is None else max(0, int(seconds * 1000))))


def send_signal(pidfd: int, signal: int) -> None:
    """pidfd_send_signal(2)."""
    _signal.pidfd_send_signal(pidfd, signal)


def exit_code(status: int) -> int:
    """Shell's exit code of a wait status: 128 + signal for a killed process."""
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
