"""What pier's OCI runtime can do, in the specification's `features` form. Pure."""

from __future__ import annotations

from pier.kernel import identity
from pier.runtime import oci_hooks, oci_mounts, oci_read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def features(*, last_capability: int) -> dict[str, Any]:
    """The object `pier oci features` prints."""
    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": oci_read.VERSION,
        "hooks": list(oci_hooks.KINDS),
        "mountOptions": sorted(oci_mounts.KNOWN),
        "linux": {
            "namespaces": sorted(oci_read.NAMESPACES),
            "capabilities": ["CAP_" + name for name in identity.CAPABILITIES[: last_capability + 1]],
            "cgroup": {"v1": True, "v2": True, "systemd": False, "systemdUser": False, "rdma": True},
            "seccomp": {
                "enabled": True,
                "actions": [
                    "SCMP_ACT_" + name for name in "ALLOW ERRNO KILL KILL_PROCESS KILL_THREAD LOG TRACE TRAP".split()
                ],
                "operators": ["SCMP_CMP_" + name for name in "EQ GE GT LE LT MASKED_EQ NE".split()],
                "archs": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"],
                "knownFlags": sorted(oci_read.FILTER_FLAGS),
                "supportedFlags": sorted(oci_read.FILTER_FLAGS),
            },
            "apparmor": {"enabled": False},
            "selinux": {"enabled": False},
            "intelRdt": {"enabled": False},
            "mountExtensions": {"idmap": {"enabled": False}},
            "netDevices": {"enabled": False},
        },
    }
