"""A directory in overlayfs form as a layer archive: equal trees give equal bytes.

Canonical: entries sorted by name, ustar with pax where a value does not fit, whole seconds, no user names. Whiteouts
become `.wh.` files and opaque directories hold `.wh..wh..opq` (image-spec layer.md). Sockets are left out: they mean
nothing without the process that made them.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Protocol

from pier.errors import Unsupported
from pier.images import attributes
from pier.images.tar_reader import BLOCK

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 20
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_DEEPEST = 256
_REDIRECTING = ("overlay.redirect", "overlay.metacopy")


class Sink(Protocol):
    """Where the bytes go."""

    def write(self, data: bytes, /) -> object: ...


def write_layer_tar(directory: str, sink: Sink, *, strip_overlay: bool = False) -> int:
    """Write *directory*, itself included, as one archive; the bytes of file data are returned.

    Nothing may change it meanwhile. With *strip_overlay*, overlayfs's bookkeeping (not its opaque marks) is removed
    from the files on the way, so that the directory can serve as a lower layer. Unsupported where an overlay was
    mounted with redirects: such a directory means nothing without the layers it was made on.
    """
    root_fd = os.open(directory, _DIRECTORY)
    writer = _Writer(sink, strip_overlay)
    try:
        writer.directory(root_fd, b"")
        writer.finish()
    finally:
        os.close(root_fd)
    return writer.size


class _Writer:
    def __init__(self, sink: Sink, strip_overlay: bool) -> None:
        self._sink = sink
        self._strip = strip_overlay
        self._inodes: dict[tuple[int, int], bytes] = {}
        self._written = 0
        self.size = 0

    def directory(self, fd: int, path: bytes) -> None:
        """The directory behind *fd*, then its opaque mark, then what is in it."""
        if path.count(b"/") > _DEEPEST:
            raise Unsupported(
                "cannot archive a tree this deep", why=f"it has more than {_DEEPEST} levels of directories"
            )
        there = os.fstat(fd)
        xattrs, opaque = self._xattrs(fd)
        self._header(path + b"/" if path else b"./", there, b"5", xattrs=xattrs)
        if opaque:
            self._whiteout(_join(path, b".wh..wh..opq"), there)
        for name in sorted(os.fsencode(name) for name in os.listdir(fd)):
            self._entry(fd, name, _join(path, name))

    def finish(self) -> None:
        """Two zero blocks, then zeros up to a full record of twenty blocks (tar(5))."""
        self._put(bytes(2 * BLOCK))
        self._put(bytes(-self._written % (20 * BLOCK)))

    def _entry(self, parent_fd: int, name: bytes, path: bytes) -> None:
        there = os.lstat(name, dir_fd=parent_fd)
        kind = stat.S_IFMT(there.st_mode)
        if kind == stat.S_IFDIR:
            fd = os.open(name, _DIRECTORY, dir_fd=parent_fd)
            try:
                self.directory(fd, path)
            finally:
                os.close(fd)
        elif attributes.is_whiteout(there):
            self._whiteout(_join(path.rpartition(b"/")[0], b".wh." + name), there)
        elif kind != stat.S_IFSOCK:
            self._leaf(parent_fd, name, path, there)

    def _leaf(self, parent_fd: int, name: bytes, path: bytes, there: os.stat_result) -> None:
        if there.st_nlink > 1:
            first = self._inodes.setdefault((there.st_dev, there.st_ino), path)
            if first != path:
                self._header(path, there, b"1", link=first)
                return
        kind = stat.S_IFMT(there.st_mode)
        if kind == stat.S_IFREG:
            self._file(parent_fd, name, path, there)
        elif kind == stat.S_IFLNK:
            self._header(path, there, b"2", link=os.readlink(name, dir_fd=parent_fd))
        else:
            self._header(path, there, {stat.S_IFCHR: b"3", stat.S_IFBLK: b"4", stat.S_IFIFO: b"6"}[kind])

    def _file(self, parent_fd: int, name: bytes, path: bytes, there: os.stat_result) -> None:
        fd = os.open(name, _FILE, dir_fd=parent_fd)
        try:
            xattrs, _ = self._xattrs(fd)
            self._header(path, there, b"0", size=there.st_size, xattrs=xattrs)
            left = there.st_size
            while left:
                data = os.read(fd, min(left, _CHUNK))
                if not data:
                    raise Unsupported(f"cannot archive {os.fsdecode(path)!r}", why="it shrank while it was being read")
                left -= len(data)
                self._put(data)
        finally:
            os.close(fd)
        self._put(bytes(-there.st_size % BLOCK))
        self.size += there.st_size

    def _xattrs(self, fd: int) -> tuple[dict[str, bytes], bool]:
        """What belongs to the image, and whether the directory is opaque."""
        kept: dict[str, bytes] = {}
        opaque = False
        for name in os.listxattr(fd):
            if attributes.is_kept(name):
                kept[name] = os.getxattr(fd, name)
            elif attributes.is_opaque(name):
                opaque = os.getxattr(fd, name) == b"y"
            elif attributes.is_overlay(name):
                if name.endswith(_REDIRECTING):
                    raise Unsupported(
                        "cannot make a layer of this directory",
                        why=f"overlayfs left {name} in it",
                        hint="mount with redirect_dir=off,metacopy=off",
                    )
                if self._strip:
                    os.removexattr(fd, name)
        return kept, opaque

    def _whiteout(self, path: bytes, there: os.stat_result) -> None:
        fields = _Fields(0, 0, 0, 0, int(there.st_mtime), 0, 0)
        for block in _blocks(path, b"0", b"", fields, {}):
            self._put(block)

    def _header(
        self,
        path: bytes,
        there: os.stat_result,
        kind: bytes,
        *,
        size: int = 0,
        link: bytes = b"",
        xattrs: dict[str, bytes] | None = None,
    ) -> None:
        device = kind in (b"3", b"4")
        fields = _Fields(
            stat.S_IMODE(there.st_mode),
            there.st_uid,
            there.st_gid,
            size,
            max(int(there.st_mtime), 0),
            os.major(there.st_rdev) if device else 0,
            os.minor(there.st_rdev) if device else 0,
        )
        for block in _blocks(path, kind, link, fields, xattrs or {}):
            self._put(block)

    def _put(self, data: bytes) -> None:
        self._sink.write(data)
        self._written += len(data)


class _Fields:
    """The numbers of a header."""

    __slots__ = ("gid", "major", "minor", "mode", "mtime", "size", "uid")

    def __init__(self, mode: int, uid: int, gid: int, size: int, mtime: int, major: int, minor: int) -> None:
        self.mode, self.uid, self.gid, self.size = mode, uid, gid, size
        self.mtime, self.major, self.minor = mtime, major, minor


def _blocks(path: bytes, kind: bytes, link: bytes, fields: _Fields, xattrs: dict[str, bytes]) -> Iterator[bytes]:
    """The header, after a pax header where something does not fit into it."""
    pax: dict[bytes, bytes] = {}
    name, prefix = _ustar_name(path)
    if name is None:
        pax[b"path"] = path
        name = path[:100]
    if len(link) > 100:
        pax[b"linkpath"] = link
    for key, value, limit in (
        (b"uid", fields.uid, 0o7777777),
        (b"gid", fields.gid, 0o7777777),
        (b"size", fields.size, 0o77777777777),
        (b"mtime", fields.mtime, 0o77777777777),
    ):
        if value > limit:
            pax[key] = str(value).encode()
    pax |= {b"SCHILY.xattr." + os.fsencode(key): value for key, value in xattrs.items()}
    if pax:
        records = b"".join(_pax_record(key, value) for key, value in sorted(pax.items()))
        own = _Fields(0o644, 0, 0, len(records), 0, 0, 0)
        yield _header_block(b"PaxHeaders/" + name.rstrip(b"/")[-80:], b"", b"x", b"", own)
        yield records + bytes(-len(records) % BLOCK)
    yield _header_block(name, prefix, kind, link[:100], fields)


def _ustar_name(path: bytes) -> tuple[bytes | None, bytes]:
    """*path* as ustar's name and prefix; None where it fits neither."""
    if len(path) <= 100:
        return path, b""
    slash = path.find(b"/", len(path) - 101, 156)
    if 0 < slash <= 155 and slash + 1 < len(path):
        return path[slash + 1 :], path[:slash]
    return None, b""


def _pax_record(key: bytes, value: bytes) -> bytes:
    """A record's length counts itself."""
    length = len(key) + len(value) + 3
    total = length + len(str(length))
    if len(str(total)) != len(str(length)):
        total = length + len(str(total))
    return str(total).encode() + b" " + key + b"=" + value + b"\n"


def _header_block(name: bytes, prefix: bytes, kind: bytes, link: bytes, fields: _Fields) -> bytes:
    block = b"".join(
        (
            name.ljust(100, b"\0"),
            b"%07o\0" % fields.mode,
            b"%07o\0" % (fields.uid & 0o7777777),
            b"%07o\0" % (fields.gid & 0o7777777),
            b"%011o\0" % (fields.size & 0o77777777777),
            b"%011o\0" % (fields.mtime & 0o77777777777),
            b"        ",
            kind,
            link.ljust(100, b"\0"),
            b"ustar\x0000",
            bytes(64),
            b"%07o\0" % fields.major,
            b"%07o\0" % fields.minor,
            prefix.ljust(155, b"\0"),
            bytes(12),
        )
    )
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _join(parent: bytes, name: bytes) -> bytes:
    return parent + b"/" + name if parent else name
