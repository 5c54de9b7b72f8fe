"""Real network namespaces for tests: a fresh "host" and as many "containers" as asked for; nothing outlives the test.

The calling thread moves; threads started inside a namespace stay in it.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol

import pytest

from pier.kernel import namespaces, netlink

PATIENCE = 10.0


class Looped(Protocol):
    """What the monitor's loop asks of its parts."""

    def fds(self) -> tuple[int, ...]: ...
    def handle(self, fd: int, events: int) -> None: ...


class Namespace:
    def __init__(self, fd: int) -> None:
        self.fd = fd

    @contextmanager
    def entered(self) -> Iterator[None]:
        before = _current()
        namespaces.setns(self.fd, namespaces.CLONE_NEWNET)
        try:
            yield
        finally:
            namespaces.setns(before, namespaces.CLONE_NEWNET)
            os.close(before)


class World:
    """A fresh namespace in which the test runs, and makes more."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.host = self._fresh()

    def container(self) -> Namespace:
        """A namespace as a container starts with: nothing but a loopback that is down."""
        return self._fresh()

    def _fresh(self) -> Namespace:
        before = _current()
        try:
            namespaces.unshare(namespaces.CLONE_NEWNET)
            made = Namespace(_current())
        finally:
            namespaces.setns(before, namespaces.CLONE_NEWNET)
            os.close(before)
        self._stack.callback(os.close, made.fd)
        return made


@contextmanager
def world() -> Iterator[World]:
    """A World whose host the calling thread is in, with its loopback up."""
    if os.geteuid() != 0:
        pytest.skip("needs CAP_SYS_ADMIN: unshare(CLONE_NEWNET)")
    with ExitStack() as stack:
        made = World(stack)
        with made.host.entered():
            with netlink.Netlink() as link:
                link.transact([netlink.set_up("lo")])
            yield made


def pump(part: Looped, until: Callable[[], bool]) -> None:
    """Run *part* as the monitor does until the condition holds; fail when it does not in time."""
    deadline = time.monotonic() + PATIENCE
    with select.epoll() as epoll:
        for fd in part.fds():
            epoll.register(fd, select.EPOLLIN)
        while not until():
            assert time.monotonic() < deadline, "the awaited condition did not come about"
            for fd, events in epoll.poll(0.01):
                part.handle(fd, events)


def _current() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
