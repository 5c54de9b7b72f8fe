"""Host ports: taken before anything else, refused with the name of who has them."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from netns import World, world
from pier.errors import Conflict, Invalid, Unsupported
from pier.model.ports import PortBinding, format_ports, parse_publish
from pier.network.publish import Listener, open_listeners


@pytest.fixture(autouse=True)
def alone() -> Iterator[World]:
    """A namespace of its own, where every port is free."""
    with world() as made:
        yield made


def bindings(listeners: list[Listener]) -> list[PortBinding]:
    taken = [listener.binding for listener in listeners]
    for listener in listeners:
        listener.close()
    return taken


def test_a_port_is_taken_for_both_families() -> None:
    taken = bindings(open_listeners(parse_publish("8000:80")))
    assert [(one.host_ip, one.host_port, one.container_port) for one in taken] == [
        ("0.0.0.0", 8000, 80),
        ("::", 8000, 80),
    ]
    assert format_ports(taken) == "0.0.0.0:8000->80/tcp, [::]:8000->80/tcp"


def test_the_kernel_picks_one_port_for_both_families() -> None:
    four, six = bindings(open_listeners(parse_publish("80")))
    assert four.host_port == six.host_port > 0


def test_of_a_range_the_first_free_port_is_taken() -> None:
    with socket.create_server(("0.0.0.0", 8000)):
        taken = bindings(open_listeners(parse_publish("127.0.0.1:8000-8002:80")))
    assert [one.host_port for one in taken] == [8001]


def test_a_host_without_ipv6_publishes_on_ipv4() -> None:
    Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")
    Path("/proc/sys/net/ipv6/conf/lo/disable_ipv6").write_text("1")
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as exc:
        assert exc.errno == errno.EADDRNOTAVAIL
    assert bindings(open_listeners(parse_publish("8000:80")))[0].host_port == 8000


def test_a_port_in_use_names_the_process() -> None:
    with socket.create_server(("127.0.0.1", 8000)), pytest.raises(Conflict) as caught:
        open_listeners(parse_publish("8000:80"))
    assert caught.value.message == "Bind for 0.0.0.0:8000 failed: port is already allocated"
    assert f"(pid {os.getpid()})" in caught.value.why


def test_a_port_in_use_names_the_container_that_has_it() -> None:
    with socket.create_server(("127.0.0.1", 8000)), pytest.raises(Conflict) as caught:
        open_listeners(parse_publish("127.0.0.1:8000:80"), holder=lambda binding: "container web")
    assert caught.value.why == "container web has it"


def test_a_udp_port_in_use_names_the_process() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 5353))
        with pytest.raises(Conflict) as caught:
            open_listeners(parse_publish("5353:53/udp"))
    assert f"(pid {os.getpid()})" in caught.value.why


def test_a_refusal_gives_back_what_was_taken_before() -> None:
    with socket.create_server(("0.0.0.0", 8001)):
        with pytest.raises(Conflict):
            open_listeners(parse_publish("8000-8001:80-81"))
        socket.create_server(("0.0.0.0", 8000)).close()


def test_what_cannot_be_bound_says_why() -> None:
    with pytest.raises(Invalid, match=r"192\.0\.2\.200 is no address of this host"):
        open_listeners(parse_publish("192.0.2.200:80:80"))
    with pytest.raises(Unsupported, match="sctp"):
        open_listeners(parse_publish("80:80/sctp"))
