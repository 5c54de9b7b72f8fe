"""Run what the network brings along (name resolution, published ports) inside the monitor's loop."""

from __future__ import annotations

import time

from pier.runtime import loop as events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from pier.runtime.loop import Loop, Timer

    class Service(Protocol):
        """Something with fds of its own; it never blocks. Its maker opens and closes it."""

        def fds(self) -> Sequence[int]:
            """What to watch now, for reading."""

        def handle(self, fd: int, events: int) -> None:
            """*fd* is ready."""

        def next_deadline(self) -> float | None:
            """time.monotonic() at which `expire` is to be called; None for never."""

        def expire(self, now: float) -> None:
            """The deadline has come."""


class ServiceHost:
    """Keeps one service's fds and deadline registered with the loop until `release`."""

    def __init__(self, service: Service, loop: Loop) -> None:
        self._service = service
        self._loop = loop
        self._watched: set[int] = set()
        self._timer: Timer | None = None
        self._sync()

    def _handle(self, fd: int, ready: int) -> None:
        self._service.handle(fd, ready)
        self._sync()

    def _expire(self) -> None:
        self._timer = None
        self._service.expire(time.monotonic())
        self._sync()

    def _sync(self) -> None:
        wanted = set(self._service.fds())
        for fd in self._watched - wanted:
            self._loop.forget(fd)
        for fd in wanted - self._watched:
            self._loop.watch(fd, events.READ, self._handle)
        self._watched = wanted
        deadline = self._service.next_deadline()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = self._loop.after(max(0.0, deadline - time.monotonic()), self._expire)

    def release(self) -> None:
        """The loop no longer knows the service."""
        for fd in self._watched:
            self._loop.forget(fd)
        self._watched = set()
        if self._timer is not None:
            self._timer.cancel()
