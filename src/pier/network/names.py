"""Who has which name on a container's networks, read from the leases when they change. Sends nothing."""

from __future__ import annotations

import os
import time

from pier.network import store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pier.state.paths import Paths

# Two changes within one tick of the kernel's coarse clock leave the same mtime: one this young proves nothing.
_TICK_NS = 50_000_000


class EndpointNames:
    """The names on networks *network_ids*. Names of several containers (a service) have several addresses."""

    def __init__(self, paths: Paths, network_ids: Sequence[str]) -> None:
        self._paths = paths
        self._ids = tuple(network_ids)
        self._stamps: tuple[int, ...] = ()
        self._addresses: dict[str, tuple[str, ...]] = {}
        self._names: dict[str, str] = {}

    def addresses(self, name: str) -> tuple[str, ...]:
        """The addresses of *name* (lower case), also as `name.network`; none when no container has that name."""
        self._refresh()
        return self._addresses.get(name, ())

    def name_of(self, ip: str) -> str:
        """`container.network` at *ip*, "" when nobody has it."""
        self._refresh()
        return self._names.get(ip, "")

    def _refresh(self) -> None:
        stamps = tuple(self._stamp(network_id) for network_id in self._ids)
        if stamps == self._stamps:
            return
        addresses: dict[str, tuple[str, ...]] = {}
        names: dict[str, str] = {}
        for network_id in self._ids:
            for endpoint in store.endpoints(self._paths, network_id):
                names[endpoint.ip] = f"{endpoint.container}.{endpoint.network}"
                for name in {name.lower() for name in endpoint.names}:
                    for spelling in (name, f"{name}.{endpoint.network.lower()}"):
                        addresses[spelling] = (*addresses.get(spelling, ()), endpoint.ip)
        self._addresses, self._names = addresses, names
        settled = time.time_ns() - _TICK_NS
        self._stamps = stamps if all(stamp < settled for stamp in stamps) else ()

    def _stamp(self, network_id: str) -> int:
        try:
            return os.stat(store.endpoints_folder(self._paths, network_id)).st_mtime_ns
        except FileNotFoundError:
            return 0
