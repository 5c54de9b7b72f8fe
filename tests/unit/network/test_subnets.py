"""Subnet arithmetic and docker's pools."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier.errors import Invalid
from pier.network import subnets


@st.composite
def spans(draw: st.DrawFn) -> tuple[int, int]:
    prefix = draw(st.integers(1, 30))
    return draw(st.integers(0, 2**32 - 1)) >> (32 - prefix) << (32 - prefix), prefix


def _network(span: tuple[int, int]) -> ipaddress.IPv4Network:
    return ipaddress.IPv4Network(span)


@given(spans(), spans())
def test_overlap_agrees_with_the_standard_library(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert subnets.overlap(one, other) == _network(one).overlaps(_network(other))


@given(spans())
def test_a_written_subnet_is_read_back(span: tuple[int, int]) -> None:
    assert subnets.parse(str(_network(span))) == span


def test_hosts_leave_out_the_network_and_the_broadcast_address() -> None:
    assert [subnets.to_text(value) for value in subnets.hosts(subnets.parse("10.0.0.8/29"))] == [
        str(host) for host in ipaddress.IPv4Network("10.0.0.8/29").hosts()
    ]


def test_pools_come_in_dockers_order_and_never_overlap_what_is_taken() -> None:
    assert subnets.choose(()) == subnets.parse("172.17.0.0/16")
    assert subnets.choose([subnets.parse("172.16.0.0/12")]) == subnets.parse("192.168.0.0/20")
    assert subnets.choose([subnets.parse("172.16.0.0/12"), (subnets.to_int("192.168.3.7"), 32)]) == subnets.parse(
        "192.168.16.0/20"
    )
    assert subnets.choose([(0, 0)]) is None


@pytest.mark.parametrize("text", ["10.0.0.0", "10.0.0.1/24", "10.0.0.0/33", "10.0.0.0/31", "ten/8", "/", "fd00::/8"])
def test_what_is_no_subnet_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        subnets.parse(text)


def test_hardware_addresses_follow_from_the_address_as_in_docker() -> None:
    assert subnets.mac_of("172.17.0.2") == "02:42:ac:11:00:02"
