"""A container's log in Docker's json-file format: one JSON object a line with `log`, `stream` and `time`."""

from __future__ import annotations

import errno
import os
import time

from pier.model import jsontext, timestamps
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Docker cuts a line without an end at this size (moby: daemon/logger/copier.go).
LONGEST_LINE = 16 * 1024


class LogEntry(Record):
    """A piece of output. *time* is RFC 3339; *text* ends with a newline unless the line goes on in the next entry."""

    time: str
    stream: str
    text: str


class LogWriter:
    """Appends what the container writes. A full disk loses log lines, never the container."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        self._torn = False
        self._pending: dict[str, bytes] = {"stdout": b"", "stderr": b""}

    def write(self, stream: str, data: bytes) -> None:
        """Log *data*; what follows the last newline waits for the rest of its line."""
        *lines, rest = (self._pending[stream] + data).split(b"\n")
        pieces = [piece for line in lines for piece in _cut(line + b"\n")]
        *full, self._pending[stream] = _cut(rest)
        if pieces or full:
            self._append(_encode(stream, (*pieces, *full)))

    def flush(self) -> None:
        """Log the unfinished last lines."""
        for stream, rest in self._pending.items():
            if rest:
                self._append(_encode(stream, (rest,)))
                self._pending[stream] = b""

    def close(self) -> None:
        self.flush()
        os.close(self._fd)

    def _append(self, data: bytes) -> None:
        data = b"\n" + data if self._torn else data
        written = 0
        try:
            while written < len(data):
                written += os.write(self._fd, data[written:] if written else data)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
        if written:
            # A line that the full disk cut off must not swallow the next one that finds room.
            self._torn = not data.endswith(b"\n", 0, written)


def _encode(stream: str, pieces: tuple[bytes, ...]) -> bytes:
    """The entries of *pieces*, which were all read at this moment."""
    end = f',"stream":"{stream}","time":"{timestamps.rfc3339(time.time_ns())}"}}\n'
    texts = [jsontext.dumps(piece.decode("utf-8", "replace")) for piece in pieces]
    return "".join([f'{{"log":{text}{end}' for text in texts]).encode()


def _cut(text: bytes) -> list[bytes]:
    """*text* in pieces of the longest size, the last one shorter; a UTF-8 character stays in one piece."""
    pieces = []
    while len(text) > LONGEST_LINE:
        end = LONGEST_LINE
        while end > LONGEST_LINE - 4 and text[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(text[:end])
        text = text[end:]
    return [*pieces, text]


class LogReader:
    """The entries of a log file, each once, also while it grows."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1
        self._rest = b""

    def entries(self) -> Iterator[LogEntry]:
        """What has been written since the last call, to the end of the file."""
        if self._fd < 0:
            try:
                self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return
        while chunk := os.read(self._fd, 1 << 18):
            lines = (self._rest + chunk).split(b"\n")
            self._rest = lines.pop()
            for line in lines:
                entry = _decode(line)
                if entry is not None:
                    yield entry

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def last_entries(path: str, count: int) -> list[LogEntry]:
    """The last *count* entries, read from the end of the file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    try:
        position = os.fstat(fd).st_size
        data = b""
        while position > 0 and data.count(b"\n") <= count:
            step = min(position, 1 << 16)
            position -= step
            data = os.pread(fd, step, position) + data
    finally:
        os.close(fd)
    entries = [entry for entry in map(_decode, data.split(b"\n")[1 if position else 0 :]) if entry is not None]
    return entries[-count:] if count else []


def _decode(line: bytes) -> LogEntry | None:
    """The entry of one line; None for an empty one, and for one that a power cut has torn."""
    if not line:
        return None
    try:
        value = jsontext.loads(line)
        return LogEntry(time=value["time"], stream=value["stream"], text=value["log"])
    except (ValueError, KeyError, TypeError):
        return None
