"""The name server at 127.0.0.11, asked over real sockets from a container's namespace."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator, Mapping

import pytest

from netns import Namespace, pump, world
from pier.kernel import netlink
from pier.kernel.netlink import Netlink
from pier.network import dns, dnswire
from pier.network.dns import Resolver

EDNS = b"\0" + struct.pack(">HHIH", 41, 1232, 0, 0)
UPSTREAM, SECOND = "127.0.0.53", "127.0.0.54"


class Leases:
    """Names as the leases would give them."""

    def __init__(self, known: Mapping[str, tuple[str, ...]]) -> None:
        self._known = known

    def addresses(self, name: str) -> tuple[str, ...]:
        return self._known.get(name, ())

    def name_of(self, ip: str) -> str:
        return next((f"{name}.lab" for name, ips in self._known.items() if ip in ips), "")


class Scene:
    def __init__(self, inside: Namespace, resolver: Resolver) -> None:
        self.inside, self.resolver = inside, resolver

    def client(self, kind: int = socket.SOCK_DGRAM) -> socket.socket:
        with self.inside.entered():
            asking = socket.socket(socket.AF_INET, kind)
        asking.settimeout(5)
        asking.connect(("127.0.0.11", 53))
        asking.setblocking(False)
        return asking

    def ask(self, name: str, kind: int = dnswire.TYPE_A) -> bytes:
        with self.client() as asking:
            asking.send(question(name, kind))
            return self.hear(asking)

    def hear(self, asking: socket.socket) -> bytes:
        heard: list[bytes] = []

        def arrived() -> bool:
            with contextlib.suppress(BlockingIOError):
                heard.append(asking.recv(65535))
            return bool(heard)

        pump(self.resolver, arrived)
        return heard[0]


@pytest.fixture
def scene() -> Iterator[Scene]:
    with world() as made:
        inside = made.container()
        with inside.entered():
            with Netlink() as link:
                link.transact([netlink.set_up("lo")])
            sockets = dns.open_sockets()
        names = Leases({"db": ("172.18.0.2",), "api": ("172.18.0.3", "172.18.0.4")})
        made_scene = Scene(inside, Resolver(*sockets, [UPSTREAM, SECOND], names))
        yield made_scene
        made_scene.resolver.close()


def question(name: str, kind: int = dnswire.TYPE_A) -> bytes:
    head = struct.pack(">HHHHHH", 0x1234, 0x0100, 1, 0, 0, 1)
    return head + dnswire.encode_name(name) + struct.pack(">HH", kind, 1) + EDNS


def addresses(reply: bytes) -> list[str]:
    (count,) = struct.unpack_from(">H", reply, 6)
    return [socket.inet_ntoa(reply[len(reply) - 16 * step - 4 :][:4]) for step in reversed(range(count))]


@contextlib.contextmanager
def upstream(ip: str, kind: int = socket.SOCK_DGRAM) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, kind) as server:
        server.bind((ip, 53))
        if kind == socket.SOCK_STREAM:
            server.listen()
        server.setblocking(False)
        yield server


def receive(scene: Scene, server: socket.socket) -> tuple[bytes, tuple[str, int]]:
    got: list[tuple[bytes, tuple[str, int]]] = []

    def arrived() -> bool:
        with contextlib.suppress(BlockingIOError):
            got.append(server.recvfrom(65535))
        return bool(got)

    pump(scene.resolver, arrived)
    return got[0]


def test_a_container_is_found_by_name_whatever_the_case(scene: Scene) -> None:
    reply = scene.ask("DB")
    assert reply[:2] == b"\x12\x34"
    assert addresses(reply) == ["172.18.0.2"]


def test_a_service_has_all_its_addresses_in_turning_order(scene: Scene) -> None:
    first, second = addresses(scene.ask("api")), addresses(scene.ask("api"))
    assert first == second[::-1]
    assert sorted(first) == ["172.18.0.3", "172.18.0.4"]


def test_a_known_name_has_no_ipv6_address_and_nobody_else_is_asked(scene: Scene) -> None:
    reply = scene.ask("db", dnswire.TYPE_AAAA)
    assert dnswire.rcode_of(reply) == dnswire.NOERROR
    assert addresses(reply) == []


def test_an_address_has_a_name(scene: Scene) -> None:
    reply = scene.ask("2.0.18.172.in-addr.arpa", dnswire.TYPE_PTR)
    assert reply.endswith(dnswire.encode_name("db.lab"))


def test_other_names_are_forwarded_byte_for_byte(scene: Scene) -> None:
    with upstream(UPSTREAM) as server, scene.client() as asking:
        sent = question("example.org", 65)
        asking.send(sent)
        forwarded, peer = receive(scene, server)
        assert forwarded[2:] == sent[2:]
        server.sendto(forwarded[:2] + b"\x81\x80" + forwarded[4:] + b"an answer", peer)
        reply = scene.hear(asking)
        assert (reply[:2], reply[-9:]) == (sent[:2], b"an answer")


def test_an_answer_with_another_identity_is_not_taken(scene: Scene) -> None:
    with upstream(UPSTREAM) as server, scene.client() as asking:
        asking.send(question("example.org"))
        forwarded, peer = receive(scene, server)
        wrong = bytes([forwarded[0] ^ 1]) + forwarded[1:2]
        server.sendto(wrong + b"\x81\x80" + forwarded[4:] + b"forged", peer)
        server.sendto(forwarded[:2] + b"\x81\x80" + forwarded[4:] + b"true", peer)
        assert scene.hear(asking).endswith(b"true")


def test_a_silent_server_is_followed_by_the_next(scene: Scene) -> None:
    with upstream(UPSTREAM) as silent, upstream(SECOND) as server, scene.client() as asking:
        asking.send(question("example.org"))
        receive(scene, silent)
        deadline = scene.resolver.next_deadline()
        assert deadline is not None
        assert deadline > time.monotonic()
        scene.resolver.expire(deadline)
        forwarded, peer = receive(scene, server)
        server.sendto(forwarded[:2] + b"\x81\x80" + forwarded[4:], peer)
        assert dnswire.rcode_of(scene.hear(asking)) == dnswire.NOERROR


def test_a_server_that_fails_is_followed_by_the_next_and_heard_when_it_is_the_last(scene: Scene) -> None:
    with upstream(UPSTREAM) as first, upstream(SECOND) as second, scene.client() as asking:
        asking.send(question("example.org"))
        for server in (first, second):
            forwarded, peer = receive(scene, server)
            server.sendto(forwarded[:2] + b"\x81\x82" + forwarded[4:], peer)
        assert dnswire.rcode_of(scene.hear(asking)) == dnswire.SERVFAIL


def test_nobody_upstream_is_servfail_at_once(scene: Scene) -> None:
    reply = scene.ask("example.org")
    assert dnswire.rcode_of(reply) == dnswire.SERVFAIL
    assert scene.resolver.next_deadline() is None


def test_what_is_no_query_is_refused_and_the_server_lives(scene: Scene) -> None:
    with scene.client() as asking:
        asking.send(b"short")
        asking.send(struct.pack(">HHHHHH", 9, 0x0100, 2, 0, 0, 0))
        assert dnswire.rcode_of(scene.hear(asking)) == dnswire.FORMERR
        asking.send(struct.pack(">HHHHHH", 9, 0x2800, 1, 0, 0, 0) + question("db")[12:])
        assert dnswire.rcode_of(scene.hear(asking)) == dnswire.NOTIMP
    assert addresses(scene.ask("db")) == ["172.18.0.2"]


def test_several_questions_on_one_tcp_connection_are_answered(scene: Scene) -> None:
    with scene.client(socket.SOCK_STREAM) as asking:
        message = question("db")
        framed = struct.pack(">H", len(message)) + message
        asking.send(framed + framed[:5])
        first = scene.hear(asking)
        assert addresses(first[2:]) == ["172.18.0.2"]
        asking.send(framed[5:])
        assert addresses(scene.hear(asking)[2:]) == ["172.18.0.2"]


def test_a_tcp_question_is_forwarded_over_tcp(scene: Scene) -> None:
    with upstream(UPSTREAM, socket.SOCK_STREAM) as server, scene.client(socket.SOCK_STREAM) as asking:
        message = question("example.org")
        asking.send(struct.pack(">H", len(message)) + message)
        accepted: list[socket.socket] = []

        def connected() -> bool:
            with contextlib.suppress(BlockingIOError):
                accepted.append(server.accept()[0])
            return bool(accepted)

        pump(scene.resolver, connected)
        with accepted[0] as peer:
            peer.setblocking(False)
            forwarded, _ = receive(scene, peer)
            assert forwarded[4:] == message[2:]
            long = forwarded[2:4] + b"\x81\x80" + forwarded[6:] + bytes(4000)
            peer.send(struct.pack(">H", len(long)) + long)
            assert len(scene.hear(asking)) == len(long) + 2


def test_idle_tcp_connections_are_let_go(scene: Scene) -> None:
    with scene.client(socket.SOCK_STREAM) as asking:
        pump(scene.resolver, lambda: scene.resolver.next_deadline() is not None)
        scene.resolver.expire(time.monotonic() + dns.STREAM_IDLE_SECONDS + 1)
        assert scene.hear(asking) == b""


def test_a_name_server_in_the_container_may_have_port_53_for_itself(scene: Scene) -> None:
    with scene.inside.entered():
        own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        stream = socket.create_server(("0.0.0.0", 53))
    with own, stream:
        own.bind(("0.0.0.0", 53))
        assert addresses(scene.ask("db")) == ["172.18.0.2"]


def test_a_second_name_service_in_one_namespace_takes_the_place_of_the_first(scene: Scene) -> None:
    scene.resolver.close()
    with scene.inside.entered():
        sockets = dns.open_sockets()
    scene.resolver = Resolver(*sockets, [], Leases({"db": ("172.18.0.9",)}))
    assert addresses(scene.ask("db")) == ["172.18.0.9"]
