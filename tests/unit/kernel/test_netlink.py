"""rtnetlink against the kernel itself, in namespaces of its own."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netns import world
from pier.kernel import netlink
from pier.kernel.netlink import Netlink


def test_a_bridge_is_made_addressed_and_deleted() -> None:
    with world(), Netlink() as link:
        link.transact([netlink.create_bridge("br", "02:42:00:00:00:07", mtu=1400)])
        index = netlink.link_index("br")
        link.transact([netlink.add_address(index, "10.9.0.1", 24), netlink.set_up("br")])
        bridge = link.link("br")
        assert bridge is not None
        assert (bridge.index, bridge.up, bridge.mac, bridge.mtu) == (index, True, "02:42:00:00:00:07", 1400)
        assert (index, "10.9.0.1", 24) in link.addresses()
        assert ("10.9.0.0", 24, index) in link.routes()
        link.transact([netlink.delete_link("br")])
        assert link.link("br") is None
        assert netlink.link_index("br") == 0


def test_a_veth_peer_is_born_inside_the_other_namespace_under_its_final_name() -> None:
    with world() as made, Netlink() as link:
        container = made.container()
        link.transact([netlink.create_bridge("br"), netlink.set_up("br")])
        bridge = netlink.link_index("br")
        veth = netlink.create_veth("host", "eth0", container.fd, master=bridge, peer_mac="02:42:ac:11:00:02")
        link.transact([veth, netlink.without_link_local("host"), netlink.set_up("host")])
        host = link.link("host")
        assert host is not None
        assert host.master == bridge
        assert not link.link_exists("eth0")
        with container.entered(), Netlink() as inner:
            peer = inner.link("eth0")
            assert peer is not None
            assert peer.mac == "02:42:ac:11:00:02"
            inner.transact([netlink.rename(peer.index, "lan"), netlink.set_mac("lan", "02:42:ac:11:00:03")])
            assert [(one.name, one.mac) for one in inner.links() if one.index == peer.index] == [
                ("lan", "02:42:ac:11:00:03")
            ]


def test_a_batch_reports_its_first_failure_and_still_does_the_rest() -> None:
    with world(), Netlink() as link:
        with pytest.raises(OSError) as caught:
            link.transact([netlink.delete_link("absent"), netlink.create_bridge("br")])
        assert caught.value.errno == errno.ENODEV
        assert link.link_exists("br")
        with pytest.raises(FileExistsError):
            link.transact([netlink.create_bridge("br")])
        link.transact([netlink.create_bridge("br").tolerate(errno.EEXIST)])


def test_a_default_route_goes_through_the_gateway() -> None:
    with world(), Netlink() as link:
        link.transact([netlink.create_veth("one", "two"), netlink.set_up("one"), netlink.set_up("two")])
        index = netlink.link_index("one")
        link.transact([netlink.add_address(index, "10.9.0.2", 24), netlink.add_default_route("10.9.0.1", index)])
        assert ("0.0.0.0", 0, index) in link.routes()


@given(st.lists(st.tuples(st.integers(1, 0x3FFF), st.binary(max_size=40)), unique_by=lambda pair: pair[0], max_size=8))
def test_attributes_are_read_back_as_written(pairs: list[tuple[int, bytes]]) -> None:
    wire = b"".join(netlink.attribute(kind, payload) for kind, payload in pairs)
    assert len(wire) % 4 == 0
    assert netlink.attributes(wire) == dict(pairs)


@given(st.binary(max_size=64))
def test_any_bytes_are_read_as_some_attributes(data: bytes) -> None:
    assert sum(map(len, netlink.attributes(data).values())) <= len(data)
