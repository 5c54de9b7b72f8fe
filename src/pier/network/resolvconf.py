"""What a container finds in /etc/resolv.conf and /etc/hosts. Pure: text in, text out."""

from __future__ import annotations

import _socket

from pier.errors import Invalid
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

EMBEDDED = "127.0.0.11"
SYSTEMD_STUB = "127.0.0.53"
SYSTEMD_UPSTREAM = "/run/systemd/resolve/resolv.conf"
HOST_GATEWAY = "host-gateway"
_MAXNS = 3
_LOCAL_HOSTS = """127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


class ResolvConf(Record):
    """resolv.conf(5): the directives pier passes on."""

    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def parse(text: str) -> ResolvConf:
    """The directives in *text*; the last search line wins, and a domain line is a search line of one name."""
    nameservers: list[str] = []
    search: tuple[str, ...] = ()
    options: list[str] = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0][0] in "#;":
            continue
        if words[0] == "nameserver":
            nameservers.append(words[1])
        elif words[0] in ("search", "domain"):
            search = tuple(words[1:])
        elif words[0] == "options":
            options += words[1:]
    return ResolvConf(nameservers=tuple(nameservers), search=search, options=tuple(options))


def uses_systemd_stub(text: str) -> bool:
    """Whether the host asks systemd-resolved's stub, so that SYSTEMD_UPSTREAM holds the servers that count."""
    return parse(text).nameservers == (SYSTEMD_STUB,)


def upstreams(host: ResolvConf, asked: Sequence[str] = ()) -> tuple[str, ...]:
    """The name servers a container's questions end at: the asked ones, or the host's own, loopback included.

    Loopback servers are right here because the monitor asks them from the host's network namespace.
    """
    return tuple(asked) or host.nameservers


def container_resolv_conf(
    host: ResolvConf,
    *,
    embedded: bool,
    dns: Sequence[str] = (),
    search: Sequence[str] = (),
    options: Sequence[str] = (),
) -> str:
    """The container's resolv.conf: 127.0.0.11 where names of containers resolve, else servers it can reach itself.

    A search of "." means none, as in docker. Servers on the host's loopback cannot be reached from a container.
    """
    chosen_search = tuple(search) if search else host.search
    if tuple(chosen_search) == (".",):
        chosen_search = ()
    chosen_options = tuple(options) or host.options
    if embedded:
        servers: tuple[str, ...] = (EMBEDDED,)
        if not any(option.startswith("ndots:") for option in chosen_options):
            chosen_options = (*chosen_options, "ndots:0")
    else:
        servers = tuple(dns) or reachable(host.nameservers)
    lines = [f"nameserver {server}" for server in servers[:_MAXNS]]
    if chosen_search:
        lines.append("search " + " ".join(chosen_search))
    if chosen_options:
        lines.append("options " + " ".join(chosen_options))
    return "".join(line + "\n" for line in lines)


def reachable(nameservers: Iterable[str]) -> tuple[str, ...]:
    """Those servers a container can ask over a bridge without IPv6: no loopback, no IPv6."""
    return tuple(server for server in nameservers if ":" not in server and not server.startswith("127."))


def needs_embedded(host: ResolvConf, dns: Sequence[str] = ()) -> bool:
    """Whether a container on the default bridge has no server of its own reach, so that 127.0.0.11 must forward."""
    return not dns and bool(host.nameservers) and not reachable(host.nameservers)


def container_hosts(
    hostname: str, addresses: Iterable[str], *, domainname: str = "", extra: Sequence[str] = (), gateway: str = ""
) -> str:
    """The container's /etc/hosts: loopback names, each *extra* `name:ip` (or `name=ip`), then its own addresses.

    The address `host-gateway` stands for *gateway*. Invalid when an extra entry cannot be meant.
    """
    own = f"{hostname}.{domainname} {hostname}" if domainname else hostname
    lines = [_LOCAL_HOSTS]
    for entry in extra:
        name, ip = parse_extra_host(entry)
        if ip == HOST_GATEWAY:
            if not gateway:
                raise Invalid(f"unable to derive the IP value for host-gateway in {entry}", why="there is no gateway")
            ip = gateway
        lines.append(f"{ip}\t{name}\n")
    lines += [f"{address}\t{own}\n" for address in addresses]
    return "".join(lines)


def parse_extra_host(entry: str) -> tuple[str, str]:
    """(name, address) of one `--add-host name:ip` or `name=ip`; the address may be host-gateway or [IPv6]."""
    name, separator, ip = entry.partition("=" if "=" in entry else ":")
    ip = ip.removeprefix("[").removesuffix("]") if ip.startswith("[") else ip
    if not (name and separator and ip) or any(character.isspace() for character in name):
        raise Invalid(f"bad format for add-host: {entry!r}", hint="write --add-host NAME:ADDRESS")
    if ip != HOST_GATEWAY and not _is_address(ip):
        raise Invalid(f"invalid IP address in add-host: {ip!r}")
    return name, ip


def _is_address(text: str) -> bool:
    for family in (_socket.AF_INET, _socket.AF_INET6):
        try:
            _socket.inet_pton(family, text)
            return True
        except (OSError, ValueError):
            continue
    return False
