"""Progress of a build as events. Renders nothing."""

from __future__ import annotations

import time

from pier.build.options import BuildEvent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Self

    from pier.build.options import EventKind


class Reporter:
    """Numbers the steps and tells of each how it goes."""

    def __init__(self, on_event: Callable[[BuildEvent], None]) -> None:
        self._on_event = on_event
        self._vertex = 0
        self._began = 0.0

    def step(self, label: str, text: str) -> Step:
        """`with reporter.step(…):` around the work: started, then done or failed with its seconds."""
        self._vertex += 1
        self._began = time.monotonic()
        return Step(self._on_event, self._vertex, label, text)

    def cached(self, label: str, text: str) -> None:
        """The step's result was there already."""
        self._vertex += 1
        self._on_event(BuildEvent(kind="cached", vertex=self._vertex, label=label, text=text))

    def planned(self, lines: Iterable[str]) -> None:
        """What was decided for a stage, for `--debug`."""
        for line in lines:
            self._on_event(BuildEvent(kind="planned", text=line))

    def line(self, text: str) -> None:
        """One line of output of the step at hand."""
        self._on_event(BuildEvent(kind="output", vertex=self._vertex, text=text))

    def wait(self) -> None:
        """The step at hand goes on without a word."""
        seconds = time.monotonic() - self._began
        self._on_event(BuildEvent(kind="waiting", vertex=self._vertex, seconds=seconds))

    def warn(self, text: str) -> None:
        """Something a person should know, about no step in particular."""
        self._on_event(BuildEvent(kind="warning", text=text))

    def unused(self, names: Iterable[str]) -> None:
        """Build arguments that no ARG asked for, apart from the predefined ones."""
        from pier.build.hostenv import PROXIES

        left = [name for name in names if name not in PROXIES]
        if left:
            self.warn(f"one or more build-args were not consumed: {', '.join(left)}")


class Step:
    """One step at work."""

    def __init__(self, on_event: Callable[[BuildEvent], None], vertex: int, label: str, text: str) -> None:
        self._on_event = on_event
        self._event = BuildEvent(kind="started", vertex=vertex, label=label, text=text)
        self._began = 0.0

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._on_event(self._event)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        seconds = time.monotonic() - self._began
        ended: EventKind = "done" if kind is None else "canceled" if kind is KeyboardInterrupt else "failed"
        self._on_event(self._event.replace(kind=ended, seconds=seconds))
