"""Has a fresh container come to rest? Then `up -d` may return; one that dies at once is noticed before that.

A program that serves a port rests when it listens; any other when it sleeps and uses no CPU for a few looks.
Looks at /proc only.
"""

from __future__ import annotations

import os

from pier.kernel import lifetime
from pier.model.container import Container

_LISTENING = "0A"
_LOOKS = 2
_LOOPBACK = ("0100007F", "00000000000000000000000001000000")
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
        if not lifetime.is_alive(state.pid, state.pid_start):
            return False
        if listeners(state.pid):
            return True
        used, sleeping = _activity(state.pid)
        self._still = self._still + 1 if sleeping and used == self._used else 0
        self._used = used
        return self._still >= _LOOKS and not self._serves

    @property
    def _serves(self) -> bool:
        spec = self.container.spec
        named = [binding.protocol for binding in spec.ports] + [text.rpartition("/")[2] for text in spec.exposed]
        return "tcp" in named and spec.network_mode == "bridge" and not spec.has_healthcheck


def listeners(pid: int) -> set[tuple[bool, int]]:
    """(only on the loopback address, TCP port) of each socket that listens in the process's network namespace."""
    found: set[tuple[bool, int]] = set()
    if _same_network(pid):
        return found
    for table in ("tcp", "tcp6"):
        for line in _read(f"/proc/{pid}/net/{table}").splitlines()[1:]:
            # proc(5): the local address is the second field, in hexadecimal, the state the fourth.
            fields = line.split()
            address, _, port = fields[1].partition(":")
            if fields[3] == _LISTENING and address != _RESOLVER:
                found.add((address in _LOOPBACK, int(port, 16)))
    return found


def unreachable_ports(container: Container) -> list[int]:
    """Published ports on which the program listens for the container itself only."""
    state = container.state
    if container.spec.network_mode != "bridge" or not lifetime.is_alive(state.pid, state.pid_start):
        return []
    found = listeners(state.pid)
    wanted = {binding.container_port for binding in container.spec.ports if binding.protocol == "tcp"}
    return sorted(port for port in wanted if (True, port) in found and (False, port) not in found)


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
