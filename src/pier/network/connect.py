"""Bridges, veth pairs and addresses: the acts by which a container comes onto a network.

`prepare_host`, `attach`, `detach` and `teardown_network` act in the host's network namespace, `configure_inside` in the
container's; nothing here changes namespace. Leases are made before, by `pier.network.store`.
"""

from __future__ import annotations

import errno
import os

from pier.errors import Conflict, Denied, PierError, Unsupported
from pier.kernel import netlink
from pier.kernel.netlink import Netlink
from pier.kernel.nftables import Nftables
from pier.network import egress, hostfacts, store, subnets
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pier.model.network import Endpoint, Network
    from pier.state.paths import Paths

IP_FORWARD = "/proc/sys/net/ipv4/ip_forward"


def prepare_host(paths: Paths, network: Network) -> str:
    """The bridge of *network* is up with its gateway address, and its packets are forwarded and masqueraded.

    Returns a warning where the host denies the way out, "" otherwise. Quick when all is there already.
    """
    if network.driver != "bridge":
        return ""
    try:
        with Netlink() as link:
            bridge = link.link(network.interface)
            # IFF_UP is set last, so that a bridge that is up is a bridge that is complete.
            if bridge is None or not bridge.up:
                with _lock(paths):
                    _make_bridge(paths, link, network)
    except OSError as exc:
        raise _refusal(f"cannot make the bridge of network {network.name}", exc) from exc
    return _open_egress(paths, network)


def host_interface(endpoint: Endpoint) -> str:
    """The name of the veth end on the host: one per lease, so that it is found again without a record."""
    return f"pv{endpoint.network_id[:6]}{subnets.host_part(endpoint.ip, endpoint.prefix):x}"


def attach(network: Network, endpoint: Endpoint, netns_fd: int, ifname: str) -> str:
    """A veth pair from the bridge to *ifname* in the namespace *netns_fd*. Returns the name of the host's end."""
    name = host_interface(endpoint)
    try:
        with Netlink() as link:
            bridge = netlink.link_index(network.interface)
            messages = (
                netlink.create_veth(name, ifname, netns_fd, master=bridge, mtu=endpoint.mtu, peer_mac=endpoint.mac),
                netlink.without_link_local(name),
                netlink.set_up(name),
            )
            try:
                link.transact(messages)
            except FileExistsError:
                # The namespace of the address's last holder is still being dismantled (cleanup_net is asynchronous).
                link.transact([netlink.delete_link(name).tolerate(errno.ENODEV), *messages])
    except OSError as exc:
        raise _refusal(f"cannot attach {endpoint.container} to network {network.name}", exc) from exc
    return name


def configure_inside(endpoints: Sequence[Endpoint]) -> None:
    """Loopback and eth0, eth1 … (in the order of *endpoints*) are up with their addresses; the first way out is taken.

    Runs in the container's network namespace, with CAP_NET_ADMIN.
    """
    messages = [netlink.set_up("lo")]
    routed = False
    for place, endpoint in enumerate(endpoints):
        name = f"eth{place}"
        index = netlink.link_index(name)
        messages += [
            netlink.without_link_local(name),
            netlink.add_address(index, endpoint.ip, endpoint.prefix),
            netlink.set_up(name),
        ]
        if endpoint.gateway and not routed:
            routed = True
            messages.append(netlink.add_default_route(endpoint.gateway, index))
    with Netlink() as link:
        link.transact(messages)


def detach(endpoint: Endpoint) -> None:
    """The veth pair of *endpoint* is gone. Idempotent."""
    with Netlink() as link:
        link.transact([netlink.delete_link(host_interface(endpoint)).tolerate(errno.ENODEV)])


def teardown_network(network: Network) -> None:
    """The bridge and the rules of *network* are gone from the host. Idempotent."""
    if network.driver != "bridge":
        return
    try:
        try:
            # Rules first: a bridge tells in its alias whose it is, rules without one are found by nobody.
            egress.withdraw([network.id])
        finally:
            with Netlink() as link:
                link.transact([netlink.delete_link(network.interface).tolerate(errno.ENODEV)])
    except OSError as exc:
        raise _refusal(f"cannot take down network {network.name}", exc) from exc


def teardown_store(paths: Paths) -> None:
    """No network of this store has a bridge or rules on the host; the store itself keeps them."""
    for network in store.stored(paths):
        teardown_network(network)


def _make_bridge(paths: Paths, link: Netlink, network: Network) -> None:
    span = subnets.parse(network.subnet)
    for base, prefix in hostfacts.spans_in_use(besides=network.interface):
        if subnets.overlap(span, (base, prefix)):
            raise Conflict(
                f"network {network.name} cannot be brought up: its subnet {network.subnet} is in use on this host",
                why=f"a route or an address of the host lies in {subnets.to_text(base)}/{prefix}",
                hint=f"remove the other user, or remove {network.name} and create it again with --subnet",
            )
    name = network.interface
    # A fixed address: a bridge otherwise takes its lowest port's, which changes as containers come and go.
    mac = "02:42:" + ":".join(network.id[at : at + 2] for at in range(0, 8, 2))
    link.transact([netlink.create_bridge(name, mac, mtu=network.mtu).tolerate(errno.EEXIST)])
    address = netlink.add_address(netlink.link_index(name), network.gateway, network.prefix)
    alias = netlink.set_alias(name, store.folder(paths, network.id))
    link.transact([alias, netlink.without_link_local(name), address.tolerate(errno.EEXIST), netlink.set_up(name)])


def _open_egress(paths: Paths, network: Network) -> str:
    try:
        if not network.internal:
            _forward()
        with Nftables() as table:
            if not egress.missing(table, network):
                return ""
            with _lock(paths):
                if lacking := egress.missing(table, network):
                    table.commit(lacking)
            blocked = not network.internal and egress.foreign_policy_drops(table)
    except OSError as exc:
        return f"no egress from network {network.name}: {os.strerror(exc.errno or 0)} ({_lacking(exc)})"
    if blocked:
        bridge = network.interface
        return (
            f"no egress from network {network.name}: another firewall's FORWARD policy is DROP; allow it with: "
            f"iptables -I FORWARD -i {bridge} -j ACCEPT; iptables -I FORWARD -o {bridge} -j ACCEPT"
        )
    return ""


def _lacking(exc: OSError) -> str:
    if exc.filename == IP_FORWARD:
        return f"{IP_FORWARD} cannot be set"
    return "the kernel's nf_tables NAT is missing or not permitted"


def _forward() -> None:
    if files.read_text(IP_FORWARD).strip() != "0":
        return
    fd = os.open(IP_FORWARD, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, b"1\n")
    finally:
        os.close(fd)


def _refusal(message: str, exc: OSError) -> PierError:
    if exc.errno in (errno.EPERM, errno.EACCES):
        return Denied(message, why="CAP_NET_ADMIN is missing", hint="run as root, or use --network none or host")
    why = os.strerror(exc.errno or 0)
    if exc.errno in (errno.EOPNOTSUPP, errno.EPROTONOSUPPORT):
        why = "this kernel has no bridge or veth device"
    return Unsupported(message, why=why, hint="use --network host or none")


def _lock(paths: Paths) -> files.FileLock:
    return files.FileLock(files.ensure_dir(paths.networks) + "/lock")
