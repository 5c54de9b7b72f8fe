"""`pier network create`, `ls`, `rm`, `connect` and `disconnect`."""

from __future__ import annotations

import sys

from pier.cli.options import Command, filters, flag, list_format, refused, value, values
from pier.errors import Invalid, NotFound
from pier.ui import times
from pier.ui.listing import Fields, listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pier.cli.options import Arguments
    from pier.cli.session import Session
    from pier.engine.context import Engine
    from pier.model.network import Network

HEADERS = {
    "ID": "NETWORK ID",
    "Name": "NAME",
    "Driver": "DRIVER",
    "Scope": "SCOPE",
    "IPv4": "IPV4",
    "IPv6": "IPV6",
    "Internal": "INTERNAL",
    "Labels": "LABELS",
    "CreatedAt": "CREATED AT",
}


def create(session: Session, arguments: Arguments) -> int:
    """Make a network and print its id."""
    from pier.engine import networks

    subnets, gateways = arguments.texts("subnet"), arguments.texts("gateway")
    if len(subnets) > 1 or len(gateways) > 1:
        raise Invalid("a network of pier has one subnet", why=f"{', '.join((*subnets, *gateways))} were asked for")
    if gateways and not subnets:
        raise Invalid(f"no subnet for gateway {gateways[0]}", hint="name it with --subnet")
    made = networks.create(
        session.engine,
        arguments.positionals[0],
        driver=arguments.text("driver"),
        subnet=subnets[0] if subnets else "",
        gateway=gateways[0] if gateways else "",
        internal=arguments.flag("internal"),
        attachable=arguments.flag("attachable"),
        labels=arguments.pairs("label"),
        options=arguments.pairs("opt"),
    )
    sys.stdout.write(made.id + "\n")
    return 0


def remove(session: Session, arguments: Arguments) -> int:
    """Remove each network that no container is on."""
    from pier.engine import networks

    engine, force = session.engine, arguments.flag("force")

    def act(name: str) -> str | None:
        try:
            networks.remove(engine, name)
        except NotFound:
            if not force:
                raise
            return None
        return name

    return session.each(arguments.positionals, act)


def network_list(session: Session, arguments: Arguments) -> int:
    """Print the networks asked for, by name."""
    from pier.engine import networks

    engine = session.engine
    keep = _condition(engine, filters(arguments.texts("filter")))
    found = [item for item in networks.list(engine) if keep(item)]
    whole, chosen = arguments.flag("no-trunc"), arguments.text("format")
    if arguments.flag("quiet") and not chosen:
        sys.stdout.write("".join((item.id if whole else item.id[:12]) + "\n" for item in found))
        return 0
    rows = [Fields(_getters(no_trunc=whole), item) for item in found]
    columns = ("ID", "Name", "Driver", "Scope")
    sys.stdout.write(listing(rows, chosen, headers=HEADERS, columns=columns, type_name="*formatter.networkContext"))
    return 0


def _getters(*, no_trunc: bool) -> dict[str, Callable[[Network], Any]]:
    return {
        "CreatedAt": lambda item: times.local(times.epoch(item.created)),
        "Driver": lambda item: item.driver,
        "ID": lambda item: item.id if no_trunc else item.id[:12],
        "IPv4": lambda item: "true",
        "IPv6": lambda item: "true" if item.enable_ipv6 else "false",
        "Internal": lambda item: "true" if item.internal else "false",
        "Label": lambda item: lambda label: item.labels.get(label, ""),
        "Labels": lambda item: ",".join(f"{key}={text}" for key, text in sorted(item.labels.items())),
        "Name": lambda item: item.name,
        "Scope": lambda item: "local",
    }


def _condition(engine: Engine, wanted: dict[str, tuple[str, ...]]) -> Callable[[Network], bool]:
    checks = [_check(engine, key, texts) for key, texts in wanted.items()]
    return lambda item: all(check(item) for check in checks)


def _check(engine: Engine, key: str, texts: tuple[str, ...]) -> Callable[[Network], bool]:
    from pier.engine.filters import has_labels, matches_text
    from pier.model.network import PREDEFINED

    if key == "name":
        return lambda item: any(matches_text(text, item.name) for text in texts)
    if key == "id":
        return lambda item: any(item.id.startswith(text) for text in texts)
    if key == "label":
        return lambda item: has_labels(texts, item.labels)
    if key == "driver":
        return lambda item: item.driver in texts
    if key == "scope":
        return lambda item: "local" in texts
    if key == "type":
        return lambda item: ("builtin" if item.name in PREDEFINED else "custom") in texts
    if key == "dangling":
        return _dangling(engine, idle=texts[-1].lower() in ("1", "t", "true"))
    raise Invalid(f"invalid filter '{key}'", hint="dangling, driver, id, label, name, scope or type")


def _dangling(engine: Engine, *, idle: bool) -> Callable[[Network], bool]:
    from pier.engine.listing import containers
    from pier.model.network import PREDEFINED

    used = {joined.network for found in containers(engine, all=True) for joined in found.spec.networks}
    return lambda item: (item.name not in used and item.name not in PREDEFINED) == idle


def connect(session: Session, arguments: Arguments) -> int:
    """Let a container join a network."""
    from pier.engine import networks

    network, container = arguments.positionals
    networks.connect(
        session.engine, network, container, aliases=arguments.texts("alias"), ip=arguments.text("ip")
    )
    return 0


def disconnect(session: Session, arguments: Arguments) -> int:
    """Take a container off a network."""
    from pier.engine import networks

    network, container = arguments.positionals
    networks.disconnect(session.engine, network, container, force=arguments.flag("force"))
    return 0


_SWARM = "pier has no swarm"
_IPV4 = "pier's networks are IPv4 networks"

CREATE = Command(
    run=create,
    usage="[OPTIONS] NETWORK",
    arguments=(1, 1),
    options=(
        flag("attachable", help="Enable manual container attachment"),
        value("driver", "d", "Driver to manage the Network", default="bridge"),
        values("gateway", help="IPv4 Gateway for the subnet", kind="strings"),
        flag("internal", help="Restrict external access to the network"),
        values("label", help="Set metadata on a network"),
        values("opt", "o", "Set driver specific options", kind="map"),
        values("subnet", help="Subnet in CIDR format that represents a network segment", kind="strings"),
        refused("aux-address", "pier hands out addresses by itself"),
        refused("config-from", _SWARM),
        refused("config-only", _SWARM, kind="bool"),
        refused("ingress", _SWARM, kind="bool"),
        refused("ip-range", "pier hands out the whole subnet"),
        refused("ipam-driver", "pier hands out addresses by itself"),
        refused("ipam-opt", "pier hands out addresses by itself"),
        refused("ipv6", _IPV4, kind="bool"),
        refused("scope", _SWARM),
    ),
)
REMOVE = Command(
    run=remove,
    usage="NETWORK [NETWORK...]",
    arguments=(1, None),
    options=(flag("force", "f", "Do not error if the network does not exist"),),
)
LIST = Command(
    run=network_list,
    usage="[OPTIONS]",
    options=(
        values("filter", "f", 'Provide filter values (e.g. "driver=bridge")', kind="filter"),
        list_format(),
        flag("no-trunc", help="Do not truncate the output"),
        flag("quiet", "q", "Only display network IDs"),
    ),
)
CONNECT = Command(
    run=connect,
    usage="[OPTIONS] NETWORK CONTAINER",
    arguments=(2, 2),
    options=(
        values("alias", help="Add network-scoped alias for the container", kind="strings"),
        value("ip", help='IPv4 address (e.g., "172.30.100.104")'),
        refused("driver-opt", "pier's bridges have no options for one container"),
        refused("gw-priority", "the first network a container joins is its way out"),
        refused("ip6", _IPV4),
        refused("link", "pier has no container links; use --alias"),
        refused("link-local-ip", "pier gives no link-local addresses"),
    ),
)
DISCONNECT = Command(
    run=disconnect,
    usage="[OPTIONS] NETWORK CONTAINER",
    arguments=(2, 2),
    options=(flag("force", "f", "Force the container to disconnect from a network"),),
)
