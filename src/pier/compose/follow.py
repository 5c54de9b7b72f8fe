"""The logs of several containers as one stream of whole lines, in the order they were written. Reads log files only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge
from typing import TYPE_CHECKING

from pier.model import timestamps
from pier.model.record import Record
from pier.runtime.logs import LogEntry, LogReader, last_entries

if TYPE_CHECKING:
    from pier.engine.context import Engine
    from pier.model.container import Container


class Line(Record):
    """One line of *container* (its id), without its end. *time* is RFC 3339 UTC, so that times sort as texts."""

    container: str
    time: str
    stream: str
    text: str


class Window(Record):
    """Which lines are wanted: from *since* up to *until* (seconds since 1970; 0 is open), the last *tail* (-1: all)."""

    since: float = 0
    until: float = 0
    tail: int = -1

    def holds(self, time: str) -> bool:
        """Is *time* inside?"""
        if not self.since and not self.until:
            return True
        seconds = timestamps.parse(time) / 1e9
        return seconds >= self.since and (not self.until or seconds <= self.until)


class Follower:
    """Reads on where it stopped, for as many containers as are added."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._readers: dict[str, LogReader] = {}
        self._halves: dict[tuple[str, str], LogEntry] = {}

    def add(self, container: Container, *, skip_past: bool = False) -> None:
        """Follow *container* too; with *skip_past* only what it writes from now on."""
        if container.id in self._readers:
            return
        reader = LogReader(self._path(container))
        self._readers[container.id] = reader
        if skip_past:
            for _ in reader.entries():
                continue

    def forget(self, container_id: str) -> None:
        """Follow the container no longer."""
        reader = self._readers.pop(container_id, None)
        if reader is not None:
            reader.close()

    def fresh(self) -> Iterator[Line]:
        """The lines written since the last call, oldest first."""
        return merge(
            *(list(self._lines(container_id, reader.entries())) for container_id, reader in self._readers.items()),
            key=lambda line: line.time,
        )

    def past(self, containers: Iterable[Container], window: Window) -> Iterator[Line]:
        """What *containers* have written so far, inside *window*; they are followed from here on."""
        return merge(*(list(self._past(item, window)) for item in containers), key=lambda line: line.time)

    def _past(self, container: Container, window: Window) -> Iterator[Line]:
        reader = LogReader(self._path(container))
        self._readers[container.id] = reader
        entries: Iterable[LogEntry] = reader.entries()
        if window.tail >= 0:
            kept = last_entries(self._path(container), window.tail)
            for _ in entries:
                continue
            entries = kept
        for line in self._lines(container.id, entries):
            if window.holds(line.time):
                yield line

    def _lines(self, container_id: str, entries: Iterable[LogEntry]) -> Iterator[Line]:
        """Whole lines: pieces of a long one wait for its end."""
        for entry in entries:
            key = (container_id, entry.stream)
            before = self._halves.pop(key, None)
            if before is not None:
                entry = before.replace(text=before.text + entry.text)
            if not entry.text.endswith("\n"):
                self._halves[key] = entry
                continue
            yield Line(container=container_id, time=entry.time, stream=entry.stream, text=entry.text[:-1])

    def rest(self) -> Iterator[Line]:
        """The unfinished last lines of containers that have ended."""
        for (container_id, stream), entry in self._halves.items():
            yield Line(container=container_id, time=entry.time, stream=stream, text=entry.text)
        self._halves.clear()

    def _path(self, container: Container) -> str:
        return f"{self.engine.paths.container(container.id)}/{container.log_path_name}"
