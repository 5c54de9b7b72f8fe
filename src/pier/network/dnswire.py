"""The part of the DNS wire format (RFC 1035 section 4) a forwarding resolver needs: one question, A and PTR answers.

Trusts no byte: whatever does not parse is a ValueError. Forwarded messages are passed on as they are, so nothing else
of them is read.
"""

from __future__ import annotations

import _socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

TYPE_A, TYPE_PTR, TYPE_AAAA, TYPE_ANY = 1, 12, 28, 255
CLASS_IN = 1
NOERROR, FORMERR, SERVFAIL, NOTIMP, REFUSED = 0, 1, 2, 4, 5
QUERY_OPCODE = 0
_HEADER = struct.Struct(">HHHHHH")
_RESPONSE, _OPCODE, _RECURSION_DESIRED, _RECURSION_AVAILABLE = 0x8000, 0x7800, 0x0100, 0x0080
_MAX_NAME, _MAX_LABEL = 255, 63
_POINTER_TO_QUESTION = b"\xc0\x0c"


class Query:
    """A question as asked. *name* is in lower case without a final dot; "" where it holds bytes no host name has."""

    __slots__ = ("id", "kind", "klass", "name", "opcode", "question", "recursion")

    def __init__(self, identity: int, flags: int, name: str, kind: int, klass: int, question: bytes) -> None:
        self.id, self.name, self.kind, self.klass, self.question = identity, name, kind, klass, question
        self.opcode = (flags & _OPCODE) >> 11
        self.recursion = bool(flags & _RECURSION_DESIRED)


def parse_query(data: bytes) -> Query:
    """The one question of *data*. ValueError when it is no query, holds another number of questions or is cut off."""
    if len(data) < _HEADER.size:
        raise ValueError("shorter than a header")
    identity, flags, questions, *_ = _HEADER.unpack_from(data)
    if flags & _RESPONSE:
        raise ValueError("a response, not a query")
    if questions != 1:
        raise ValueError(f"{questions} questions")
    labels, end = _labels(data, _HEADER.size)
    if end + 4 > len(data):
        raise ValueError("cut off within the question")
    kind, klass = struct.unpack_from(">HH", data, end)
    return Query(identity, flags, _text(labels), kind, klass, data[_HEADER.size : end + 4])


def _labels(data: bytes, at: int) -> tuple[list[bytes], int]:
    """The labels of the name at *at*, and the offset behind it. A question has nothing before it to point at."""
    labels: list[bytes] = []
    start = at
    while True:
        if at >= len(data):
            raise ValueError("cut off within a name")
        length = data[at]
        if length > _MAX_LABEL:
            raise ValueError("a compressed or unknown label in a question")
        at += 1
        if not length:
            return labels, at
        labels.append(data[at : at + length])
        at += length
        if at - start >= _MAX_NAME or at > len(data):
            raise ValueError("a name longer than 255 bytes, or cut off")


def _text(labels: Sequence[bytes]) -> str:
    joined = b".".join(labels)
    if joined.count(b".") != max(len(labels) - 1, 0) or not joined.isascii():
        return ""
    return joined.decode("ascii").lower()


def reply(query: Query, records: Sequence[bytes] = (), rcode: int = NOERROR) -> bytes:
    """The response to *query* that holds *records*."""
    flags = _RESPONSE | (query.opcode << 11) | _RECURSION_AVAILABLE | rcode
    if query.recursion:
        flags |= _RECURSION_DESIRED
    return _HEADER.pack(query.id, flags, 1, len(records), 0, 0) + query.question + b"".join(records)


def format_error(data: bytes) -> bytes:
    """FORMERR for a query that does not parse; b"" where not even an answer can be meant."""
    if len(data) < _HEADER.size or data[2] & 0x80:
        return b""
    identity, flags, *_ = _HEADER.unpack_from(data)
    return _HEADER.pack(identity, _RESPONSE | (flags & (_OPCODE | _RECURSION_DESIRED)) | FORMERR, 0, 0, 0, 0)


def a_record(ip: str, ttl: int) -> bytes:
    """An address of the name that was asked for."""
    return _record(TYPE_A, ttl, _socket.inet_aton(ip))


def ptr_record(name: str, ttl: int) -> bytes:
    """The name of the address that was asked for. ValueError when *name* does not fit into a domain name."""
    return _record(TYPE_PTR, ttl, encode_name(name))


def _record(kind: int, ttl: int, data: bytes) -> bytes:
    return _POINTER_TO_QUESTION + struct.pack(">HHIH", kind, CLASS_IN, ttl, len(data)) + data


def encode_name(name: str) -> bytes:
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".")] if name.rstrip(".") else []
    if any(not 0 < len(label) <= _MAX_LABEL for label in labels):
        raise ValueError(f"not a domain name: {name}")
    wire = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    if len(wire) > _MAX_NAME:
        raise ValueError(f"domain name too long: {name}")
    return wire


def reverse_address(name: str) -> str:
    """The IPv4 address that *name* asks the name of (RFC 1035 section 3.5), "" when it is no such name."""
    host, found, rest = name.partition(".in-addr.arpa")
    parts = host.split(".")
    if not found or rest or len(parts) != 4 or not all(part.isdigit() and int(part) < 256 for part in parts):
        return ""
    return ".".join(str(int(part)) for part in reversed(parts))


def answers(data: bytes, identity: int, query: Query) -> bool:
    """Whether *data* is a response with this identity to this question (some servers omit it from errors)."""
    if len(data) < _HEADER.size:
        return False
    got, flags, questions, *_ = _HEADER.unpack_from(data)
    if got != identity or not flags & _RESPONSE:
        return False
    if questions == 0:
        return bool(flags & 0x000F)
    return data[_HEADER.size : _HEADER.size + len(query.question)].lower() == query.question.lower()


def rcode_of(data: bytes) -> int:
    return data[3] & 0x0F
