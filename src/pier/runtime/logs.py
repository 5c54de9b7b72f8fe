"""A container's log in Docker's json-file format: one JSON object a line with `log`, `stream` and `time`.

With a size to rotate at, FILE.1 is the file before FILE, FILE.2 the one before that. A file is never rewritten.
"""

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
    """Appends what the container writes. A full disk loses log lines, never the container.

    Past *max_size* bytes (0: any) the file is put aside, and at most *max_files* are kept, the current one included.
    """

    def __init__(self, path: str, *, max_size: int = 0, max_files: int = 1) -> None:
        self._path = path
        self._max_size = max_size
        self._max_files = max_files
        self._open()
        self._torn = False
        self._pending: dict[str, bytes] = {"stdout": b"", "stderr": b""}

    def write(self, stream: str, data: bytes) -> None:
        """Log *data*; what follows the last newline waits for the rest of its line."""
        *lines, rest = (self._pending[stream] + data).split(b"\n")
        pieces = [piece for line in lines for piece in _cut(line + b"\n")]
        *full, self._pending[stream] = _cut(rest)
        if self._max_size:
            for piece in (*pieces, *full):
                self._append(_encode(stream, (piece,)))
        elif pieces or full:
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

    def _open(self) -> None:
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        self._size = os.fstat(self._fd).st_size

    def _rotate(self) -> None:
        """Put the full file aside. Where a full disk refuses that, the same file goes on."""
        os.close(self._fd)
        try:
            if self._max_files == 1:
                os.unlink(self._path)
            for number in range(self._max_files - 1, 0, -1):
                older = self._path if number == 1 else f"{self._path}.{number - 1}"
                try:
                    os.rename(older, f"{self._path}.{number}")
                except FileNotFoundError:
                    continue
        finally:
            self._open()

    def _append(self, data: bytes) -> None:
        if self._max_size and self._size >= self._max_size and not self._torn:
            self._rotate()
        data = b"\n" + data if self._torn else data
        written = 0
        try:
            while written < len(data):
                written += os.write(self._fd, data[written:] if written else data)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
        self._size += written
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


def _files(path: str) -> list[str]:
    """The log's files that there are, oldest first. Rotation makes numbers without a gap."""
    found = [path]
    while os.path.exists(f"{path}.{len(found)}"):
        found.append(f"{path}.{len(found)}")
    return found[::-1]


class LogReader:
    """The entries of a log, each once, also while it grows and is rotated."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1
        self._rest = b""

    def entries(self) -> Iterator[LogEntry]:
        """What has been written since the last call, to the end of the newest file."""
        while self._fd >= 0 or self._advance():
            # Whether the file has been put aside is asked before its end is looked for: nothing is added to it later.
            finished = self._is_aside()
            while chunk := os.read(self._fd, 1 << 18):
                lines = (self._rest + chunk).split(b"\n")
                self._rest = lines.pop()
                for line in lines:
                    entry = _decode(line)
                    if entry is not None:
                        yield entry
            if not finished or not self._advance():
                return

    def _is_aside(self) -> bool:
        try:
            return not os.path.samestat(os.stat(self._path), os.fstat(self._fd))
        except FileNotFoundError:
            # Between the two halves of a rotation.
            return False

    def _advance(self) -> bool:
        """Open the file after the one that is read, the oldest at first. False when there is none yet."""
        while True:
            names = _files(self._path)
            following = 0
            for index, name in enumerate(names):
                if self._fd >= 0 and _is_file(name, self._fd):
                    following = index + 1
            if following >= len(names):
                return False
            try:
                fd = os.open(names[following], os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                if names[following] == self._path:
                    return False
                continue
            if self._fd >= 0:
                os.close(self._fd)
            self._fd, self._rest = fd, b""
            return True

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _is_file(name: str, fd: int) -> bool:
    try:
        return os.path.samestat(os.stat(name), os.fstat(fd))
    except FileNotFoundError:
        return False


def last_entries(path: str, count: int) -> list[LogEntry]:
    """The last *count* entries, read from the end of the newest file, and of older ones as far as needed."""
    found: list[LogEntry] = []
    for name in reversed(_files(path)):
        if len(found) < count:
            found = _last_of(name, count - len(found)) + found
    return found


def _last_of(path: str, count: int) -> list[LogEntry]:
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
