"""What a plan must know of this host, asked of the kernel. Decides nothing."""

from __future__ import annotations

from pier.kernel import identity, idmap
from pier.runtime import plan


def look(cgroup_mounts: tuple[tuple[str, str], ...] = ()) -> plan.Facts:
    """The facts for this process, in the user namespace it is in. *cgroup_mounts* are (controller, path) to show."""
    ids = idmap.current()
    return plan.Facts(
        last_capability=identity.last_capability(), cgroup_mounts=cgroup_mounts, nested=ids.nested, one_id=ids.one_id
    )
