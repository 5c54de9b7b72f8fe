"""Networks and leases on disk, among concurrent commands."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from netns import world
from pier.errors import Conflict, Exhausted, Invalid, NotFound
from pier.kernel import netlink
from pier.kernel.netlink import Netlink
from pier.model.record import Record
from pier.network import store
from pier.network.names import EndpointNames
from pier.state.paths import Paths


class Box(Record):
    """The little of a container that a lease needs."""

    id: str
    name: str


def box(name: str) -> Box:
    return Box(id=hashlib.sha256(name.encode()).hexdigest(), name=name)


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[Paths]:
    with world():
        yield Paths(root=str(tmp_path), run=str(tmp_path / "run"))


def _occupy(ip: str, prefix: int) -> None:
    with Netlink() as link:
        link.transact([netlink.create_bridge("taken"), netlink.set_up("taken")])
        link.transact([netlink.add_address(netlink.link_index("taken"), ip, prefix)])


def test_the_default_network_appears_when_asked_for_with_dockers_first_subnet(paths: Paths) -> None:
    network = store.find(paths, "bridge")
    assert (network.subnet, network.gateway) == ("172.17.0.0/16", "172.17.0.1")
    assert store.find(paths, "default") == network
    assert [one.name for one in store.list(paths)] == ["bridge", "host", "none"]
    assert not network.resolves_names


def test_the_default_network_moves_when_the_host_took_its_subnet_and_nobody_uses_it(paths: Paths) -> None:
    before = store.find(paths, "bridge")
    _occupy("172.17.200.1", 24)
    after = store.find(paths, "bridge")
    assert (after.id, after.subnet) == (before.id, "172.18.0.0/16")


def test_subnets_avoid_the_hosts_routes_and_each_other(paths: Paths) -> None:
    _occupy("172.18.9.1", 24)
    chosen = [store.create(paths, name).subnet for name in ("one", "two")]
    assert chosen == ["172.17.0.0/16", "172.19.0.0/16"]
    with pytest.raises(Conflict, match="Pool overlaps"):
        store.create(paths, "three", subnet="172.17.4.0/24")
    with pytest.raises(Conflict, match="Pool overlaps"):
        store.create(paths, "four", subnet="172.18.9.0/25")


def test_a_name_is_taken_once(paths: Paths) -> None:
    store.create(paths, "lab")
    with pytest.raises(Conflict, match="network with name lab already exists"):
        store.create(paths, "lab")
    with pytest.raises(Conflict, match="network with name host already exists"):
        store.create(paths, "host")
    for name in ("", "../x", "-x", "a b"):
        with pytest.raises(Invalid):
            store.create(paths, name)


def test_networks_are_found_by_name_id_and_unique_beginning(paths: Paths) -> None:
    network = store.create(paths, "lab", labels={"a": "b"}, options={store.OPTION_MTU: "1280"})
    assert store.find(paths, "lab") == store.find(paths, network.id) == store.find(paths, network.id[:12]) == network
    assert network.mtu == 1280
    for absent in ("nowhere", "", "../lab"):
        with pytest.raises(NotFound, match=f"network {absent} not found"):
            store.find(paths, absent)


def test_leases_are_the_lowest_free_addresses(paths: Paths) -> None:
    network = store.create(paths, "lab")
    leases = [store.allocate(paths, network, box(name)) for name in ("a", "b", "c")]
    assert [lease.ip for lease in leases] == ["172.17.0.2", "172.17.0.3", "172.17.0.4"]
    assert leases[0].mac == "02:42:ac:11:00:02"
    assert store.release(paths, network.id, leases[1].container_id)
    assert not store.release(paths, network.id, leases[1].container_id)
    assert store.allocate(paths, network, box("d")).ip == "172.17.0.3"
    store.release_all(paths, leases[0].container_id)
    assert [one.container for one in store.endpoints(paths, network.id)] == ["d", "c"]


def test_an_address_that_was_asked_for_is_given_once(paths: Paths) -> None:
    network = store.create(paths, "lab", subnet="10.1.0.0/24", gateway="10.1.0.254")
    assert store.allocate(paths, network, box("a"), ip="10.1.0.9").gateway == "10.1.0.254"
    for taken in ("10.1.0.9", "10.1.0.254"):
        with pytest.raises(Conflict, match="Address already in use"):
            store.allocate(paths, network, box("b"), ip=taken)
    with pytest.raises(Invalid, match="no configured subnet"):
        store.allocate(paths, network, box("b"), ip="10.2.0.9")


def test_a_full_subnet_says_so(paths: Paths) -> None:
    network = store.create(paths, "tiny", subnet="10.1.0.0/30")
    store.allocate(paths, network, box("a"))
    with pytest.raises(Exhausted, match="no available IPv4 addresses"):
        store.allocate(paths, network, box("b"))


def test_concurrent_commands_never_lease_one_address_twice(paths: Paths) -> None:
    network = store.create(paths, "lab")
    children = []
    for number in range(6):
        pid = os.fork()
        if pid == 0:
            try:
                for step in range(8):
                    store.allocate(paths, network, box(f"c{number}-{step}"))
            except BaseException:
                os._exit(1)
            os._exit(0)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 6
    leases = store.endpoints(paths, network.id)
    assert len(leases) == len({lease.ip for lease in leases}) == 48
    assert len({lease.container for lease in leases}) == 48


def test_a_network_in_use_is_kept(paths: Paths) -> None:
    network = store.create(paths, "lab")
    lease = store.allocate(paths, network, box("a"))
    with pytest.raises(Conflict, match="network lab has active endpoints") as caught:
        store.remove(paths, "lab")
    assert "a (172.17.0.2)" in caught.value.why
    store.release(paths, network.id, lease.container_id)
    # A command killed within allocate() leaves such a file.
    Path(store.endpoints_folder(paths, network.id), "172.17.0.2.99~").touch()
    assert store.remove(paths, "lab") == network
    with pytest.raises(NotFound):
        store.find(paths, "lab")
    with pytest.raises(NotFound, match="network lab not found"):
        store.allocate(paths, network, box("a"))
    with pytest.raises(Conflict, match="pre-defined"):
        store.remove(paths, "bridge")


def test_names_follow_the_leases(paths: Paths) -> None:
    network = store.create(paths, "lab")
    names = EndpointNames(paths, [network.id])
    assert names.addresses("db") == ()
    one = store.allocate(paths, network, box("lab-db-1"), names=("db", "DB-Primary"))
    two = store.allocate(paths, network, box("lab-db-2"), names=("db",))
    assert sorted(names.addresses("db")) == sorted([one.ip, two.ip])
    assert names.addresses("db-primary") == names.addresses("lab-db-1.lab") == (one.ip,)
    assert names.addresses(one.container_id[:12]) == (one.ip,)
    assert names.name_of(two.ip) == "lab-db-2.lab"
    store.release(paths, network.id, two.container_id)
    assert names.addresses("db") == (one.ip,)
