"""IPv4 subnet arithmetic and docker's default address pools. Pure."""

from __future__ import annotations

import _socket

from pier.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Span = tuple[int, int]


def to_int(ip: str) -> int:
    """Invalid when *ip* is no dotted IPv4 address."""
    try:
        return int.from_bytes(_socket.inet_pton(_socket.AF_INET, ip), "big")
    except (OSError, ValueError) as exc:
        raise Invalid(f"invalid IPv4 address: {ip}") from exc


def to_text(value: int) -> str:
    return _socket.inet_ntoa(value.to_bytes(4, "big"))


def parse(subnet: str) -> Span:
    """(first address, prefix length) of CIDR text. Invalid in docker's words."""
    base, slash, length = subnet.partition("/")
    if not (slash and length.isascii() and length.isdigit() and int(length) <= 32):
        raise Invalid(f"invalid subnet {subnet}: it must be written ADDRESS/LENGTH", hint="for example 10.10.0.0/24")
    prefix = int(length)
    first = to_int(base)
    if first % (1 << (32 - prefix)):
        raise Invalid(
            f"invalid network config: invalid subnet {subnet}: it should be {to_text(_floor(first, prefix))}/{prefix}",
            why="the address has bits set beyond the prefix",
        )
    if prefix > 30:
        raise Invalid(f"invalid subnet {subnet}: no room for a gateway and a container")
    return first, prefix


def _floor(address: int, prefix: int) -> int:
    return address >> (32 - prefix) << (32 - prefix)


def host_part(ip: str, prefix: int) -> int:
    """The number of *ip* within its subnet."""
    address = to_int(ip)
    return address - _floor(address, prefix)


def overlap(one: Span, other: Span) -> bool:
    prefix = min(one[1], other[1])
    return _floor(one[0], prefix) == _floor(other[0], prefix)


def contains(span: Span, address: int) -> bool:
    return overlap(span, (address, 32))


def hosts(span: Span) -> Iterator[int]:
    """The assignable addresses, lowest first."""
    return iter(range(span[0] + 1, span[0] + (1 << (32 - span[1])) - 1))


def default_pools() -> Iterator[Span]:
    """Docker's default address pools in docker's order: 172.17-31.0.0/16, then 192.168.0.0/16 in /20 pieces."""
    for second in range(17, 32):
        yield (172 << 24) | (second << 16), 16
    for piece in range(16):
        yield (192 << 24) | (168 << 16) | (piece << 12), 20


def choose(taken: Iterable[Span]) -> Span | None:
    """The first default pool that overlaps nothing in *taken*; None when each does."""
    busy = tuple(taken)
    for pool in default_pools():
        if not any(overlap(pool, other) for other in busy):
            return pool
    return None


def mac_of(ip: str) -> str:
    """The hardware address docker derives from an IPv4 address."""
    return "02:42:" + _socket.inet_aton(ip).hex(":")
