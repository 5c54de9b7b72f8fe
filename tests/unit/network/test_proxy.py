"""Published ports: bytes and datagrams arrive whole, in order, and both sides learn of every end."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from netns import PATIENCE, pump, world
from pier.model.ports import parse_publish
from pier.network import udprelay
from pier.network.proxy import PortProxy
from pier.network.publish import open_listeners

PORT, BACKEND = 8000, 9000
ADDRESS = ("127.0.0.1", PORT)
T = TypeVar("T")


class Stage:
    """A proxy from port 8000 to 127.0.0.1:9000, and threads for those who talk through it."""

    def __init__(self, proxy: PortProxy) -> None:
        self.proxy = proxy

    def play(self, *acts: Callable[[], T]) -> list[T]:
        """The results of *acts*, done at the same time while the proxy runs."""
        with ThreadPoolExecutor(len(acts)) as threads:
            futures = [threads.submit(act) for act in acts]
            pump(self.proxy, lambda: all(future.done() for future in futures))
        return [future.result() for future in futures]


@pytest.fixture
def stage() -> Iterator[Stage]:
    with world():
        proxy = PortProxy(open_listeners(parse_publish(f"{PORT}:{BACKEND}")), "127.0.0.1")
        yield Stage(proxy)
        proxy.close()


@pytest.fixture
def datagrams() -> Iterator[Stage]:
    with world():
        proxy = PortProxy(open_listeners(parse_publish(f"{PORT}:{BACKEND}/udp")), "127.0.0.1")
        yield Stage(proxy)
        proxy.close()


def backend() -> socket.socket:
    server = socket.create_server(("127.0.0.1", BACKEND))
    server.settimeout(PATIENCE)
    return server


def connect() -> socket.socket:
    return socket.create_connection(ADDRESS, PATIENCE)


def read_all(connection: socket.socket) -> bytes:
    connection.settimeout(PATIENCE)
    chunks = []
    while chunk := connection.recv(1 << 16):
        chunks.append(chunk)
    return b"".join(chunks)


def test_each_direction_ends_by_itself(stage: Stage) -> None:
    payload = os.urandom(3_000_000)
    server = backend()

    def serve() -> bytes:
        connection, _ = server.accept()
        with connection:
            received = read_all(connection)
            connection.sendall(received[::-1])
            return received

    def ask() -> bytes:
        with connect() as client:
            client.sendall(payload)
            client.shutdown(socket.SHUT_WR)
            return read_all(client)

    with server:
        assert stage.play(serve, ask) == [payload, payload[::-1]]


def test_ipv6_clients_are_served_too(stage: Stage) -> None:
    server = backend()

    def serve() -> bytes:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"hello")
        return b""

    def ask() -> bytes:
        with socket.create_connection(("::1", PORT), PATIENCE) as client:
            return read_all(client)

    with server:
        assert stage.play(serve, ask)[1] == b"hello"


def test_a_reader_that_does_not_read_holds_the_writer_and_little_memory(stage: Stage) -> None:
    with backend() as server, connect() as client:
        client.setblocking(False)
        pump(stage.proxy, lambda: bool(select.select([server], [], [], 0)[0]))
        connection, _ = server.accept()
        with connection:
            sent, chunk = 0, bytes(1 << 16)
            quiet = time.monotonic()

            def stuck() -> bool:
                nonlocal sent, quiet
                try:
                    sent += client.send(chunk)
                    quiet = time.monotonic()
                except BlockingIOError:
                    return time.monotonic() - quiet > 0.3
                return False

            pump(stage.proxy, stuck)
            spent = time.process_time()
            start = time.monotonic()
            pump(stage.proxy, lambda: time.monotonic() - start > 0.3)
            assert time.process_time() - spent < 0.15, "a stalled connection must not keep the loop busy"
            client.shutdown(socket.SHUT_WR)
            assert len(stage.play(lambda: read_all(connection))[0]) == sent


def test_what_a_server_said_before_it_hung_up_arrives(stage: Stage) -> None:
    server = backend()

    def serve() -> int:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"413 too large")
        return 0

    def ask() -> bytes:
        with connect() as client:
            answer = client.recv(100)
            try:
                while True:
                    client.sendall(bytes(1 << 16))
            except OSError:
                return answer

    with server:
        assert stage.play(serve, ask)[1] == b"413 too large"


def test_a_refusing_container_closes_the_connection(stage: Stage) -> None:
    def ask() -> bytes:
        with connect() as client:
            try:
                return read_all(client)
            except ConnectionResetError:
                return b""

    assert stage.play(ask) == [b""]


def test_many_connections_at_once_leave_no_descriptor_behind(stage: Stage) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    server = backend()
    before = descriptors()

    def serve() -> int:
        for _ in range(200):
            connection, _ = server.accept()
            with connection:
                connection.sendall(connection.recv(10))
        return 0

    def ask() -> int:
        clients = [connect() for _ in range(200)]
        for number, client in enumerate(clients):
            client.sendall(b"%d" % number)
        answers = [read_all(client) for client in clients]
        for client in clients:
            client.close()
        return sum(map(int, answers))

    with server:
        assert stage.play(serve, ask) == [0, sum(range(200))]
    # The server's descriptor is gone, and the loop of `pump` has one while it looks.
    pump(stage.proxy, lambda: descriptors() <= before)


def test_connections_wait_while_the_container_restarts_and_follow_its_new_address(stage: Stage) -> None:
    stage.proxy.set_target("")
    with connect() as client:
        client.sendall(b"patience")
        with socket.create_server(("127.0.0.2", BACKEND)) as server:
            server.settimeout(PATIENCE)
            stage.proxy.set_target("127.0.0.2")

            def serve() -> bytes:
                connection, _ = server.accept()
                with connection:
                    return connection.recv(100)

            assert stage.play(serve) == [b"patience"]


def test_a_new_target_ends_the_connections_to_the_one_before(stage: Stage) -> None:
    with backend() as server, connect() as client:
        pump(stage.proxy, lambda: bool(select.select([server], [], [], 0)[0]))
        stage.proxy.set_target("127.0.0.2")
        assert read_all(client) == b""


def test_closing_passes_on_what_has_arrived() -> None:
    with world(), backend() as server:
        proxy = PortProxy(open_listeners(parse_publish(f"{PORT}:{BACKEND}")), "127.0.0.1")
        with connect() as client:
            pump(proxy, lambda: bool(select.select([server], [], [], 0)[0]))
            connection, _ = server.accept()
            pump(proxy, lambda: True)
            with connection:
                connection.sendall(b"last words")
            proxy.close()
            assert read_all(client) == b"last words"


def test_datagrams_find_their_way_back_to_each_client(datagrams: Stage) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", BACKEND))
        server.settimeout(PATIENCE)

        def serve() -> int:
            for _ in range(6):
                data, peer = server.recvfrom(100)
                server.sendto(data.upper(), peer)
            return 0

        def ask(address: str) -> Callable[[], int]:
            def talk() -> int:
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                with socket.socket(family, socket.SOCK_DGRAM) as client:
                    # Connected: an answer from another address than the one asked would not arrive.
                    client.connect((address, PORT))
                    client.settimeout(PATIENCE)
                    for word in (b"one", b"two"):
                        client.send(word)
                        assert client.recv(100) == word.upper()
                return 0

            return talk

        assert datagrams.play(serve, ask("127.0.0.1"), ask("127.0.0.9"), ask("::1")) == [0] * 4
        deadline = datagrams.proxy.next_deadline()
        assert deadline is not None
        datagrams.proxy.expire(deadline + udprelay.IDLE_SECONDS)
        assert datagrams.proxy.next_deadline() is None


def test_datagrams_of_very_many_clients_stay_within_bounds(datagrams: Stage) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", BACKEND))
        server.settimeout(PATIENCE)
        before = len(os.listdir("/proc/self/fd"))
        for number in range(udprelay.MAXIMUM_CLIENTS + 40):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.bind(("127.0.0.1", 20000 + number))
                client.sendto(b"x", ADDRESS)
            datagrams.proxy.handle(datagrams.proxy.fds()[0], select.EPOLLIN)
        assert len(os.listdir("/proc/self/fd")) - before <= udprelay.MAXIMUM_CLIENTS
