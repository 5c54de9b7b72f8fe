"""rtnetlink(7) over a bare `_socket`: links, addresses and routes. Several requests travel in one send(2).

Acts in the network namespace its socket was opened in and never changes namespace. Failures are OSError with the
kernel's errno.
"""

from __future__ import annotations

import _socket
import errno
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType
    from typing import Self

AF_NETLINK = 16
NETLINK_ROUTE = 0
NETLINK_NETFILTER = 12
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLM_F_EXCL, NLM_F_CREATE, NLM_F_APPEND = 0x200, 0x400, 0x800
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLA_F_NESTED = 0x8000
_NLA_TYPE_MASK = 0x3FFF
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_RECEIVE = 1 << 18

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK = 16, 17, 18, 19
RTM_NEWADDR, RTM_GETADDR, RTM_NEWROUTE, RTM_GETROUTE = 20, 22, 24, 26
IFF_UP = 0x1
_IFINFO = struct.Struct("=BxHiII")
_IFADDR = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=BBBBBBBBI")
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_AF_SPEC, _IFLA_NET_NS_FD = (
    1,
    3,
    4,
    10,
    18,
    26,
    28,
)
_IFLA_IFALIAS, _IFALIAS_MAX = 20, 255
_IFLA_INFO_KIND, _IFLA_INFO_DATA, _VETH_INFO_PEER = 1, 2, 1
_IFLA_INET6_ADDR_GEN_MODE, _IN6_ADDR_GEN_MODE_NONE = 8, 1
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST = 1, 2, 4
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_TABLE = 1, 4, 5, 15
_RT_TABLE_MAIN, _RTPROT_BOOT, _RT_SCOPE_UNIVERSE, _RTN_UNICAST = 254, 3, 0, 1


class Link:
    """An interface as the kernel reports it. *master* is the index of its bridge, 0 for none."""

    __slots__ = ("alias", "flags", "index", "mac", "master", "mtu", "name")

    def __init__(self, index: int, name: str, flags: int, master: int, mac: str, mtu: int, alias: str) -> None:
        self.index, self.name, self.alias, self.flags = index, name, alias, flags
        self.master, self.mac, self.mtu = master, mac, mtu

    @property
    def up(self) -> bool:
        return bool(self.flags & IFF_UP)


def attribute(kind: int, payload: bytes) -> bytes:
    """One netlink attribute, padded to four bytes (netlink(7))."""
    return _ATTRIBUTE.pack(4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    return attribute(kind | NLA_F_NESTED, b"".join(attributes))


def string(kind: int, text: str) -> bytes:
    return attribute(kind, text.encode() + b"\0")


def u32(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


def attributes(data: bytes) -> dict[int, bytes]:
    """The attributes in *data* by type, without their flag bits; a truncated tail is ignored."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < 4:
            break
        found[kind & _NLA_TYPE_MASK] = data[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


class Message:
    """A request before it has a sequence number: type, flags, body, and the errnos that count as success."""

    __slots__ = ("body", "flags", "kind", "tolerated")

    def __init__(self, kind: int, body: bytes, flags: int = 0) -> None:
        self.kind, self.body, self.flags = kind, body, flags
        self.tolerated: tuple[int, ...] = ()

    def tolerate(self, *codes: int) -> Message:
        """The same message, whose failure with one of *codes* does not matter."""
        self.tolerated = codes
        return self


class NetlinkSocket:
    """A netlink socket of one protocol. Use it with `with`."""

    def __init__(self, protocol: int) -> None:
        self._socket = _socket.socket(AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, protocol)
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    def transact(self, messages: Sequence[Message]) -> None:
        """Send all *messages* at once.

        The kernel goes on after a refused message (netlink_rcv_skb), so all answers are read before the first errno
        that its message does not tolerate is raised.
        """
        first = self._sequence + 1
        self._send(messages, NLM_F_REQUEST)
        results = [0] * len(messages)
        waiting = sum(1 for message in messages if message.flags & NLM_F_ACK)
        while waiting > 0:
            for kind, sequence, body in self._receive():
                place = sequence - first
                if kind != NLMSG_ERROR or not 0 <= place < len(messages):
                    continue
                results[place] = -struct.unpack_from("=i", body)[0]
                # A message that wanted no answer and got one opened a batch that the kernel refuses as a whole.
                waiting = waiting - 1 if messages[place].flags & NLM_F_ACK else 0
        for message, code in zip(messages, results, strict=True):
            if code and code not in message.tolerated:
                raise OSError(code, os.strerror(code))

    def dump(self, message: Message) -> Iterator[tuple[int, bytes]]:
        """(type, body) of each answer to a dump request."""
        self._send([message], NLM_F_REQUEST | NLM_F_DUMP)
        while True:
            for kind, sequence, body in self._receive():
                if sequence != self._sequence:
                    continue
                if kind == NLMSG_DONE:
                    return
                if kind == NLMSG_ERROR:
                    code = -struct.unpack_from("=i", body)[0]
                    if code:
                        raise OSError(code, os.strerror(code))
                    return
                yield kind, body

    def _send(self, messages: Sequence[Message], flags: int) -> None:
        parts = []
        for message in messages:
            self._sequence += 1
            body = message.body
            parts.append(_HEADER.pack(16 + len(body), message.kind, flags | message.flags, self._sequence, 0))
            parts.append(body + bytes(-len(body) % 4))
        self._socket.send(b"".join(parts))

    def _receive(self) -> Iterator[tuple[int, int, bytes]]:
        data = self._socket.recv(_RECEIVE)
        at = 0
        while at + 16 <= len(data):
            length, kind, _, sequence, _ = _HEADER.unpack_from(data, at)
            yield kind, sequence, data[at + 16 : at + length]
            at += (max(length, 16) + 3) & ~3


def mac_bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def _link(kind: int, name: str, *extra: bytes, index: int = 0, flags: int = 0, up: bool = False) -> Message:
    state = IFF_UP if up else 0
    head = _IFINFO.pack(0, 0, index, state, state)
    return Message(kind, head + (string(_IFLA_IFNAME, name) if name else b"") + b"".join(extra), flags | NLM_F_ACK)


def create_bridge(name: str, mac: str = "", *, mtu: int = 0) -> Message:
    """EEXIST when an interface has that name."""
    hardware = attribute(_IFLA_ADDRESS, mac_bytes(mac)) if mac else b""
    info = nested(_IFLA_LINKINFO, string(_IFLA_INFO_KIND, "bridge"))
    size = u32(_IFLA_MTU, mtu) if mtu else b""
    return _link(RTM_NEWLINK, name, hardware, size, info, flags=NLM_F_CREATE | NLM_F_EXCL)


def create_veth(
    host_name: str, peer_name: str, peer_netns_fd: int = -1, *, master: int = 0, mtu: int = 0, peer_mac: str = ""
) -> Message:
    """A veth pair whose peer is born in the namespace of *peer_netns_fd* under its final name. Both ends are down."""
    size = u32(_IFLA_MTU, mtu) if mtu else b""
    peer = [_IFINFO.pack(0, 0, 0, 0, 0), string(_IFLA_IFNAME, peer_name), size]
    if peer_netns_fd >= 0:
        peer.append(u32(_IFLA_NET_NS_FD, peer_netns_fd))
    if peer_mac:
        peer.append(attribute(_IFLA_ADDRESS, mac_bytes(peer_mac)))
    info = nested(
        _IFLA_LINKINFO,
        string(_IFLA_INFO_KIND, "veth"),
        nested(_IFLA_INFO_DATA, nested(_VETH_INFO_PEER, *peer)),
    )
    bridge = u32(_IFLA_MASTER, master) if master else b""
    return _link(RTM_NEWLINK, host_name, size, bridge, info, flags=NLM_F_CREATE | NLM_F_EXCL)


def set_up(name: str) -> Message:
    return _link(RTM_NEWLINK, name, up=True)


def set_master(name: str, master: int) -> Message:
    return _link(RTM_NEWLINK, name, u32(_IFLA_MASTER, master))


def set_mac(name: str, mac: str) -> Message:
    return _link(RTM_NEWLINK, name, attribute(_IFLA_ADDRESS, mac_bytes(mac)))


def set_alias(name: str, text: str) -> Message:
    """A remark that `ip link` shows beside the interface; what is longer than 255 bytes is left out."""
    raw = os.fsencode(text)
    return _link(RTM_NEWLINK, name, attribute(_IFLA_IFALIAS, raw if len(raw) <= _IFALIAS_MAX else b""))


def rename(index: int, name: str) -> Message:
    """EBUSY while the interface is up, on kernels before 6.2."""
    return _link(RTM_NEWLINK, name, index=index)


def without_link_local(name: str) -> Message:
    """The interface makes no fe80:: address (and so no router solicitation) when it comes up; none without IPv6."""
    mode = attribute(_IFLA_INET6_ADDR_GEN_MODE, bytes([_IN6_ADDR_GEN_MODE_NONE]))
    request = _link(RTM_NEWLINK, name, nested(_IFLA_AF_SPEC, nested(_socket.AF_INET6, mode)))
    return request.tolerate(errno.EAFNOSUPPORT, errno.EINVAL)


def delete_link(name: str) -> Message:
    """ENODEV when there is none. Deleting one end of a veth pair deletes both."""
    return _link(RTM_DELLINK, name)


def add_address(index: int, ip: str, prefix: int) -> Message:
    """EEXIST when the interface has it already."""
    raw = _socket.inet_aton(ip)
    host_bits = (1 << (32 - prefix)) - 1
    broadcast = (int.from_bytes(raw, "big") | host_bits).to_bytes(4, "big")
    body = _IFADDR.pack(_socket.AF_INET, prefix, 0, 0, index)
    body += attribute(_IFA_LOCAL, raw) + attribute(_IFA_ADDRESS, raw) + attribute(_IFA_BROADCAST, broadcast)
    return Message(RTM_NEWADDR, body, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK)


def add_default_route(gateway: str, index: int) -> Message:
    body = _ROUTE.pack(_socket.AF_INET, 0, 0, 0, _RT_TABLE_MAIN, _RTPROT_BOOT, _RT_SCOPE_UNIVERSE, _RTN_UNICAST, 0)
    body += attribute(_RTA_GATEWAY, _socket.inet_aton(gateway)) + u32(_RTA_OIF, index)
    return Message(RTM_NEWROUTE, body, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK)


def link_index(name: str) -> int:
    """The index of interface *name*, 0 when there is none."""
    try:
        return _socket.if_nametoindex(name)
    except OSError as exc:
        # if_nametoindex(3) of glibc sets no errno that CPython would report.
        if exc.errno in (None, errno.ENODEV, errno.ENXIO):
            return 0
        raise


class Netlink(NetlinkSocket):
    """The rtnetlink socket of the current network namespace."""

    def __init__(self) -> None:
        super().__init__(NETLINK_ROUTE)

    def link(self, name: str) -> Link | None:
        """Interface *name*, None when there is none."""
        request = _link(RTM_GETLINK, name)
        self._send([Message(request.kind, request.body)], NLM_F_REQUEST)
        for kind, _, body in self._receive():
            if kind == RTM_NEWLINK:
                return _parse_link(body)
            code = -struct.unpack_from("=i", body)[0]
            if code not in (0, errno.ENODEV):
                raise OSError(code, os.strerror(code), name)
        return None

    def link_exists(self, name: str) -> bool:
        return self.link(name) is not None

    def links(self) -> list[Link]:
        return [_parse_link(body) for _, body in self.dump(Message(RTM_GETLINK, _IFINFO.pack(0, 0, 0, 0, 0)))]

    def addresses(self) -> list[tuple[int, str, int]]:
        """(interface index, address, prefix length) of each IPv4 address."""
        found = []
        for _, body in self.dump(Message(RTM_GETADDR, _IFADDR.pack(_socket.AF_INET, 0, 0, 0, 0))):
            _, prefix, _, _, index = _IFADDR.unpack_from(body)
            fields = attributes(body[_IFADDR.size :])
            raw = fields.get(_IFA_LOCAL) or fields.get(_IFA_ADDRESS)
            if raw:
                found.append((index, _socket.inet_ntoa(raw), prefix))
        return found

    def routes(self) -> list[tuple[str, int, int]]:
        """(destination, prefix length, interface index) of each IPv4 route of every table; a default route has /0."""
        found = []
        request = Message(RTM_GETROUTE, _ROUTE.pack(_socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0))
        for _, body in self.dump(request):
            prefix = body[1]
            fields = attributes(body[_ROUTE.size :])
            (oif,) = struct.unpack("=I", fields.get(_RTA_OIF, bytes(4)))
            found.append((_socket.inet_ntoa(fields.get(_RTA_DST, bytes(4))), prefix, oif))
        return found


def _parse_link(body: bytes) -> Link:
    _, _, index, flags, _ = _IFINFO.unpack_from(body)
    fields = attributes(body[_IFINFO.size :])
    name = fields.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode(errors="replace")
    (master,) = struct.unpack("=I", fields.get(_IFLA_MASTER, bytes(4)))
    (mtu,) = struct.unpack("=I", fields.get(_IFLA_MTU, bytes(4)))
    alias = os.fsdecode(fields.get(_IFLA_IFALIAS, b"").rstrip(b"\0"))
    return Link(index, name, flags, master, fields.get(_IFLA_ADDRESS, b"").hex(":"), mtu, alias)
