"""Firewall rules of a network: NAT on the way out, and a door that opens from the inside only.

All stores share the table `ip pier`; a rule's comment names its network, so that each finds its own. Where a Docker
on the host drops what it does not know, the network's traffic is let through in DOCKER-USER, the chain Docker keeps for
that. Knows no containers.
"""

from __future__ import annotations

import errno

from pier.kernel import nftables as nft
from pier.network import subnets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pier.kernel.netlink import Message
    from pier.model.network import Network

TABLE = "pier"
_ATTEMPTS = 5
FORWARD, POSTROUTING = "forward", "postrouting"
DOCKER_TABLE, DOCKER_CHAIN, DOCKER_BASE = "filter", "DOCKER-USER", "FORWARD"


def comment(network_id: str) -> str:
    return f"pier {network_id[:32]}"


def plan(network: Network) -> tuple[Message, ...]:
    """The batch that gives *network* its rules in pier's own table.

    One drop isolates networks from each other and from the outside (published ports are proxied and never forwarded);
    traffic inside one bridge is not its business, also where br_netfilter shows it to the forward hook.
    """
    bridge, label = network.interface, comment(network.id)
    rules = [
        (FORWARD, [nft.to_interface(bridge), nft.from_interface(bridge, negate=True), nft.unsolicited(), nft.drop()]),
    ]
    if network.internal:
        rules.append((FORWARD, [nft.from_interface(bridge), nft.to_interface(bridge, negate=True), nft.drop()]))
    else:
        source = nft.from_subnet(subnets.to_text(subnets.parse(network.subnet)[0]), network.prefix)
        rules.append((POSTROUTING, [source, nft.to_interface(bridge, negate=True), nft.masquerade()]))
    return (
        nft.add_table(TABLE),
        nft.add_base_chain(TABLE, POSTROUTING, "nat", nft.HOOK_POSTROUTING, nft.PRIORITY_SOURCE_NAT),
        nft.add_base_chain(TABLE, FORWARD, "filter", nft.HOOK_FORWARD, nft.PRIORITY_FILTER),
        *(nft.add_rule(TABLE, chain, expressions, label) for chain, expressions in rules),
    )


def plan_beside_docker(network: Network) -> tuple[Message, ...]:
    """The batch that lets *network*'s traffic past a Docker whose FORWARD policy is drop."""
    bridge = network.interface
    return tuple(
        nft.add_rule(DOCKER_TABLE, DOCKER_CHAIN, [side, nft.accept()], comment(network.id), first=True)
        for side in (nft.from_interface(bridge), nft.to_interface(bridge))
    )


def missing(table: nft.Nftables, network: Network) -> tuple[Message, ...]:
    """The batch that *network* still lacks; empty when all its rules stand."""
    label = comment(network.id)
    lacking: tuple[Message, ...] = ()
    if not _holds(table.rules(TABLE, FORWARD), label):
        lacking = plan(network)
    beside = table.rules(DOCKER_TABLE, DOCKER_CHAIN)
    if beside and not _holds(beside, label):
        lacking += plan_beside_docker(network)
    return lacking


def foreign_policy_drops(table: nft.Nftables) -> bool:
    """Whether another firewall drops forwarded packets by policy and leaves no chain to say otherwise."""
    chains = table.chains(DOCKER_TABLE)
    return chains.get(DOCKER_BASE, False) and DOCKER_CHAIN not in chains


def withdraw(network_ids: Iterable[str]) -> None:
    """The networks have no rules; pier's table is gone with its last rule. Nothing to do without nf_tables."""
    labels = {comment(network_id) for network_id in network_ids}
    for _ in range(_ATTEMPTS):
        try:
            _withdraw(labels)
        except OSError as exc:
            # ENOENT: another command changed the table between our look and our commit; so look again.
            if exc.errno == errno.ENOENT:
                continue
            if exc.errno not in (errno.EPROTONOSUPPORT, errno.EOPNOTSUPP, errno.EINVAL):
                raise
        return


def _withdraw(labels: set[str]) -> None:
    with nft.Nftables() as table:
        doomed = [
            nft.delete_rule(name, chain, handle)
            for name, chain in ((TABLE, FORWARD), (TABLE, POSTROUTING), (DOCKER_TABLE, DOCKER_CHAIN))
            for handle, text in table.rules(name, chain)
            if text in labels
        ]
        if doomed:
            table.commit(doomed)
        if FORWARD in table.chains(TABLE) and not (table.rules(TABLE, FORWARD) or table.rules(TABLE, POSTROUTING)):
            table.commit([nft.delete_table(TABLE)])


def _holds(rules: Sequence[tuple[int, str]], label: str) -> bool:
    return any(text == label for _, text in rules)
