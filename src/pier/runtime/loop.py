"""The monitor's event loop: callbacks for fds and for points in time, on epoll(7). One thread, nothing blocks."""

from __future__ import annotations

import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

READ = select.EPOLLIN
WRITE = select.EPOLLOUT


class Timer:
    """A call to come; `cancel` keeps it from coming."""

    def __init__(self, due: float, action: Callable[[], None]) -> None:
        self.due = due
        self.action = action
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """Runs until `stop`."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._actions: dict[int, tuple[int, Callable[[int, int], None]]] = {}
        self._timers: list[Timer] = []
        self._stopped = False

    def watch(self, fd: int, events: int, action: Callable[[int, int], None]) -> None:
        """Call `action(fd, events)` when *fd* is ready for *events* (0: only errors); replaces an earlier watch."""
        known = self._actions.get(fd)
        if known is None:
            self._epoll.register(fd, events)
        elif known[0] != events:
            self._epoll.modify(fd, events)
        self._actions[fd] = (events, action)

    def forget(self, fd: int) -> None:
        """No more calls for *fd*. Must come before the fd is closed."""
        if self._actions.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def watched(self) -> tuple[int, ...]:
        return tuple(self._actions)

    def after(self, seconds: float, action: Callable[[], None]) -> Timer:
        timer = Timer(time.monotonic() + seconds, action)
        self._timers.append(timer)
        return timer

    def stop(self) -> None:
        self._stopped = True

    def run(self) -> None:
        self._stopped = False
        while not self._stopped:
            for fd, events in self._epoll.poll(self._patience()):
                entry = self._actions.get(fd)
                if entry is not None:
                    entry[1](fd, events)
            self._run_timers()

    def _patience(self) -> float:
        """Seconds until the next timer; -1 when there is none."""
        due = [timer.due for timer in self._timers if not timer.cancelled]
        return max(0.0, min(due) - time.monotonic()) if due else -1

    def _run_timers(self) -> None:
        now = time.monotonic()
        ready = [timer for timer in self._timers if timer.due <= now and not timer.cancelled]
        self._timers = [timer for timer in self._timers if timer.due > now and not timer.cancelled]
        for timer in ready:
            if not timer.cancelled:
                timer.action()
