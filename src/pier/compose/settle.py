"""Has a fresh container come to rest? Then `up -d` may return; one that dies at once is noticed before that.

A program rests when it listens on a socket of its own, or when it sleeps and has used no CPU for two looks.
Looks at /proc only.
"""

from __future__ import annotations

import os

from pier.kernel import process
from pier.model.container import Container

LISTENING = "0A"
_LOOKS = 2
_RESOLVER = "0B00007F"


class Watch:
    """Looks at one running container again and again."""

    def __init__(self, container: Container) -> None:
        self.container = container
        self._used = -1
        self._still = 0

    def at_rest(self) -> bool:
        """True once the container needs no more watching. Call it some tens of milliseconds apart."""
        state = self.container.state
        if not process.is_alive(state.pid, state.pid_start):
            return False
        if listens(state.pid):
            return True
        used, sleeping = _activity(state.pid)
        self._still = self._still + 1 if sleeping and used == self._used else 0
        self._used = used
        return self._still >= _LOOKS


def listens(pid: int) -> bool:
    """Does anything listen in the process's network namespace, the resolver at 127.0.0.11 aside?"""
    if _same_network(pid):
        return False
    for table in ("tcp", "tcp6"):
        for line in _read(f"/proc/{pid}/net/{table}").splitlines()[1:]:
            fields = line.split()
            if len(fields) > 3 and fields[3] == LISTENING and not fields[1].startswith(_RESOLVER):
                return True
    return False


def _same_network(pid: int) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/ns/net") == os.readlink("/proc/self/ns/net")
    except OSError:
        return False


def _activity(pid: int) -> tuple[int, bool]:
    """(nanoseconds on a CPU, all asleep) of the process and its descendants."""
    total, sleeping = 0, True
    todo = [pid]
    while todo:
        one = todo.pop()
        # proc(5): schedstat begins with the time spent on a CPU, in nanoseconds.
        total += int((_read(f"/proc/{one}/schedstat").split() or ["0"])[0])
        state = _read(f"/proc/{one}/stat").rpartition(")")[2].split()[:1]
        sleeping = sleeping and state != ["R"] and state != ["D"]
        todo += [int(text) for text in _read(f"/proc/{one}/task/{one}/children").split()]
    return total, sleeping


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        # It has ended since the last look.
        return ""
