"""What a container has written, from its log file; with *follow*, what it goes on to write."""

from __future__ import annotations

from pier.engine import reconcile
from pier.errors import Unsupported
from pier.model import timestamps
from pier.runtime.logs import LogReader, last_entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pier.engine.context import Engine
    from pier.model.container import Container
    from pier.runtime.logs import LogEntry

# How long a follower may be wrong about a container whose monitor was killed: nothing tells it then.
_DOUBT_SECONDS = 1.0


def read(
    engine: Engine,
    container: Container,
    *,
    follow: bool = False,
    tail: int | None = None,
    since: float | None = None,
    until: float | None = None,
) -> Iterator[LogEntry]:
    """Entries in order; the last *tail* of them, between *since* and *until* (seconds since the epoch).

    With *follow* the iterator waits for more until the container ends.
    """
    if container.spec.log.driver == "none":
        raise Unsupported(
            "configured logging driver does not support reading", why="it was created with --log-driver none"
        )
    path = f"{engine.paths.container(container.id)}/{container.log_path_name}"
    inside = _Window(since, until)
    if tail is not None and not follow:
        yield from (entry for entry in last_entries(path, tail) if inside(entry))
        return
    reader = LogReader(path)
    try:
        if not follow:
            yield from (entry for entry in reader.entries() if inside(entry))
            return
        entries = list(reader.entries())
        first = 0 if tail is None else max(0, len(entries) - tail)
        yield from (entry for entry in entries[first:] if inside(entry))
        del entries
        yield from _follow(engine, container, reader, inside)
    finally:
        reader.close()


def _follow(engine: Engine, container: Container, reader: LogReader, inside: _Window) -> Iterator[LogEntry]:
    # Reading a log that stands still needs no C library, which is what inotify costs.
    from pier.kernel.inotify import Watch

    with Watch(engine.paths.container(container.id)) as watch:
        while True:
            current = reconcile.load(engine, container.id)
            # The state is read before the log: what was written before the end is then read after it.
            ended = current is None or not (current.state.running or current.state.status == "restarting")
            for entry in reader.entries():
                if inside.is_past(entry):
                    return
                if inside(entry):
                    yield entry
            if ended:
                return
            watch.wait(_DOUBT_SECONDS)


class _Window:
    """Whether an entry lies between two moments; None is open."""

    def __init__(self, since: float | None, until: float | None) -> None:
        self._since = None if since is None else timestamps.rfc3339(int(since * 1e9))
        self._until = None if until is None else timestamps.rfc3339(int(until * 1e9))

    def __call__(self, entry: LogEntry) -> bool:
        # RFC 3339 of one zone and one length sorts as text.
        return (self._since is None or entry.time >= self._since) and not self.is_past(entry)

    def is_past(self, entry: LogEntry) -> bool:
        return self._until is not None and entry.time > self._until
