"""Run what the network brings along (name resolution, published ports) inside the monitor's loop."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from pier.runtime.loop import Loop, Timer

    class Service(Protocol):
        """Something with fds of its own; it never blocks."""

        def fds(self) -> Mapping[int, int]:
            """What to watch now: fd → EPOLL* events."""

        def handle(self, fd: int, events: int) -> None:
            """*fd* is ready."""

        def next_deadline(self) -> float | None:
            """time.monotonic() at which `handle(-1, 0)` is to be called; None for never."""

        def close(self) -> None:
            """Give all fds back."""


class ServiceHost:
    """Keeps one service's fds and deadline registered with the loop."""

    def __init__(self, service: Service, loop: Loop) -> None:
        self._service = service
        self._loop = loop
        self._watched: dict[int, int] = {}
        self._timer: Timer | None = None
        self._sync()

    def _handle(self, fd: int, ready: int) -> None:
        self._service.handle(fd, ready)
        self._sync()

    def _expire(self) -> None:
        self._timer = None
        self._handle(-1, 0)

    def _sync(self) -> None:
        wanted = dict(self._service.fds())
        for fd in self._watched.keys() - wanted.keys():
            self._loop.forget(fd)
        for fd, ready in wanted.items():
            self._loop.watch(fd, ready, self._handle)
        self._watched = wanted
        deadline = self._service.next_deadline()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = self._loop.after(max(0.0, deadline - time.monotonic()), self._expire)

    def close(self) -> None:
        for fd in self._watched:
            self._loop.forget(fd)
        self._watched = {}
        if self._timer is not None:
            self._timer.cancel()
        self._service.close()
