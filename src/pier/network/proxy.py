"""The published ports' traffic, carried between host and container by the monitor's own loop: no thread, no blocking.

Everything hangs on one epoll descriptor of its own, so that the monitor watches a single fd however many connections
there are. Memory is bounded: one shared buffer, and at most one buffer of unsent bytes a direction. Datagrams:
`pier.network.udprelay`.
"""

from __future__ import annotations

import _socket
import errno
import os
import select
import time

from pier.network.udprelay import UdpRelay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pier.network.publish import Listener

_CHUNK = 1 << 17
_ACCEPTS = 64
_ROUNDS = 32
_PAUSE = 0.2
_IN, _OUT = select.EPOLLIN, select.EPOLLOUT
_OUT_OF_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class _Half:
    """One direction of a connection. *pending* bytes wait for room at *to*; meanwhile nothing is read.

    A reader that went away ends its own direction only: what the other side has said already still arrives.
    """

    __slots__ = ("done", "ended", "pending", "source", "to")

    def __init__(self, source: _socket.socket, to: _socket.socket) -> None:
        self.source, self.to = source, to
        self.pending = b""
        self.ended = False
        self.done = False

    def drain(self) -> None:
        """Send what waits; pass the end of the stream on once nothing does."""
        if self.pending:
            self.pending = self.pending[self._send(self.pending) :]
        if self.ended and not self.pending and not self.done:
            self.done = True
            try:
                self.to.shutdown(_socket.SHUT_WR)
            except OSError:
                # ENOTCONN: the other side is gone, and knows that nothing more comes.
                return

    def carry(self, buffer: memoryview) -> None:
        """Read once and send on as much as *to* takes. OSError when the source broke off."""
        try:
            count = self.source.recv_into(buffer)
        except BlockingIOError:
            return
        if not count:
            self.ended = True
            self.drain()
            return
        sent = self._send(buffer[:count])
        if sent < count and not self.done:
            self.pending = bytes(buffer[sent:count])

    def _send(self, data: bytes | memoryview) -> int:
        try:
            return self.to.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self.ended = self.done = True
            return len(data)


class _Connection:
    __slots__ = ("client", "connecting", "down", "server", "up")

    def __init__(self, client: _socket.socket, server: _socket.socket) -> None:
        self.client, self.server = client, server
        self.connecting = True
        self.up, self.down = _Half(client, server), _Half(server, client)

    def interest(self, socket: _socket.socket) -> int:
        """The events that can move this connection on; 0 where none of *socket*'s can."""
        if self.connecting:
            return _OUT if socket is self.server else 0
        reading, writing = (self.up, self.down) if socket is self.client else (self.down, self.up)
        wanted = 0 if reading.ended or reading.pending else _IN
        return wanted | (_OUT if writing.pending else 0)


class PortProxy:
    """Carries what arrives at *listeners* to the container at the address last given to `set_target`.

    Without a target, connections wait in the listeners' backlogs: a restarting container refuses nobody.
    Owns the listeners from here on.
    """

    def __init__(self, listeners: Sequence[Listener], target: str = "") -> None:
        self._epoll = select.epoll()
        # Closed after the events in hand: a number given out again meanwhile would receive another socket's events.
        self._closing: list[_socket.socket] = []
        self._streams = {listener.fd: listener for listener in listeners if listener.binding.protocol == "tcp"}
        self._relays = {
            listener.fd: UdpRelay(listener, self._epoll, self._closing)
            for listener in listeners
            if listener.binding.protocol == "udp"
        }
        self._connections: dict[int, tuple[_Connection, _socket.socket]] = {}
        self._watched: dict[int, int] = {}
        self._buffer = memoryview(bytearray(_CHUNK))
        self._target = ""
        self._resume_at = 0.0
        self.set_target(target)

    def fds(self) -> tuple[int, ...]:
        """The one descriptor to watch for EPOLLIN; it stays the same."""
        return (self._epoll.fileno(),)

    def set_target(self, ip: str) -> None:
        """Carry new connections to *ip*; "" lets them wait, and those already made run out.

        A new target ends the connections to the one before.
        """
        if ip:
            self._drop_all()
        self._target = ip
        for relay in self._relays.values():
            relay.set_target(ip)
        self._listen(bool(ip))
        self._bury()

    def handle(self, fd: int, events: int) -> None:
        """Do all that can be done without waiting, within bounds that keep the monitor's loop fair."""
        for _ in range(_ROUNDS):
            ready = self._epoll.poll(0)
            if not ready:
                return
            for ready_fd, mask in ready:
                self._dispatch(ready_fd, mask)
            self._bury()

    def next_deadline(self) -> float | None:
        """When `expire` is due, on time.monotonic()'s clock."""
        due = [deadline for relay in self._relays.values() if (deadline := relay.next_deadline()) is not None]
        if self._resume_at:
            due.append(self._resume_at)
        return min(due, default=None)

    def expire(self, now: float) -> None:
        for relay in self._relays.values():
            relay.expire(now)
        if self._resume_at and now >= self._resume_at:
            self._resume_at = 0.0
            self._listen(bool(self._target))

    def close(self) -> None:
        """What has arrived is passed on as far as possible; then every socket is closed, the listeners included."""
        self._listen(False)
        self.handle(self._epoll.fileno(), _IN)
        self._drop_all()
        for relay in self._relays.values():
            relay.close()
        self._bury()
        for listener in self._streams.values():
            listener.close()
        self._epoll.close()

    def _listen(self, wanted: bool) -> None:
        for fd in self._streams:
            self._watch(fd, _IN if wanted and not self._resume_at else 0)

    def _dispatch(self, fd: int, mask: int) -> None:
        if fd in self._connections:
            connection, socket = self._connections[fd]
            try:
                self._advance(connection, socket, mask)
            except OSError:
                # Reset, broken pipe, unreachable: the peers learn it from the closed connection, as through any proxy.
                self._drop(connection)
        elif fd in self._streams:
            self._accept(self._streams[fd])
        else:
            for relay in self._relays.values():
                if relay.handle(fd):
                    return

    def _accept(self, listener: Listener) -> None:
        for _ in range(_ACCEPTS):
            try:
                fd, _ = listener.socket._accept()  # type: ignore[attr-defined]
            except BlockingIOError:
                return
            except OSError as exc:
                # accept(2): pending network errors of the new connection are reported here; it is gone, go on.
                if exc.errno not in _OUT_OF_ROOM:
                    continue
                self._resume_at = time.monotonic() + _PAUSE
                self._listen(False)
                return
            client = _socket.socket(fileno=fd)
            try:
                self._connect(client, listener.binding.container_port)
            except OSError:
                client.close()

    def _connect(self, client: _socket.socket, port: int) -> None:
        client.setblocking(False)
        kind = _socket.SOCK_STREAM | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
        server = _socket.socket(_socket.AF_INET, kind, 0)
        server.setblocking(False)
        try:
            for socket in (client, server):
                socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
            code = server.connect_ex((self._target, port))
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, os.strerror(code))
        except BaseException:
            server.close()
            raise
        connection = _Connection(client, server)
        self._connections[client.fileno()] = (connection, client)
        self._connections[server.fileno()] = (connection, server)
        self._watch(server.fileno(), _OUT)

    def _advance(self, connection: _Connection, socket: _socket.socket, mask: int) -> None:
        if connection.connecting:
            code = socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
            if code:
                raise OSError(code, os.strerror(code))
            connection.connecting = False
        elif socket is connection.client:
            self._move(connection.down, connection.up, mask)
        else:
            self._move(connection.up, connection.down, mask)
        if connection.up.done and connection.down.done:
            self._drop(connection)
            return
        for side in (connection.client, connection.server):
            self._watch(side.fileno(), connection.interest(side))

    def _move(self, writing: _Half, reading: _Half, mask: int) -> None:
        if mask & ~_IN and writing.pending:
            writing.drain()
        if mask & ~_OUT and not reading.ended and not reading.pending:
            reading.carry(self._buffer)

    def _watch(self, fd: int, events: int) -> None:
        # EPOLLHUP and EPOLLERR are reported whether asked for or not (epoll_ctl(2)): a socket with no part to play
        # is taken out altogether, or it would wake the loop for ever.
        before = self._watched.get(fd, 0)
        if events == before:
            return
        if not events:
            self._epoll.unregister(fd)
            del self._watched[fd]
            return
        if before:
            self._epoll.modify(fd, events)
        else:
            self._epoll.register(fd, events)
        self._watched[fd] = events

    def _drop_all(self) -> None:
        for connection in dict.fromkeys(connection for connection, _ in self._connections.values()):
            self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        for socket in (connection.client, connection.server):
            fd = socket.fileno()
            self._watch(fd, 0)
            del self._connections[fd]
            self._closing.append(socket)

    def _bury(self) -> None:
        while self._closing:
            self._closing.pop().close()
