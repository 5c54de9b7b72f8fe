"""Bridges whose store was deleted under them. Takes away nothing that a container still hangs on.

A bridge carries the folder of its network as its alias (`connect`); one without ports whose folder is gone is nobody's.
"""

from __future__ import annotations

import errno
import os

from pier.kernel import netlink
from pier.kernel.netlink import Netlink
from pier.network import egress

_PREFIX = "pier-"


def sweep() -> int:
    """Orphaned bridges and their rules are gone. The number of bridges removed."""
    with Netlink() as link:
        links = link.links()
        in_use = {one.master for one in links}
        orphaned = [one for one in links if one.index not in in_use and _is_orphan(one)]
        if orphaned:
            egress.withdraw(os.path.basename(bridge.alias) for bridge in orphaned)
        for bridge in orphaned:
            # Another command may have been faster, or a container may be joining: it makes its bridge again.
            link.transact([netlink.delete_link(bridge.name).tolerate(errno.ENODEV)])
    return len(orphaned)


def _is_orphan(link: netlink.Link) -> bool:
    return link.name.startswith(_PREFIX) and link.alias.startswith("/") and not os.path.exists(link.alias)
