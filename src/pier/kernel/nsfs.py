"""What the files of namespaces tell: ioctl_ns(2). Enters none, and loads no C library."""

from __future__ import annotations

import fcntl
import os

_NS_GET_USERNS = 0xB701


def owns_network() -> bool:
    """Whether this process's network namespace belongs to its user namespace or one below (ioctl_ns(2))."""
    network = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.close(fcntl.ioctl(network, _NS_GET_USERNS))
    except PermissionError:
        return False
    finally:
        os.close(network)
    return True
