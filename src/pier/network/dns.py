"""The name server at 127.0.0.11 in a container's network namespace, run by its monitor: no thread, no blocking.

Names of containers are answered here, all others by the host's name servers, asked from the host's namespace. Like the
proxy it hangs on one epoll descriptor of its own. It caches nothing and invents no NXDOMAIN.
"""

from __future__ import annotations

import _socket
import select
import struct
import time

from pier.kernel import nftables as nft
from pier.network import dnswire
from pier.network.resolvconf import EMBEDDED
from pier.network.upstream import Exchange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Protocol

    from pier.network.dnswire import Query
    from pier.network.upstream import SocketMaker

    class Names(Protocol):
        def addresses(self, name: str) -> tuple[str, ...]: ...
        def name_of(self, ip: str) -> str: ...


PORT = 53
_TABLE, _CHAIN = "pier", "output"
# Docker says 600; a restarted container may have another address at once, and asking again costs nothing here.
TTL_SECONDS = 5
MAXIMUM_EXCHANGES = 256
MAXIMUM_STREAMS = 64
STREAM_IDLE_SECONDS = 15.0
_DATAGRAM = 65535
_BURST, _ROUNDS = 64, 16
# Records of 16 bytes beside the longest question in the 512 bytes that every client takes (RFC 1035 section 4.2.1).
_DATAGRAM_RECORDS = 15
_UNREAD_LIMIT = 1 << 18
_IN, _OUT = select.EPOLLIN, select.EPOLLOUT


def open_sockets() -> tuple[_socket.socket, _socket.socket]:
    """The UDP and the TCP socket behind 127.0.0.11:53, made in the current network namespace; loopback must be up.

    They listen at another port, to which the address's port 53 is diverted: a name server in the container may want
    port 53 on all addresses for itself. Where nf_tables cannot divert, they listen at port 53.
    """
    datagrams, streams = _pair(0)
    try:
        _divert({_socket.IPPROTO_UDP: datagrams, _socket.IPPROTO_TCP: streams})
        return datagrams, streams
    except OSError:
        # EOPNOTSUPP, EPROTONOSUPPORT, ENOENT, EPERM: no nf_tables, no NAT, or not for us. Port 53 serves most programs.
        datagrams.close()
        streams.close()
    return _pair(PORT)


def _divert(ends: dict[int, _socket.socket]) -> None:
    chain = nft.add_base_chain(_TABLE, _CHAIN, "nat", nft.HOOK_OUTPUT, nft.PRIORITY_DESTINATION_NAT)
    rules = [
        nft.add_rule(
            _TABLE,
            _CHAIN,
            [nft.to_port(EMBEDDED, protocol, PORT), nft.change_port(end.getsockname()[1])],
            "pier name service",
        )
        for protocol, end in ends.items()
    ]
    # Added, deleted, added: the table is new in the same batch, whatever an earlier name service left behind.
    fresh = [nft.add_table(_TABLE), nft.delete_table(_TABLE), nft.add_table(_TABLE)]
    with nft.Nftables() as table:
        table.commit([*fresh, chain, *rules])


def _pair(port: int) -> tuple[_socket.socket, _socket.socket]:
    datagrams = _bound(_socket.SOCK_DGRAM, EMBEDDED, port)
    try:
        streams = _bound(_socket.SOCK_STREAM, EMBEDDED, port)
        streams.listen(MAXIMUM_STREAMS)
    except BaseException:
        datagrams.close()
        raise
    return datagrams, streams


def _bound(kind: int, address: str, port: int) -> _socket.socket:
    opened = _socket.socket(_socket.AF_INET, kind | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK, 0)
    try:
        opened.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        opened.bind((address, port))
    except BaseException:
        opened.close()
        raise
    return opened


class _Stream:
    """A client's TCP connection: queries come and answers go with two bytes of length before each."""

    __slots__ = ("closed", "deadline", "incoming", "outgoing", "socket")

    def __init__(self, socket: _socket.socket) -> None:
        self.socket = socket
        self.incoming = self.outgoing = b""
        self.deadline = time.monotonic() + STREAM_IDLE_SECONDS
        self.closed = False


class Resolver:
    """Answers on *datagrams* and *streams* (owned from here on) from *names*, else from the servers *upstreams*.

    *open_upstream* makes the sockets to those servers where this process lives in another network than the host's.
    """

    def __init__(
        self,
        datagrams: _socket.socket,
        streams: _socket.socket,
        upstreams: Sequence[str],
        names: Names,
        open_upstream: SocketMaker | None = None,
    ) -> None:
        self._open_upstream = open_upstream
        self._datagrams, self._listener = datagrams, streams
        self._upstreams = tuple(upstreams)
        self._names = names
        self._turn = 0
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._exchanges: dict[Exchange, None] = {}
        self._clients: dict[_Stream, None] = {}
        # Closed after the events in hand: a number given out again meanwhile would receive another socket's events.
        self._closing: list[_socket.socket] = []
        datagrams.setblocking(False)
        streams.setblocking(False)
        self._watch(datagrams, _IN, self._on_datagrams)
        self._watch(streams, _IN, self._on_connection)

    def fds(self) -> tuple[int, ...]:
        """The one descriptor to watch for EPOLLIN; it stays the same."""
        return (self._epoll.fileno(),)

    def handle(self, fd: int, events: int) -> None:
        """Answer and forward what can be without waiting, within bounds that keep the monitor's loop fair."""
        for _ in range(_ROUNDS):
            ready = self._epoll.poll(0)
            if not ready:
                return
            for ready_fd, mask in ready:
                handler = self._handlers.get(ready_fd)
                if handler is not None:
                    handler(mask)
            self._bury()

    def next_deadline(self) -> float | None:
        """When `expire` is due, on time.monotonic()'s clock."""
        due = [exchange.deadline for exchange in self._exchanges] + [client.deadline for client in self._clients]
        return min(due, default=None)

    def expire(self, now: float) -> None:
        """Ask the next server where one stayed silent; let idle connections go."""
        for exchange in [exchange for exchange in self._exchanges if exchange.deadline <= now]:
            self._unwatch(exchange.socket)
            self._ask(exchange, now)
        for client in [client for client in self._clients if client.deadline <= now]:
            self._hang_up(client)
        self._bury()

    def close(self) -> None:
        for exchange in tuple(self._exchanges):
            self._unwatch(exchange.socket)
        for client in tuple(self._clients):
            self._hang_up(client)
        self._exchanges.clear()
        self._bury()
        self._datagrams.close()
        self._listener.close()
        self._epoll.close()

    def answer(self, data: bytes, respond: Callable[[bytes], None], *, stream: bool = False) -> None:
        """*respond* gets the answer to the query *data*: at once for what is known here, later for the rest."""
        try:
            query = dnswire.parse_query(data)
        except ValueError:
            if refusal := dnswire.format_error(data):
                respond(refusal)
            return
        if query.opcode != dnswire.QUERY_OPCODE:
            respond(dnswire.reply(query, rcode=dnswire.NOTIMP))
            return
        local = self._local(query, stream=stream)
        if local is not None:
            respond(local)
        elif not self._upstreams or len(self._exchanges) >= MAXIMUM_EXCHANGES:
            respond(dnswire.reply(query, rcode=dnswire.SERVFAIL))
        else:
            maker = self._open_upstream
            exchange = Exchange(query, data, self._upstreams, respond, stream=stream, open_socket=maker)
            self._ask(exchange, time.monotonic())

    def _local(self, query: Query, *, stream: bool) -> bytes | None:
        """The answer out of the leases, None when the name is none of theirs.

        A name that exists has no records of other types: NOERROR without answers, so that nobody looks further.
        """
        if query.klass != dnswire.CLASS_IN or not query.name:
            return None
        if query.kind == dnswire.TYPE_PTR:
            return self._local_name(query)
        addresses = self._names.addresses(query.name)
        if not addresses:
            return None
        if query.kind not in (dnswire.TYPE_A, dnswire.TYPE_ANY):
            return dnswire.reply(query)
        self._turn += 1
        first = self._turn % len(addresses)
        rotated = addresses[first:] + addresses[:first]
        shown = rotated if stream else rotated[:_DATAGRAM_RECORDS]
        return dnswire.reply(query, [dnswire.a_record(ip, TTL_SECONDS) for ip in shown])

    def _local_name(self, query: Query) -> bytes | None:
        name = self._names.name_of(dnswire.reverse_address(query.name))
        if not name:
            return None
        try:
            return dnswire.reply(query, [dnswire.ptr_record(name, TTL_SECONDS)])
        except ValueError:
            # Docker's names may be longer than a DNS label: such a container has an address and no name.
            return dnswire.reply(query)

    def _ask(self, exchange: Exchange, now: float) -> None:
        socket = exchange.next_server(now)
        if socket is None:
            self._exchanges.pop(exchange, None)
            exchange.respond(exchange.failure())
            return
        self._exchanges[exchange] = None
        self._watch(socket, _OUT if exchange.writing else _IN, lambda mask: self._on_upstream(exchange))

    def _on_upstream(self, exchange: Exchange) -> None:
        before = exchange.writing
        try:
            answer = exchange.ready()
        except OSError:
            # Refused, reset, or an answer that another server may better: ask that one.
            self._unwatch(exchange.socket)
            self._ask(exchange, time.monotonic())
            return
        if answer is not None:
            self._unwatch(exchange.socket)
            self._exchanges.pop(exchange, None)
            exchange.respond(answer)
        elif before and not exchange.writing and exchange.socket is not None:
            self._epoll.modify(exchange.socket.fileno(), _IN)

    def _on_datagrams(self, mask: int) -> None:
        for _ in range(_BURST):
            try:
                data, address = self._datagrams.recvfrom(_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:
                # An ICMP error of an earlier answer (udp(7)): its asker is gone.
                continue
            self.answer(data, self._to_datagram(address))

    def _to_datagram(self, address: Any) -> Callable[[bytes], None]:
        def respond(message: bytes) -> None:
            try:
                self._datagrams.sendto(message, address)
            except OSError:
                # No room, or the asker is gone: a datagram may be lost, and the asker asks again.
                return

        return respond

    def _on_connection(self, mask: int) -> None:
        try:
            fd, _ = self._listener._accept()  # type: ignore[attr-defined]
        except OSError:
            # Gone again before it was accepted, or no descriptor left: the client asks again (accept(2)).
            return
        socket = _socket.socket(fileno=fd)
        if len(self._clients) >= MAXIMUM_STREAMS:
            socket.close()
            return
        socket.setblocking(False)
        client = _Stream(socket)
        self._clients[client] = None
        self._watch(socket, _IN, lambda mask: self._on_stream(client))

    def _on_stream(self, client: _Stream) -> None:
        try:
            self._flush(client)
            chunk = client.socket.recv(_DATAGRAM)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self._hang_up(client)
            return
        client.incoming += chunk
        client.deadline = time.monotonic() + STREAM_IDLE_SECONDS
        while len(client.incoming) >= 2 and not client.closed:
            (length,) = struct.unpack_from(">H", client.incoming)
            if len(client.incoming) < 2 + length:
                return
            data, client.incoming = client.incoming[2 : 2 + length], client.incoming[2 + length :]
            self.answer(data, self._to_stream(client), stream=True)

    def _to_stream(self, client: _Stream) -> Callable[[bytes], None]:
        def respond(message: bytes) -> None:
            if client.closed:
                return
            if len(client.outgoing) > _UNREAD_LIMIT:
                self._hang_up(client)
                return
            client.outgoing += struct.pack(">H", len(message)) + message
            try:
                self._flush(client)
            except OSError:
                self._hang_up(client)

        return respond

    def _flush(self, client: _Stream) -> None:
        if client.outgoing:
            try:
                client.outgoing = client.outgoing[client.socket.send(client.outgoing) :]
            except BlockingIOError:
                pass
        self._epoll.modify(client.socket.fileno(), _IN | (_OUT if client.outgoing else 0))

    def _hang_up(self, client: _Stream) -> None:
        client.closed = True
        self._clients.pop(client, None)
        self._unwatch(client.socket)

    def _watch(self, socket: _socket.socket, events: int, handler: Callable[[int], None]) -> None:
        self._epoll.register(socket.fileno(), events)
        self._handlers[socket.fileno()] = handler

    def _unwatch(self, socket: _socket.socket | None) -> None:
        if socket is not None and socket.fileno() in self._handlers:
            self._epoll.unregister(socket.fileno())
            del self._handlers[socket.fileno()]
            self._closing.append(socket)

    def _bury(self) -> None:
        while self._closing:
            self._closing.pop().close()
