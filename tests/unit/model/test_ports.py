"""Docker's port grammar, and the PORTS column."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier.errors import Invalid
from pier.model.ports import PortBinding, format_address, format_ports, parse_expose, parse_publish

ports = st.integers(1, 65535)


@given(host=ports, container=ports, protocol=st.sampled_from(["tcp", "udp"]))
def test_a_written_binding_is_read_back(host: int, container: int, protocol: str) -> None:
    for address in ("", "127.0.0.1", "::1", "fe80::1"):
        text = (format_address(address, host) if address else str(host)) + f":{container}/{protocol}"
        expected = PortBinding(host_ip=address, host_port=host, container_port=container, protocol=protocol)
        assert parse_publish(text) == (expected,)


@given(st.text(alphabet="0123456789-:/[].tcpudx ", max_size=24))
def test_any_text_is_either_read_or_refused_in_words(text: str) -> None:
    try:
        bindings = parse_publish(text)
    except Invalid as refusal:
        assert refusal.message
    else:
        assert all(0 < binding.container_port < 65536 for binding in bindings)


@given(st.integers(1, 60000), st.integers(1, 60000), st.integers(0, 20))
def test_equal_ranges_pair_up_in_order(host: int, container: int, length: int) -> None:
    bindings = parse_publish(f"{host}-{host + length}:{container}-{container + length}")
    assert [(b.host_port, b.container_port) for b in bindings] == [
        (host + step, container + step) for step in range(length + 1)
    ]


def test_a_lone_container_port_lets_the_kernel_pick() -> None:
    assert parse_publish("80") == (PortBinding(container_port=80),)
    assert parse_publish("127.0.0.1::80") == (PortBinding(container_port=80, host_ip="127.0.0.1"),)


def test_a_host_range_for_one_container_port_is_a_choice() -> None:
    assert parse_publish("8000-8010:80") == (PortBinding(container_port=80, host_port=8000, host_port_end=8010),)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "no port specified"),
        ("8000:", "no port specified"),
        ("8000:http", "invalid containerPort: http"),
        ("web:80", "invalid hostPort: web"),
        ("70000:80", "invalid hostPort: 70000"),
        ("80:0", "invalid containerPort: 0"),
        ("9-8:9-8", "invalid containerPort: 9-8"),
        ("80-82:80-81", "invalid ranges"),
        ("80:80/icmp", "invalid proto: icmp"),
        ("localhost:80:80", "invalid IP address: localhost"),
        ("[::1:80:80", "invalid port specification"),
        ("٣:80", "invalid hostPort"),
    ],
)
def test_a_bad_part_is_named(text: str, part: str) -> None:
    with pytest.raises(Invalid, match=part):
        parse_publish(text)


def test_expose_reads_ranges_and_protocols() -> None:
    assert parse_expose("8000") == ("8000/tcp",)
    assert parse_expose("53-54/UDP") == ("53/udp", "54/udp")
    with pytest.raises(Invalid):
        parse_expose("$PORT")


def test_ps_shows_both_families_and_bare_exposed_ports() -> None:
    shown = format_ports(parse_publish("8000:8000"), ("5432/tcp", "8000/tcp"))
    assert shown == "5432/tcp, 0.0.0.0:8000->8000/tcp, [::]:8000->8000/tcp"


def test_ps_collapses_neighbours_with_equal_host_ports_only() -> None:
    assert format_ports(parse_publish("127.0.0.1:80-83:80-83")) == "127.0.0.1:80-83->80-83/tcp"
    assert format_ports(parse_publish("0.0.0.0:8080-8081:80-81")) == "0.0.0.0:8080->80/tcp, 0.0.0.0:8081->81/tcp"
    assert format_ports((), ("7000/tcp", "7001/tcp", "7003/tcp", "7001/udp")) == "7000-7001/tcp, 7003/tcp, 7001/udp"


@given(st.sets(ports, max_size=30))
def test_ps_names_every_exposed_port_once(chosen: set[int]) -> None:
    named: list[int] = []
    for part in filter(None, format_ports((), [f"{port}/tcp" for port in chosen]).split(", ")):
        first, _, last = part.removesuffix("/tcp").partition("-")
        named += range(int(first), int(last or first) + 1)
    assert sorted(named) == sorted(chosen)
