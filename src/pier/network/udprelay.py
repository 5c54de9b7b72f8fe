"""Datagrams of one published UDP port: each client gets a connected socket towards the container, dropped when idle.

Bounded: the longest idle client makes room for a new one.
"""

from __future__ import annotations

import _socket
import select
import struct
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pier.network.publish import Listener

IDLE_SECONDS = 90.0
MAXIMUM_CLIENTS = 512
_DATAGRAM = 65535
_BURST = 64
_IP_PKTINFO, _IPV6_RECVPKTINFO, _IPV6_PKTINFO = 8, 49, 50
_INFO4 = struct.Struct("=i4s4s")
_INFO6 = struct.Struct("=16si")


class _Client:
    __slots__ = ("address", "origin", "seen", "socket")

    def __init__(self, socket: _socket.socket, address: Any, origin: bytes) -> None:
        self.socket, self.address, self.origin = socket, address, origin
        self.seen = 0.0


class UdpRelay:
    """Relays one listener's datagrams both ways.

    Its sockets are watched on the *epoll* of the proxy, which also closes those it puts into *closing*.
    """

    def __init__(self, listener: Listener, epoll: select.epoll, closing: list[_socket.socket]) -> None:
        self._listener = listener.socket
        self._port = listener.binding.container_port
        self._epoll = epoll
        self._closing = closing
        self._target = ""
        # Oldest first: an association moves to the end whenever it is used.
        self._clients: dict[tuple[Any, bytes], _Client] = {}
        self._by_fd: dict[int, _Client] = {}
        self._six = ":" in listener.binding.host_ip
        # A reply must leave from the address that was asked, and a wildcard socket forgets it (ip(7), IP_PKTINFO).
        if self._six:
            self._listener.setsockopt(_socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO, 1)
        else:
            self._listener.setsockopt(_socket.IPPROTO_IP, _IP_PKTINFO, 1)
        epoll.register(self._listener.fileno(), select.EPOLLIN)

    def set_target(self, ip: str) -> None:
        """Relay to *ip*; associations with another container end. Without a target, datagrams are dropped."""
        if ip != self._target:
            for client in tuple(self._clients.values()):
                self._drop(client)
        self._target = ip

    def handle(self, fd: int) -> bool:
        """Relay what waits at *fd*. False when it is none of this relay's."""
        if fd == self._listener.fileno():
            self._forward()
        elif fd in self._by_fd:
            self._answer(self._by_fd[fd])
        else:
            return False
        return True

    def next_deadline(self) -> float | None:
        for client in self._clients.values():
            return client.seen + IDLE_SECONDS
        return None

    def expire(self, now: float) -> None:
        for client in tuple(self._clients.values()):
            if client.seen + IDLE_SECONDS > now:
                return
            self._drop(client)

    def close(self) -> None:
        self.set_target("")
        self._epoll.unregister(self._listener.fileno())
        self._listener.close()

    def _forward(self) -> None:
        for _ in range(_BURST):
            try:
                data, ancillary, _, address = self._listener.recvmsg(_DATAGRAM, 64)
            except BlockingIOError:
                return
            except OSError:
                # An ICMP error of an earlier reply (udp(7)); that client is gone, the next datagram is another's.
                continue
            if self._target:
                try:
                    self._client(address, self._origin(ancillary)).socket.send(data)
                except OSError:
                    # A datagram may be lost: unreachable, refused, or no room (udp(7)).
                    continue

    def _answer(self, client: _Client) -> None:
        for _ in range(_BURST):
            try:
                data = client.socket.recv(_DATAGRAM)
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                self._drop(client)
                return
            self._touch(client)
            level, kind = (_socket.IPPROTO_IPV6, _IPV6_PKTINFO) if self._six else (_socket.IPPROTO_IP, _IP_PKTINFO)
            ancillary = [(level, kind, client.origin)] if client.origin else []
            try:
                self._listener.sendmsg([data], ancillary, 0, client.address)
            except OSError:
                continue

    def _client(self, address: Any, origin: bytes) -> _Client:
        client = self._clients.get((address, origin))
        if client is None:
            if len(self._clients) >= MAXIMUM_CLIENTS:
                self._drop(next(iter(self._clients.values())))
            kind = _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
            socket = _socket.socket(_socket.AF_INET, kind, 0)
            socket.setblocking(False)
            try:
                socket.connect((self._target, self._port))
            except BaseException:
                socket.close()
                raise
            client = _Client(socket, address, origin)
            self._by_fd[socket.fileno()] = client
            self._epoll.register(socket.fileno(), select.EPOLLIN)
        self._touch(client)
        return client

    def _touch(self, client: _Client) -> None:
        client.seen = time.monotonic()
        key = (client.address, client.origin)
        self._clients.pop(key, None)
        self._clients[key] = client

    def _drop(self, client: _Client) -> None:
        fd = client.socket.fileno()
        self._epoll.unregister(fd)
        del self._by_fd[fd]
        del self._clients[(client.address, client.origin)]
        self._closing.append(client.socket)

    def _origin(self, ancillary: list[tuple[int, int, bytes]]) -> bytes:
        """The control data that makes a reply leave from the address its question came to."""
        for level, kind, data in ancillary:
            if (level, kind) == (_socket.IPPROTO_IP, _IP_PKTINFO):
                _, local, _ = _INFO4.unpack_from(data)
                return _INFO4.pack(0, local, bytes(4))
            if (level, kind) == (_socket.IPPROTO_IPV6, _IPV6_PKTINFO):
                return bytes(data[: _INFO6.size])
        return b""
