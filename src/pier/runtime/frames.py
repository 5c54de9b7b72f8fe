"""What the monitor and its clients say to each other on a stream: one letter, four bytes of length, the payload. Pure.

To the monitor: begin (which container; once), input, end of input, resize (rows, columns), signal, stop (the user wants
it down: no restart), pause, resume, reload (its files have changed), each of these three answered by "done" or
"refused". From it: the container's output, "started" or "failed" once, "exited" at the end.
"""

from __future__ import annotations

import struct

ATTACH = b"a"
BEGIN = b"b"
INPUT = b"i"
INPUT_END = b"e"
RESIZE = b"w"
SIGNAL = b"g"
STOP = b"k"
PAUSE = b"p"
RESUME = b"u"
RELOAD = b"l"

STDOUT = b"o"
STDERR = b"r"
STARTED = b"s"
FAILED = b"f"
WARNING = b"n"
NOTE = b"d"
DONE = b"y"
REFUSED = b"z"
EXITED = b"x"

HEADER_BYTES = 5
MAXIMUM_PAYLOAD = 1 << 20


def encode(kind: bytes, payload: bytes = b"") -> bytes:
    return struct.pack(">cI", kind, len(payload)) + payload


def encode_size(rows: int, columns: int) -> bytes:
    return encode(RESIZE, struct.pack(">HH", rows, columns))


def decode_size(payload: bytes) -> tuple[int, int]:
    rows, columns = struct.unpack(">HH", payload)
    return rows, columns


def payload_bytes(header: bytes) -> int:
    """The length that a frame's header announces."""
    return int(struct.unpack(">cI", header)[1])


class Decoder:
    """Frames out of a byte stream that arrives in pieces."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """The (kind, payload) of every frame completed by *data*. ValueError when a frame is too long to be ours."""
        self._pending += data
        frames = []
        while len(self._pending) >= HEADER_BYTES:
            kind, size = struct.unpack_from(">cI", self._pending)
            if size > MAXIMUM_PAYLOAD:
                raise ValueError(f"a frame of {size} bytes")
            if len(self._pending) < HEADER_BYTES + size:
                break
            frames.append((kind, bytes(self._pending[HEADER_BYTES : HEADER_BYTES + size])))
            del self._pending[: HEADER_BYTES + size]
        return frames
