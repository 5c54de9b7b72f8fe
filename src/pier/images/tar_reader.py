"""Headers and data of a tar stream, read once, front to back: ustar, GNU long names and sparse files, pax.

Trusts nothing: every number is checked, every length is bounded, and whatever breaks the format is Corrupt.
Says nothing about what a name means; `unpack` decides that. The formats: tar(5) of libarchive, pax in POSIX.1-2017.
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, BinaryIO

from pier.errors import Corrupt

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 512
REGULAR, HARD_LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO = b"0", b"1", b"2", b"3", b"4", b"5", b"6"

_CHUNK = 1 << 20
_LONGEST_EXTENSION = 1 << 20  # pax headers and long names; the limit of the reference implementations
_MOST_EXTENTS = 1 << 16
_HEADER = struct.Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x")
_SPARSE_OLD = b"S"
_DATALESS = (HARD_LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO)
_ZERO = bytes(BLOCK)


class Member:
    """One entry. `size` counts the bytes stored; a sparse file also says where they belong and its full `length`."""

    __slots__ = (
        "extents", "gid", "kind", "length", "link", "major", "minor", "mode", "mtime_ns", "name", "size",
        "uid", "xattrs",
    )  # fmt: skip

    def __init__(self) -> None:
        self.name = self.link = b""
        self.kind = REGULAR
        self.mode = self.uid = self.gid = self.size = self.length = self.mtime_ns = self.major = self.minor = 0
        self.xattrs: dict[str, bytes] = {}
        self.extents: list[tuple[int, int]] | None = None


class Source:
    """The bytes of an archive, hashed as they pass. More than *limit* of them is Corrupt: a decompression bomb."""

    def __init__(self, stream: BinaryIO, *, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._chunk = b""
        self._at = 0
        self._hash = hashlib.sha256()
        self.total = 0

    def _refill(self) -> bool:
        self._chunk = self._stream.read(_CHUNK)
        self._at = 0
        self.total += len(self._chunk)
        if self.total > self._limit:
            raise Corrupt(
                "the archive unpacks to more than it may",
                why=f"it grew beyond {self._limit >> 20} MiB, out of proportion to its compressed size",
            )
        self._hash.update(self._chunk)
        return bool(self._chunk)

    def take(self, count: int) -> bytes:
        """Exactly *count* bytes. Corrupt where the archive ends before."""
        end = self._at + count
        if end <= len(self._chunk):
            found = self._chunk[self._at : end]
            self._at = end
            return found
        return b"".join(bytes(piece) for piece in self.pieces(count))

    def pieces(self, count: int) -> Iterator[memoryview]:
        """*count* bytes in pieces that are valid until the next call."""
        while count:
            if self._at == len(self._chunk) and not self._refill():
                raise Corrupt("the archive is truncated", why=f"it ends {count} bytes early")
            piece = memoryview(self._chunk)[self._at : self._at + count]
            self._at += len(piece)
            count -= len(piece)
            yield piece

    def skip(self, count: int) -> None:
        for _ in self.pieces(count):
            pass

    def at_end(self) -> bool:
        return self._at == len(self._chunk) and not self._refill()

    def finish(self) -> str:
        """Read what follows the archive, which belongs to the digest, and return `sha256:…` of everything."""
        while self._refill():
            pass
        return "sha256:" + self._hash.hexdigest()


class Extensions:
    """What the headers before a member say about it."""

    __slots__ = ("link", "name", "pax")

    def __init__(self) -> None:
        self.name: bytes | None = None
        self.link: bytes | None = None
        self.pax: dict[bytes, bytes] = {}


def members(source: Source) -> Iterator[Member]:
    """Each member. The consumer takes exactly `member.size` bytes of data from *source*; padding is skipped here."""
    extensions = Extensions()
    while not source.at_end():
        header = source.take(BLOCK)
        if header == _ZERO:
            return
        member = _parse(header)
        if member.kind in (b"x", b"L", b"K", b"g"):
            _extend(extensions, member, source)
            continue
        if member.kind == _SPARSE_OLD:
            _read_old_sparse(member, header, source)
        _apply(extensions, member, source)
        extensions = Extensions()
        padding = -member.size % BLOCK
        yield member
        if padding:
            source.skip(padding)


def _parse(header: bytes) -> Member:
    (name, mode, uid, gid, size, mtime, checksum, kind, link, magic, _user, _group, major, minor, prefix) = (
        _HEADER.unpack(header)
    )
    # The checksum counts its own eight bytes as spaces (tar(5)).
    if sum(header) - sum(checksum) + 256 != _number(checksum, "checksum"):
        raise Corrupt("the archive is damaged", why="a header's checksum does not match")
    member = Member()
    member.name = name.partition(b"\0")[0]
    if magic == b"ustar\x0000" and prefix[0]:
        member.name = prefix.partition(b"\0")[0] + b"/" + member.name
    member.kind = REGULAR if kind in (b"\0", b"7") else kind
    member.link = link.partition(b"\0")[0]
    member.mode = _number(mode, "mode") & 0o7777
    member.uid = _number(uid, "uid")
    member.gid = _number(gid, "gid")
    member.mtime_ns = _number(mtime, "mtime", signed=True) * 1_000_000_000
    member.size = member.length = _number(size, "size")
    if member.kind in (CHARACTER, BLOCK_DEVICE):
        member.major = _number(major, "device number")
        member.minor = _number(minor, "device number")
    return member


def _number(field: bytes, what: str, *, signed: bool = False) -> int:
    if field[0] & 0x80:
        # GNU base-256: the top bit marks it, the next one is the sign.
        value = int.from_bytes(field, "big", signed=True) if field[0] == 0xFF else int.from_bytes(
            bytes([field[0] & 0x7F]) + field[1:], "big"
        )  # fmt: skip
    else:
        text = field.strip(b"\0 ").partition(b"\0")[0].rstrip()
        try:
            value = int(text, 8) if text else 0
        except ValueError:
            raise Corrupt("the archive is damaged", why=f"{text!r} is not a {what}") from None
    if (value < 0 and not signed) or abs(value) >= 1 << 63:
        raise Corrupt("the archive is damaged", why=f"{value} cannot be a {what}")
    return value


def _extend(extensions: Extensions, member: Member, source: Source) -> None:
    if member.size > _LONGEST_EXTENSION:
        raise Corrupt("the archive is damaged", why=f"an extended header of {member.size} bytes")
    data = source.take(member.size)
    source.skip(-member.size % BLOCK)
    if member.kind == b"L":
        extensions.name = data.partition(b"\0")[0]
    elif member.kind == b"K":
        extensions.link = data.partition(b"\0")[0]
    elif member.kind == b"x":
        extensions.pax.update(_pax_records(data))


def _pax_records(data: bytes) -> dict[bytes, bytes]:
    """The records of "LENGTH KEY=VALUE\\n". Values may hold newlines and NULs; sparse 0.0 repeats its keys."""
    records: dict[bytes, bytes] = {}
    map_0_0: list[bytes] = []
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 20)
        digits = data[at:space]
        if space < 0 or not digits.isdigit():
            raise Corrupt("the archive is damaged", why="a pax record has no length")
        end = at + int(digits)
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if end > len(data) or end <= space + 1 or data[end - 1 : end] != b"\n" or not equals or not key:
            raise Corrupt("the archive is damaged", why="a pax record is cut short")
        if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
            map_0_0.append(value)
        records[key] = value
        at = end
    if map_0_0:
        records[b"GNU.sparse.map"] = b",".join(map_0_0)
    return records


def _apply(extensions: Extensions, member: Member, source: Source) -> None:
    pax = extensions.pax
    if extensions.name is not None:
        member.name = extensions.name
    if extensions.link is not None:
        member.link = extensions.link
    if pax:
        _apply_pax(pax, member)
    if member.kind == REGULAR and member.name.endswith(b"/"):
        member.kind = DIRECTORY  # how archives before ustar said it
    if member.kind in _DATALESS:
        member.size = member.length = 0
    elif any(key.startswith(b"GNU.sparse.") for key in pax):
        _apply_pax_sparse(pax, member, source)
    if b"\0" in member.name or b"\0" in member.link:
        raise Corrupt("the archive is damaged", why=f"the name {member.name!r} holds a NUL")


def _apply_pax(pax: dict[bytes, bytes], member: Member) -> None:
    member.name = pax.get(b"path") or member.name
    member.link = pax.get(b"linkpath") or member.link
    if size := pax.get(b"size"):
        member.size = member.length = _decimal(size, "size")
    if uid := pax.get(b"uid"):
        member.uid = _decimal(uid, "uid")
    if gid := pax.get(b"gid"):
        member.gid = _decimal(gid, "gid")
    if mtime := pax.get(b"mtime"):
        whole, _, fraction = mtime.partition(b".")
        negative = whole.startswith(b"-")
        seconds = _decimal(whole.lstrip(b"-"), "mtime")
        nanoseconds = _decimal(fraction[:9].ljust(9, b"0"), "mtime")
        member.mtime_ns = (seconds * 1_000_000_000 + nanoseconds) * (-1 if negative else 1)
    for key, value in pax.items():
        if key.startswith(b"SCHILY.xattr."):
            member.xattrs[key[13:].decode("utf-8", "surrogateescape")] = value


def _decimal(text: bytes, what: str) -> int:
    if not text.isdigit() or len(text) > 20 or int(text) >= 1 << 63:
        raise Corrupt("the archive is damaged", why=f"{text!r} is not a {what}")
    return int(text)


def _read_old_sparse(member: Member, header: bytes, source: Source) -> None:
    """GNU's own sparse header: four extents in it, the real length at 483, more extents in blocks that follow."""
    member.kind = REGULAR
    fields, count, more, length = header[386:482], 4, header[482], _number(header[483:495], "length")
    numbers: list[int] = []
    while True:
        for index in range(count):
            pair = fields[index * 24 : index * 24 + 24]
            if not pair.strip(b"\0"):
                break
            numbers += [_number(pair[:12], "sparse offset"), _number(pair[12:], "sparse length")]
        if not more:
            break
        if len(numbers) > _MOST_EXTENTS:
            raise Corrupt("the archive is damaged", why="a sparse file has too many parts")
        block = source.take(BLOCK)
        fields, count, more = block[:504], 21, block[504]
    _set_extents(member, numbers, length)


def _apply_pax_sparse(pax: dict[bytes, bytes], member: Member, source: Source) -> None:
    """GNU's pax formats 0.0 and 0.1 (map in the header) and 1.0 (map before the data)."""
    member.name = pax.get(b"GNU.sparse.name") or member.name
    length = _decimal(pax.get(b"GNU.sparse.realsize") or pax.get(b"GNU.sparse.size") or b"0", "sparse length")
    if pax.get(b"GNU.sparse.major") == b"1":
        numbers = _read_map_1_0(member, source)
    elif b"GNU.sparse.map" in pax:
        numbers = [_decimal(text, "sparse map") for text in pax[b"GNU.sparse.map"].split(b",")]
    else:
        raise Corrupt("the archive is damaged", why="a sparse file has no map")
    _set_extents(member, numbers, length)


def _read_map_1_0(member: Member, source: Source) -> list[int]:
    text = b""
    wanted = 1
    while text.count(b"\n") < wanted:
        if member.size < BLOCK or len(text) > _LONGEST_EXTENSION:
            raise Corrupt("the archive is damaged", why="a sparse map is cut short")
        text += source.take(BLOCK)
        member.size -= BLOCK
        if b"\n" in text:
            wanted = 1 + 2 * min(_decimal(text.partition(b"\n")[0], "sparse map"), _MOST_EXTENTS)
    return [_decimal(line, "sparse map") for line in text.split(b"\n")[1:wanted]]


def _set_extents(member: Member, numbers: list[int], length: int) -> None:
    extents = list(zip(numbers[::2], numbers[1::2], strict=False))
    end = 0
    for offset, count in extents:
        if offset < end or offset + count > length:
            raise Corrupt("the archive is damaged", why="the parts of a sparse file overlap or exceed it")
        end = offset + count
    if len(numbers) % 2 or sum(count for _, count in extents) != member.size:
        raise Corrupt("the archive is damaged", why="a sparse file's map does not match its data")
    member.extents = extents
    member.length = length
