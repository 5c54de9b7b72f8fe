"""`pier port`: where a container's ports are published. Changes nothing."""

from __future__ import annotations

import sys

from pier.cli.options import Command
from pier.errors import NotFound
from pier.model.ports import format_address, parse_expose

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.cli.options import Arguments
    from pier.cli.session import Session
    from pier.model.ports import PortBinding


def port(session: Session, arguments: Arguments) -> int:
    """All mappings, or the addresses of the one port named."""
    from pier.engine import listing

    found = listing.find(session.engine, arguments.positionals[0])
    published = sorted(found.state.ports, key=lambda binding: (binding.container_port, binding.protocol))
    if len(arguments.positionals) == 1:
        lines = [
            f"{binding.container_port}/{binding.protocol} -> {address}\n"
            for binding in published
            for address in addresses(binding)
        ]
    else:
        (wanted, *_) = parse_expose(arguments.positionals[1])
        lines = [
            f"{address}\n"
            for binding in published
            if f"{binding.container_port}/{binding.protocol}" == wanted
            for address in addresses(binding)
        ]
        if not lines:
            raise NotFound(f"No public port '{wanted}' published for {arguments.positionals[0]}")
    sys.stdout.write("".join(lines))
    return 0


def addresses(binding: PortBinding) -> list[str]:
    """`0.0.0.0:8000` and, where no address was asked for, `[::]:8000`."""
    hosts = (binding.host_ip,) if binding.host_ip else ("0.0.0.0", "::")
    return [format_address(host, binding.host_port) for host in hosts]


PORT = Command(run=port, usage="CONTAINER [PRIVATE_PORT[/PROTO]]", arguments=(1, 2))
