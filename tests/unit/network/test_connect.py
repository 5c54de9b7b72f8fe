"""Containers on bridges: they reach each other and the world, and only whom they should."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from netns import Namespace, World, world
from pier.errors import Conflict, Exhausted
from pier.kernel import netlink
from pier.kernel import nftables as nft
from pier.kernel.netlink import Netlink
from pier.model.network import Endpoint, Network
from pier.model.record import Record
from pier.network import connect, egress, orphans, store
from pier.state.paths import Paths

OUTSIDE, HOST_OUTSIDE = "198.51.100.2", "198.51.100.1"
PATIENCE = 3.0


class Box(Record):
    id: str
    name: str


class Site:
    """A host with a store and an outside world behind one of its interfaces."""

    def __init__(self, made: World, paths: Paths) -> None:
        self.world, self.paths = made, paths
        self.outside = made.container()
        with Netlink() as link:
            link.transact([netlink.create_veth("up0", "net0", self.outside.fd), netlink.set_up("up0")])
            link.transact([netlink.add_address(netlink.link_index("up0"), HOST_OUTSIDE, 24)])
        with self.outside.entered(), Netlink() as link:
            index = netlink.link_index("net0")
            link.transact([netlink.add_address(index, OUTSIDE, 24), netlink.set_up("net0"), netlink.set_up("lo")])
            link.transact([netlink.add_default_route(HOST_OUTSIDE, index)])

    def join(self, name: str, *networks: Network) -> tuple[Namespace, tuple[Endpoint, ...]]:
        inside = self.world.container()
        endpoints = []
        for place, network in enumerate(networks):
            assert connect.prepare_host(self.paths, network) == ""
            identity = hashlib.sha256(name.encode()).hexdigest()
            endpoint = store.allocate(self.paths, network, Box(id=identity, name=name))
            connect.attach(network, endpoint, inside.fd, f"eth{place}")
            endpoints.append(endpoint)
        with inside.entered():
            connect.configure_inside(endpoints)
        return inside, tuple(endpoints)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with world() as made:
        try:
            with nft.Nftables() as table:
                table.commit([nft.add_table("probe"), nft.delete_table("probe")])
        except OSError as exc:
            pytest.skip(f"needs nf_tables in the kernel: {exc}")
        yield Site(made, Paths(root=str(tmp_path), run=str(tmp_path / "run")))


def reach(start: Namespace, goal: Namespace, ip: str) -> str:
    """The address under which *start* shows itself to a server in *goal* at *ip*; "" when it cannot be reached."""
    with contextlib.ExitStack() as stack:
        with goal.entered():
            server = stack.enter_context(socket.create_server(("0.0.0.0", 0)))
        with start.entered():
            client = stack.enter_context(socket.socket())
        client.settimeout(PATIENCE)
        try:
            client.connect((ip, server.getsockname()[1]))
        except OSError:
            return ""
        connection, (peer, _) = server.accept()
        connection.close()
        return str(peer)


def unreachable(start: Namespace, goal: Namespace, ip: str) -> bool:
    """Whether a SYN to *ip* gets no answer within the first retransmissions."""
    with contextlib.ExitStack() as stack:
        with goal.entered():
            server = stack.enter_context(socket.create_server(("0.0.0.0", 0)))
        with start.entered():
            client = stack.enter_context(socket.socket())
        client.settimeout(0.3)
        try:
            client.connect((ip, server.getsockname()[1]))
        except OSError:
            return True
        return False


def test_two_containers_of_a_network_reach_each_other(site: Site) -> None:
    network = store.create(site.paths, "lab")
    one, (first,) = site.join("one", network)
    two, (second,) = site.join("two", network)
    assert reach(one, two, second.ip) == first.ip
    assert reach(site.world.host, one, first.ip) == network.gateway


def test_a_container_reaches_the_world_under_the_hosts_address(site: Site) -> None:
    one, _ = site.join("one", store.find(site.paths, "bridge"))
    assert reach(one, site.outside, OUTSIDE) == HOST_OUTSIDE


def test_networks_are_closed_to_each_other_and_to_the_outside(site: Site) -> None:
    one, (first,) = site.join("one", store.create(site.paths, "red"))
    two, (second,) = site.join("two", store.create(site.paths, "blue"))
    assert unreachable(one, two, second.ip)
    assert unreachable(two, one, first.ip)
    assert unreachable(site.outside, one, first.ip)


def test_an_internal_network_has_no_way_out_but_the_containers_on_it(site: Site) -> None:
    network = store.create(site.paths, "vault", internal=True)
    one, (first,) = site.join("one", network)
    two, (second,) = site.join("two", network)
    assert reach(one, two, second.ip) == first.ip
    assert unreachable(one, site.outside, OUTSIDE)


def test_a_container_on_two_networks_leaves_by_the_first_that_has_a_way_out(site: Site) -> None:
    vault, lab = store.create(site.paths, "vault", internal=True), store.create(site.paths, "lab")
    both, (_, in_lab) = site.join("both", vault, lab)
    other, (neighbour,) = site.join("other", lab)
    assert reach(both, site.outside, OUTSIDE) == HOST_OUTSIDE
    assert reach(both, other, neighbour.ip) == in_lab.ip


def test_preparing_twice_changes_nothing(site: Site) -> None:
    network = store.create(site.paths, "lab")
    assert connect.prepare_host(site.paths, network) == connect.prepare_host(site.paths, network) == ""
    with nft.Nftables() as table:
        assert [text for _, text in table.rules("pier", "postrouting")] == [egress.comment(network.id)]
        assert len(table.rules("pier", "forward")) == 1


def test_rules_that_another_program_flushed_come_back(site: Site) -> None:
    network = store.create(site.paths, "lab")
    connect.prepare_host(site.paths, network)
    with nft.Nftables() as table:
        table.commit([nft.delete_table("pier")])
        connect.prepare_host(site.paths, network)
        assert len(table.rules("pier", "postrouting")) == 1


def test_an_address_is_attached_again_while_its_last_pair_still_exists(site: Site) -> None:
    network = store.create(site.paths, "lab")
    _, (endpoint,) = site.join("one", network)
    again = site.world.container()
    name = connect.attach(network, endpoint, again.fd, "eth0")
    with again.entered():
        connect.configure_inside([endpoint])
    assert reach(site.world.host, again, endpoint.ip) == network.gateway
    connect.detach(endpoint)
    connect.detach(endpoint)
    assert netlink.link_index(name) == 0


def test_teardown_leaves_no_interface_and_no_rule(site: Site) -> None:
    networks = [store.create(site.paths, "red"), store.create(site.paths, "blue", internal=True)]
    for network in networks:
        connect.prepare_host(site.paths, network)
    connect.teardown_network(networks[0])
    with nft.Nftables() as table, Netlink() as link:
        assert {text for _, text in table.rules("pier", "forward")} == {egress.comment(networks[1].id)}
        connect.teardown_store(site.paths)
        connect.teardown_store(site.paths)
        assert table.chains("pier") == {}
        assert {one.name for one in link.links()} == {"lo", "up0"}


def test_a_subnet_that_the_host_took_meanwhile_is_refused(site: Site) -> None:
    network = store.create(site.paths, "lab", subnet="10.5.0.0/16")
    with Netlink() as link:
        link.transact([netlink.add_address(netlink.link_index("up0"), "10.5.7.1", 24)])
    with pytest.raises(Conflict, match="subnet 10.5.0.0/16 is in use"):
        connect.prepare_host(site.paths, network)
    assert netlink.link_index(network.interface) == 0


def _foreign_firewall(*extra: nft.Message) -> None:
    """A forward chain that drops what no rule decides, as Docker makes it."""
    with nft.Nftables() as table:
        table.commit(
            [
                nft.add_table("filter"),
                nft.add_base_chain("filter", "FORWARD", "filter", nft.HOOK_FORWARD, 0, drops=True),
                *extra,
            ]
        )


def test_a_firewall_that_drops_by_policy_is_named_with_the_remedy(site: Site) -> None:
    _foreign_firewall()
    network = store.create(site.paths, "lab")
    warning = connect.prepare_host(site.paths, network)
    assert warning.startswith("no egress from network lab: another firewall's FORWARD policy is DROP")
    assert f"iptables -I FORWARD -i {network.interface} -j ACCEPT" in warning


def test_beside_docker_traffic_is_let_through_its_users_chain(site: Site) -> None:
    _foreign_firewall(
        nft.add_chain("filter", "DOCKER-USER"),
        nft.add_rule("filter", "DOCKER-USER", [nft.go_back()], "dockers own"),
        nft.add_rule("filter", "FORWARD", [nft.jump("DOCKER-USER")], "dockers own"),
    )
    network = store.create(site.paths, "lab")
    one, (first,) = site.join("one", network)
    two, (second,) = site.join("two", network)
    assert reach(one, site.outside, OUTSIDE) == HOST_OUTSIDE
    assert reach(one, two, second.ip) == first.ip
    connect.teardown_network(network)
    with nft.Nftables() as table:
        assert [text for _, text in table.rules("filter", "DOCKER-USER")] == ["dockers own"]


def test_bridges_of_a_store_that_was_deleted_give_their_subnets_back(site: Site, tmp_path: Path) -> None:
    old = Paths(root=str(tmp_path / "old"), run=str(tmp_path / "old/run"))
    gone, busy = store.create(old, "gone"), store.create(old, "busy")
    connect.prepare_host(old, gone)
    site.paths, kept = old, site.paths
    site.join("still-there", busy)
    site.paths = kept
    here = store.create(kept, "here")
    connect.prepare_host(kept, here)
    shutil.rmtree(old.root)
    assert orphans.sweep() == 1
    with nft.Nftables() as table:
        labels = {text for _, text in table.rules("pier", "forward")}
    assert labels == {egress.comment(busy.id), egress.comment(here.id)}
    assert netlink.link_index(gone.interface) == 0
    assert netlink.link_index(busy.interface) > 0
    assert netlink.link_index(here.interface) > 0


def test_running_out_of_pools_sweeps_orphans_first(site: Site, tmp_path: Path) -> None:
    old = Paths(root=str(tmp_path / "old"), run=str(tmp_path / "old/run"))
    for number in range(31):
        connect.prepare_host(old, store.create(old, f"n{number}"))
    with pytest.raises(Exhausted, match="non-overlapping IPv4 address pool"):
        store.create(site.paths, "late")
    shutil.rmtree(old.root)
    assert store.create(site.paths, "late").subnet == "172.17.0.0/16"
