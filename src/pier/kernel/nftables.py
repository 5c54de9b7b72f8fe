"""nf_tables over raw nfnetlink: no `nft` program is needed. Builds messages and commits them in one atomic batch.

Message and attribute numbers are those of linux/netfilter/nf_tables.h. Decides nothing about which rules there are to
be. Failures are OSError: EPROTONOSUPPORT or EOPNOTSUPP where the kernel lacks nf_tables, ENOENT where an expression.
"""

from __future__ import annotations

import _socket
import struct

from pier.kernel.netlink import (
    NETLINK_NETFILTER,
    NLM_F_ACK,
    NLM_F_APPEND,
    NLM_F_CREATE,
    Message,
    NetlinkSocket,
    attribute,
    attributes,
    nested,
    string,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

IPV4 = 2
HOOK_FORWARD, HOOK_OUTPUT, HOOK_POSTROUTING = 2, 3, 4
PRIORITY_FILTER, PRIORITY_SOURCE_NAT, PRIORITY_DESTINATION_NAT = 0, 100, -100

_SUBSYSTEM = 10 << 8
_BATCH_BEGIN, _BATCH_END = 16, 17
_NEWTABLE, _DELTABLE, _NEWCHAIN, _GETCHAIN = _SUBSYSTEM | 0, _SUBSYSTEM | 2, _SUBSYSTEM | 3, _SUBSYSTEM | 4
_NEWRULE, _GETRULE, _DELRULE = _SUBSYSTEM | 6, _SUBSYSTEM | 7, _SUBSYSTEM | 8
_NF_DROP, _NF_ACCEPT, _NFT_JUMP, _NFT_RETURN = 0, 1, -3, -5
_REG_VERDICT, _REG_1 = 0, 1
_CMP_EQ, _CMP_NEQ = 0, 1
_META_IIFNAME, _META_OIFNAME = 6, 7
_CT_KEY_STATE, _CT_ESTABLISHED_OR_RELATED = 0, 2 | 4
_META_L4PROTO = 16
_PAYLOAD_NETWORK_HEADER, _IPV4_SOURCE_OFFSET, _IPV4_DESTINATION_OFFSET = 1, 12, 16
_PAYLOAD_TRANSPORT_HEADER, _DESTINATION_PORT_OFFSET = 2, 2
_NAT_DESTINATION = 1
_IFNAMSIZ = 16
_COMMENT = 0


def _nfgen(family: int, resource: int = 0) -> bytes:
    return struct.pack("=BB", family, 0) + struct.pack(">H", resource)


def _be32(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack(">I", value & 0xFFFFFFFF))


def add_table(name: str, family: int = IPV4) -> Message:
    return Message(_NEWTABLE, _nfgen(family) + string(1, name), NLM_F_CREATE | NLM_F_ACK)


def delete_table(name: str, family: int = IPV4) -> Message:
    return Message(_DELTABLE, _nfgen(family) + string(1, name), NLM_F_ACK)


def add_base_chain(
    table: str, name: str, kind: str, hook: int, priority: int, *, drops: bool = False, family: int = IPV4
) -> Message:
    """A chain hung into *hook*; *kind* is "filter" or "nat". Adding it again changes nothing but its policy."""
    place = nested(4, _be32(1, hook), _be32(2, priority)) + _be32(5, _NF_DROP if drops else _NF_ACCEPT)
    body = _nfgen(family) + string(1, table) + string(3, name) + place + string(7, kind)
    return Message(_NEWCHAIN, body, NLM_F_CREATE | NLM_F_ACK)


def add_chain(table: str, name: str, family: int = IPV4) -> Message:
    """A chain that rules jump to."""
    return Message(_NEWCHAIN, _nfgen(family) + string(1, table) + string(3, name), NLM_F_CREATE | NLM_F_ACK)


def add_rule(
    table: str, chain: str, expressions: Sequence[bytes], comment: str, *, first: bool = False, family: int = IPV4
) -> Message:
    """A rule at the end of *chain* (at its head with *first*), with *comment* as `nft` shows it."""
    text = comment.encode() + b"\0"
    body = _nfgen(family) + string(1, table) + string(2, chain) + nested(4, *expressions)
    body += attribute(7, bytes([_COMMENT, len(text)]) + text)
    return Message(_NEWRULE, body, NLM_F_CREATE | NLM_F_ACK | (0 if first else NLM_F_APPEND))


def delete_rule(table: str, chain: str, handle: int, family: int = IPV4) -> Message:
    body = _nfgen(family) + string(1, table) + string(2, chain) + attribute(3, struct.pack(">Q", handle))
    return Message(_DELRULE, body, NLM_F_ACK)


def _expression(name: str, *fields: bytes) -> bytes:
    return nested(1, string(1, name), nested(2, *fields))


def _compare(operator: int, data: bytes) -> bytes:
    return _expression("cmp", _be32(1, _REG_1), _be32(2, operator), nested(3, attribute(1, data)))


def _interface(key: int, name: str, negate: bool) -> bytes:
    # A shorter comparison is how nf_tables spells a trailing "*".
    raw = name[:-1].encode() if name.endswith("*") else name.encode().ljust(_IFNAMSIZ, b"\0")
    return _expression("meta", _be32(1, _REG_1), _be32(2, key)) + _compare(_CMP_NEQ if negate else _CMP_EQ, raw)


def from_interface(name: str, *, negate: bool = False) -> bytes:
    """iifname; a trailing * matches the beginning."""
    return _interface(_META_IIFNAME, name, negate)


def to_interface(name: str, *, negate: bool = False) -> bytes:
    """oifname; a trailing * matches the beginning."""
    return _interface(_META_OIFNAME, name, negate)


def from_subnet(ip: str, prefix: int) -> bytes:
    """ip saddr."""
    mask = ((0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF).to_bytes(4, "big")
    load = _payload(_PAYLOAD_NETWORK_HEADER, _IPV4_SOURCE_OFFSET, 4)
    return load + _mask(mask) + _compare(_CMP_EQ, _socket.inet_aton(ip))


def to_port(ip: str, protocol: int, port: int) -> bytes:
    """ip daddr, meta l4proto and th dport."""
    return b"".join(
        (
            _payload(_PAYLOAD_NETWORK_HEADER, _IPV4_DESTINATION_OFFSET, 4),
            _compare(_CMP_EQ, _socket.inet_aton(ip)),
            _expression("meta", _be32(1, _REG_1), _be32(2, _META_L4PROTO)),
            _compare(_CMP_EQ, bytes([protocol])),
            _payload(_PAYLOAD_TRANSPORT_HEADER, _DESTINATION_PORT_OFFSET, 2),
            _compare(_CMP_EQ, port.to_bytes(2, "big")),
        )
    )


def _payload(base: int, offset: int, length: int) -> bytes:
    return _expression("payload", _be32(1, _REG_1), _be32(2, base), _be32(3, offset), _be32(4, length))


def unsolicited() -> bytes:
    """Neither established nor related (ct state). The state is in the host's byte order."""
    load = _expression("ct", _be32(1, _REG_1), _be32(2, _CT_KEY_STATE))
    return load + _mask(struct.pack("=I", _CT_ESTABLISHED_OR_RELATED)) + _compare(_CMP_EQ, bytes(4))


def _mask(mask: bytes) -> bytes:
    fields = (_be32(1, _REG_1), _be32(2, _REG_1), _be32(3, len(mask)))
    return _expression("bitwise", *fields, nested(4, attribute(1, mask)), nested(5, attribute(1, bytes(len(mask)))))


def _verdict(code: int, chain: str = "") -> bytes:
    to = string(2, chain) if chain else b""
    return _expression("immediate", _be32(1, _REG_VERDICT), nested(2, nested(2, _be32(1, code), to)))


def drop() -> bytes:
    return _verdict(_NF_DROP)


def accept() -> bytes:
    return _verdict(_NF_ACCEPT)


def jump(chain: str) -> bytes:
    return _verdict(_NFT_JUMP, chain)


def go_back() -> bytes:
    """The verdict `return`."""
    return _verdict(_NFT_RETURN)


def masquerade() -> bytes:
    return _expression("masq")


def change_port(port: int) -> bytes:
    """dnat to :port."""
    load = _expression("immediate", _be32(1, _REG_1), nested(2, attribute(1, port.to_bytes(2, "big"))))
    return load + _expression("nat", _be32(1, _NAT_DESTINATION), _be32(2, IPV4), _be32(5, _REG_1))


class Nftables(NetlinkSocket):
    """The nf_tables of the current network namespace."""

    def __init__(self) -> None:
        super().__init__(NETLINK_NETFILTER)

    def commit(self, messages: Sequence[Message]) -> None:
        """All of *messages* take effect at once, or none does."""
        begin = Message(_BATCH_BEGIN, _nfgen(0, 10))
        end = Message(_BATCH_END, _nfgen(0, 10))
        self.transact([begin, *messages, end])

    def rules(self, table: str, chain: str, family: int = IPV4) -> list[tuple[int, str]]:
        """(handle, comment) of each rule; none where the table or the chain is missing."""
        found = []
        request = Message(_GETRULE, _nfgen(family) + string(1, table) + string(2, chain))
        for _, body in self.dump(request):
            fields = attributes(body[4:])
            if fields.get(1) == table.encode() + b"\0" and fields.get(2) == chain.encode() + b"\0":
                found.append((struct.unpack(">Q", fields[3])[0], _comment(fields.get(7, b""))))
        return found

    def chains(self, table: str, family: int = IPV4) -> dict[str, bool]:
        """The chains of *table*, and whether each drops what no rule decided (its policy)."""
        found = {}
        for _, body in self.dump(Message(_GETCHAIN, _nfgen(family))):
            fields = attributes(body[4:])
            if fields.get(1) == table.encode() + b"\0":
                policy = struct.unpack(">I", fields[5])[0] if 5 in fields else _NF_ACCEPT
                found[fields[3].rstrip(b"\0").decode()] = policy == _NF_DROP
        return found


def _comment(userdata: bytes) -> str:
    at = 0
    while at + 2 <= len(userdata):
        kind, length = userdata[at], userdata[at + 1]
        if kind == _COMMENT:
            return userdata[at + 2 : at + 2 + length].rstrip(b"\0").decode(errors="replace")
        at += 2 + length
    return ""
