"""One question on its way through the upstream name servers, over UDP or TCP, from the host's network namespace.

Never blocks and never retries by itself: `pier.network.dns` calls `ready` on events and `next_server` on time-outs.
"""

from __future__ import annotations

import _socket
import errno
import os
import struct

from pier.network import dnswire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pier.network.dnswire import Query

    SocketMaker = Callable[[int, int], _socket.socket]

SECONDS_PER_SERVER = 2.0
_PORT = 53
_MAXIMUM = 65535


def _open_here(family: int, kind: int) -> _socket.socket:
    return _socket.socket(family, kind | _socket.SOCK_CLOEXEC, 0)


class Exchange:
    """*data* is the query as it came; *respond* takes the answer, which has the asker's own identity again.

    *open_socket* makes a socket of the host's network where this process lives in another.
    """

    def __init__(
        self,
        query: Query,
        data: bytes,
        servers: Sequence[str],
        respond: Callable[[bytes], None],
        *,
        stream: bool,
        open_socket: SocketMaker | None = None,
    ) -> None:
        self._open_socket = open_socket or _open_here
        self.query = query
        self.respond = respond
        self.stream = stream
        self.socket: _socket.socket | None = None
        self.deadline = 0.0
        self._data = data
        # A lost datagram must not fail the only server: it is asked a second time.
        self._servers = list(servers[:3]) if len(servers) > 1 else list(servers) * 2
        self._identity = 0
        self._outgoing = b""
        self._incoming = b""
        self._held = b""

    @property
    def writing(self) -> bool:
        """Whether room to write is waited for, rather than an answer."""
        return bool(self._outgoing)

    def next_server(self, now: float) -> _socket.socket | None:
        """Ask the next server on a socket (and source port) of its own; None when all have been asked."""
        while self._servers:
            server = self._servers.pop(0)
            # An unpredictable identity and source port keep off-path answers out (RFC 5452).
            self._identity = int.from_bytes(os.urandom(2), "big")
            message = struct.pack(">H", self._identity) + self._data[2:]
            try:
                self.socket = self._open(server, message)
            except (OSError, ValueError):
                # Unreachable from here, or no address at all: the next one may answer.
                continue
            self.deadline = now + SECONDS_PER_SERVER
            return self.socket
        return None

    def failure(self) -> bytes:
        """What to answer once every server failed: the last refusal that was heard, else SERVFAIL."""
        return self._held or dnswire.reply(self.query, rcode=dnswire.SERVFAIL)

    def ready(self) -> bytes | None:
        """The answer once it is complete; None while more is to come. OSError when this server fails."""
        assert self.socket is not None
        if self.stream:
            data = self._ready_stream(self.socket)
        else:
            try:
                data = self.socket.recv(_MAXIMUM)
            except BlockingIOError:
                return None
        if data is None or not dnswire.answers(data, self._identity, self.query):
            return None
        answer = struct.pack(">H", self.query.id) + data[2:]
        if dnswire.rcode_of(answer) in (dnswire.SERVFAIL, dnswire.REFUSED) and self._servers:
            self._held = answer
            raise OSError(errno.EREMOTEIO, os.strerror(errno.EREMOTEIO))
        return answer

    def _open(self, server: str, message: bytes) -> _socket.socket:
        family = _socket.AF_INET6 if ":" in server else _socket.AF_INET
        kind = _socket.SOCK_STREAM if self.stream else _socket.SOCK_DGRAM
        opened = self._open_socket(family, kind)
        opened.setblocking(False)
        try:
            code = opened.connect_ex((server, _PORT))
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, os.strerror(code))
            if self.stream:
                self._outgoing, self._incoming = struct.pack(">H", len(message)) + message, b""
            else:
                opened.send(message)
        except BaseException:
            opened.close()
            raise
        return opened

    def _ready_stream(self, socket: _socket.socket) -> bytes | None:
        try:
            if self._outgoing:
                self._outgoing = self._outgoing[socket.send(self._outgoing) :]
                return None
            chunk = socket.recv(_MAXIMUM)
        except BlockingIOError:
            return None
        if not chunk:
            raise OSError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        self._incoming += chunk
        if len(self._incoming) < 2:
            return None
        (length,) = struct.unpack_from(">H", self._incoming)
        return self._incoming[2 : 2 + length] if len(self._incoming) >= 2 + length else None
