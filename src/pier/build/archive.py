"""Archives that ADD unpacks, and contexts that arrive as one. Trusts no name in them: every member goes through
`Placer`.
"""

from __future__ import annotations

import posixpath
import stat
import tarfile

from pier.build.place import Attributes, Placer, copy_content, write_bytes
from pier.errors import Corrupt, Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")
_ZSTD = b"\x28\xb5\x2f\xfd"
_MAGIC_AT = 257
_BLOCK = 1 << 20


def is_archive(real: str) -> bool:
    """Whether the file *real* is a tar archive, also a compressed one (gzip, bzip2, xz, zstd)."""
    with open(real, "rb") as stream:
        head = stream.read(_MAGIC_AT + 5)
        if head[_MAGIC_AT:] == b"ustar":
            return True
        if not head.startswith(_COMPRESSED):
            return False
        stream.seek(0)
        try:
            with _opened(stream):
                return True
        except (tarfile.TarError, EOFError, OSError, Corrupt):
            return False


def unpack(stream: IO[bytes], placer: Placer, destination: str, owner: tuple[int, int] | None, *, spoken: str) -> None:
    """Everything in the archive *stream* under *destination*; owners, modes and times of the archive unless *owner* is
    given.

    Corrupt when it is damaged, Invalid for a member that cannot be placed. *spoken* names the archive in messages.
    """
    try:
        with _opened(stream) as archive:
            _Unpacker(placer, destination, owner).run(archive)
    except (tarfile.TarError, EOFError) as exc:
        raise Corrupt(f"cannot unpack {spoken}", why=str(exc)) from exc


def _opened(stream: IO[bytes]) -> tarfile.TarFile:
    source: IO[bytes] = stream
    if stream.seekable():
        zstandard = stream.read(4) == _ZSTD
        stream.seek(0)
        if zstandard:
            source = _zstd(stream)
    return tarfile.open(fileobj=source, mode="r|*")


def _zstd(stream: IO[bytes]) -> IO[bytes]:
    import zstandard

    return zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True)


class _Unpacker:
    def __init__(self, placer: Placer, destination: str, owner: tuple[int, int] | None) -> None:
        self._placer = placer
        self._owner = owner
        uid, gid = owner or (0, 0)
        self._root = placer.directory(destination, uid=uid, gid=gid)
        self._dress: list[tuple[str, Attributes]] = []

    def run(self, archive: tarfile.TarFile) -> None:
        for member in archive:
            name = posixpath.normpath("/" + member.name).strip("/")
            if name:
                self.member(archive, member, name)
        for path, attributes in reversed(self._dress):
            self._placer.dress(path, attributes)

    def member(self, archive: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> None:
        attributes = self.attributes(member)
        parent, _, last = name.rpartition("/")
        if member.isdir():
            path = self._placer.directory(f"{self._root}/{name}")
            self._dress.append((path, attributes))
            return
        directory = self._placer.directory(f"{self._root}/{parent}")
        if member.isreg():
            content = archive.extractfile(member)
            if content is None:
                raise Corrupt(f"the archive's {member.name} has no content")
            self._placer.file(directory, last, attributes, write_bytes(_blocks(content)))
        elif member.issym():
            self._placer.symlink(directory, last, member.linkname, attributes)
        elif member.islnk():
            self.hard_link(directory, last, member, attributes)
        elif member.isfifo() or member.isdev():
            self._placer.node(directory, last, _device(member), attributes)
        else:
            raise Invalid(f"the archive's {member.name} is of an unknown kind: {member.type!r}")

    def attributes(self, member: tarfile.TarInfo) -> Attributes:
        uid, gid = self._owner or (member.uid, member.gid)
        kind = (
            stat.S_IFIFO
            if member.isfifo()
            else stat.S_IFCHR
            if member.ischr()
            else stat.S_IFBLK
            if member.isblk()
            else 0
        )
        mtime_ns = max(0, int(member.mtime * 1_000_000_000))
        return Attributes(mode=kind | member.mode & 0o7777, uid=uid, gid=gid, mtime_ns=mtime_ns)

    def hard_link(self, directory: str, name: str, member: tarfile.TarInfo, attributes: Attributes) -> None:
        """A link to a member before it, or a copy of a file the image already has under that name."""
        wanted = posixpath.normpath("/" + member.linkname).strip("/")
        first = self._placer.view.resolve(f"{self._root}/{wanted}", follow_last=False)
        if self._placer.link(directory, name, first):
            return
        node = self._placer.view.find(first)
        if node is None or not node.is_file:
            raise Corrupt(f"the archive's {member.name} is a hard link to {member.linkname}, which is not there")
        self._placer.file(directory, name, attributes, copy_content(node.real))


def _device(member: tarfile.TarInfo) -> int:
    import os

    return os.makedev(member.devmajor, member.devminor) if member.isdev() and not member.isfifo() else 0


def _blocks(content: IO[bytes]) -> Iterator[bytes]:
    while block := content.read(_BLOCK):
        yield block
