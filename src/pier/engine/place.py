"""Where pier runs: as real root (R), or as an ordinary user with user namespaces (U). One command line for both; what
differs is asked of the place. Refuses (N) where there is neither, naming what is missing and the administrator's fix.
"""

from __future__ import annotations

import os

from pier.kernel import idmap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from pier.kernel.idmap import IdMap
    from pier.network.upstream import SocketMaker
    from pier.state.paths import Paths

    T = TypeVar("T")


class Place:
    """Place R: the process is root, and the machine's network is the one that bridges are in."""

    letter = "R"
    title = "real root"
    isolation = "namespaces, overlay, cgroups, seccomp, dropped capabilities"
    open_upstream: SocketMaker | None = None

    def __init__(self, ids: IdMap) -> None:
        self.ids = ids

    def stay(self) -> None:
        """The calling process, a monitor that has just closed all it inherited, keeps the place."""

    def enter_network(self) -> tuple[str, ...]:
        """The calling process is where bridges are, for good. Returns what is lacking there."""
        return ()

    def on_network(self, act: Callable[[], T]) -> T | None:
        """What *act* returns, called where bridges are; None where there is no such network now."""
        return act()


def find(paths: Paths, warn: Callable[[str], None]) -> Place:
    """The place of this process, which is in its user namespace afterwards. Unsupported, Denied.

    The caller must have one thread. The run folder exists.
    """
    if os.geteuid() == 0:
        return Place(idmap.current())
    from pier.engine import rootless

    return rootless.enter(paths, warn)
