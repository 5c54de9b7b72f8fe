"""Published and exposed ports: docker's `-p` and `--expose` grammars, and the PORTS column of `docker ps`.

Opens no socket: which host port a 0 became is known to `pier.network.publish` only.
"""

from __future__ import annotations

import _socket

from pier.errors import Invalid
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

PROTOCOLS = ("tcp", "udp", "sctp")
_ANY = ("0.0.0.0", "::")


class PortBinding(Record):
    """One container port reachable through the host.

    An empty *host_ip* means every address of both families; *host_port* 0 lets the kernel pick;
    a *host_port_end* above *host_port* lets pier pick the first free port of that range.
    """

    container_port: int
    protocol: str = "tcp"
    host_ip: str = ""
    host_port: int = 0
    host_port_end: int = 0


def parse_publish(text: str) -> tuple[PortBinding, ...]:
    """The bindings of one `-p [ip:][host[-end]:]container[-end][/protocol]`, in order of container port.

    Invalid names the part that cannot be meant, in docker's words.
    """
    address, host, container = _split(text)
    container, _, protocol = container.partition("/")
    protocol = _protocol(protocol)
    if not container:
        raise Invalid(f"no port specified: {text}<empty>", hint="write -p HOST_PORT:CONTAINER_PORT, such as -p 8000:80")
    if address:
        _check_address(address)
    first, last = _range(container, "containerPort")
    if not host:
        return tuple(
            PortBinding(container_port=port, protocol=protocol, host_ip=address) for port in range(first, last + 1)
        )
    host_first, host_last = _range(host, "hostPort", lowest=0)
    if host_last - host_first == last - first:
        return tuple(
            PortBinding(
                container_port=first + step,
                protocol=protocol,
                host_ip=address,
                host_port=host_first + step if host_first else 0,
            )
            for step in range(last - first + 1)
        )
    if first != last:
        raise Invalid(
            f"invalid ranges specified for container and host Ports: {container} and {host}",
            why="the two ranges differ in length",
        )
    return (
        PortBinding(
            container_port=first, protocol=protocol, host_ip=address, host_port=host_first, host_port_end=host_last
        ),
    )


def parse_expose(text: str) -> tuple[str, ...]:
    """The `port/protocol` names of one `--expose port[-end][/protocol]` or Dockerfile EXPOSE word."""
    ports, _, protocol = text.partition("/")
    protocol = _protocol(protocol)
    first, last = _range(ports, "containerPort")
    return tuple(f"{port}/{protocol}" for port in range(first, last + 1))


def format_address(host_ip: str, port: int | str) -> str:
    """`ip:port`, with IPv6 addresses in brackets."""
    return f"[{host_ip}]:{port}" if ":" in host_ip else f"{host_ip}:{port}"


def format_ports(bindings: Iterable[PortBinding], exposed: Iterable[str] = ()) -> str:
    """The PORTS column of `docker ps`: neighbouring ports with equal host ports collapse into ranges.

    Exposed ports that are published are not named twice.
    """
    rows = _rows(bindings, exposed)
    groups: dict[tuple[str, str], tuple[int, int]] = {}
    done: list[str] = []
    moved: list[str] = []
    for container_port, host_ip, host_port, protocol in rows:
        if host_ip and host_port != container_port:
            moved.append(f"{format_address(host_ip, host_port)}->{container_port}/{protocol}")
            continue
        key = (host_ip, protocol)
        first, last = groups.get(key, (container_port, container_port - 1))
        if container_port > last + 1:
            done.append(_group(key, first, last))
            first = container_port
        groups[key] = (first, max(last, container_port))
    done += [_group(key, *span) for key, span in groups.items()]
    return ", ".join(done + moved)


def _rows(bindings: Iterable[PortBinding], exposed: Iterable[str]) -> list[tuple[int, str, int, str]]:
    rows = {
        (binding.container_port, host_ip, binding.host_port, binding.protocol)
        for binding in bindings
        for host_ip in ((binding.host_ip,) if binding.host_ip else _ANY)
    }
    published = {f"{container_port}/{protocol}" for container_port, _, _, protocol in rows}
    for name in exposed:
        if name not in published:
            port, _, protocol = name.partition("/")
            rows.add((int(port), "", 0, protocol or "tcp"))
    return sorted(rows)


def _group(key: tuple[str, str], first: int, last: int) -> str:
    host_ip, protocol = key
    span = f"{first}" if first == last else f"{first}-{last}"
    return f"{format_address(host_ip, span)}->{span}/{protocol}" if host_ip else f"{span}/{protocol}"


def _split(text: str) -> tuple[str, str, str]:
    """(address, host ports, container ports and protocol): the colons inside brackets are the address's own."""
    if text.startswith("["):
        address, bracket, rest = text[1:].partition("]")
        if not bracket or not rest.startswith(":"):
            raise Invalid(f"invalid port specification: {text}", why="an IPv6 address is written [address]:port")
        if not address:
            raise Invalid(f"invalid IP address: {text}", why="the brackets are empty")
        rest = rest[1:]
    else:
        head = text.rsplit(":", 2)
        if len(head) < 3:
            return "", head[0] if len(head) == 2 else "", head[-1]
        address, rest = head[0], f"{head[1]}:{head[2]}"
    host, _, container = rest.rpartition(":")
    return address, host, container


def _check_address(address: str) -> None:
    for family in (_socket.AF_INET, _socket.AF_INET6):
        try:
            _socket.inet_pton(family, address)
            return
        except (OSError, ValueError, UnicodeEncodeError):
            continue
    raise Invalid(f"invalid IP address: {address}", hint="only numeric addresses of this host can be published on")


def _protocol(text: str) -> str:
    protocol = text.lower() or "tcp"
    if protocol not in PROTOCOLS:
        raise Invalid(f"invalid proto: {text}", hint="tcp and udp are known")
    return protocol


def _range(text: str, kind: str, *, lowest: int = 1) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    start = _port(first, text, kind, lowest)
    end = _port(last, text, kind, lowest) if dash else start
    if end < start:
        raise Invalid(f"invalid {kind}: {text}", why="the range ends before it starts")
    return start, end


def _port(digits: str, text: str, kind: str, lowest: int) -> int:
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and lowest <= int(digits) <= 65535):
        raise Invalid(f"invalid {kind}: {text}", why=f"a port is a number from {lowest} to 65535")
    return int(digits)
