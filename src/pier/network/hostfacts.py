"""What the host's network already uses. Asks the kernel and resolv.conf; changes nothing."""

from __future__ import annotations

from pier.errors import Invalid
from pier.kernel import nsfs
from pier.kernel.netlink import Netlink
from pier.network import resolvconf, subnets
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.network.subnets import Span

_BRIDGE = "pier-"
RESOLV_CONF = "/etc/resolv.conf"


def spans_in_use(*, besides: str = "") -> tuple[Span, ...]:
    """Every IPv4 route, address and name server of the host, but those of interface *besides*.

    A user's containers live in a network of their own: what root's pier has on the host's is not in their way.
    """
    found: set[Span] = set()
    lent = not nsfs.owns_network()
    with Netlink() as netlink:
        own = {
            link.index for link in netlink.links() if link.name == besides or lent and link.name.startswith(_BRIDGE)
        }
        found.update((subnets.to_int(ip), prefix) for index, ip, prefix in netlink.addresses() if index not in own)
        found.update(
            (subnets.to_int(ip), prefix) for ip, prefix, index in netlink.routes() if prefix and index not in own
        )
    return (*sorted(found), *_resolvers())


def uplink_mtu() -> int:
    """The MTU of the interface with the default route, at most 1500; 1500 where there is none."""
    with Netlink() as netlink:
        uplinks = {index for _, prefix, index in netlink.routes() if prefix == 0}
        sizes = [link.mtu for link in netlink.links() if link.index in uplinks and link.mtu >= 576]
    return min([1500, *sizes])


def _resolvers() -> tuple[Span, ...]:
    found = []
    for server in resolvconf.parse(_read(RESOLV_CONF)).nameservers:
        try:
            found.append((subnets.to_int(server), 32))
        except Invalid:
            continue
    return tuple(found)


def _read(path: str) -> str:
    try:
        return files.read_text(path)
    except (FileNotFoundError, PermissionError):
        return ""
