"""Networks, and the endpoints by which containers hang on them."""

from __future__ import annotations

from pier.model.record import Record

DEFAULT_NETWORK = "bridge"
PREDEFINED = ("bridge", "host", "none")


class Network(Record):
    """A network of this store. *driver*: bridge, host or null (none's); only bridges have the fields from *subnet* on.

    *interface* is the bridge's name on the host. *created* is RFC 3339 UTC.
    """

    id: str
    name: str
    driver: str = "bridge"
    created: str = ""
    internal: bool = False
    attachable: bool = False
    enable_ipv6: bool = False
    labels: dict[str, str] = {}
    options: dict[str, str] = {}
    subnet: str = ""
    gateway: str = ""
    interface: str = ""
    mtu: int = 1500

    @property
    def prefix(self) -> int:
        """The length of the subnet's prefix."""
        return int(self.subnet.partition("/")[2] or 32)

    @property
    def resolves_names(self) -> bool:
        """Whether containers find each other by name here: docker's default bridge leaves that out."""
        return self.driver == "bridge" and self.name != DEFAULT_NETWORK


class Endpoint(Record):
    """The place of one container on one network. *names*: all it is found by, the container's own name first.

    *gateway* is empty on internal networks.
    """

    network_id: str
    network: str
    container_id: str
    container: str
    ip: str
    prefix: int
    mac: str
    gateway: str = ""
    mtu: int = 1500
    names: tuple[str, ...] = ()
