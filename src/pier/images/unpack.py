"""Unpack one layer archive into a directory in overlayfs form. Knows no registry; trusts no path inside an archive.

Names are resolved as if the target were "/" (openat2(2), RESOLVE_IN_ROOT), so neither "..", an absolute name nor a
symlink of the archive leads out of it. The target is private to its unpacker: nobody else writes there meanwhile.
Whiteouts become character devices 0/0, opaque directories the xattr `trusted.overlay.opaque` (kernel: overlayfs.rst);
the archive's own overlay and trusted xattrs are dropped, because they would steer the mount instead of describe a file.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from typing import TYPE_CHECKING, BinaryIO

from pier.errors import Corrupt
from pier.images import attributes, tar_reader
from pier.images.compression import decompressed
from pier.kernel import fs
from pier.model.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from pier.images.tar_reader import Member, Source

_WHITEOUT = b".wh."
_OPAQUE = b".wh..wh..opq"
_AUFS = b".wh..wh."  # metadata of a file system that is gone; every engine skips it
_MOST_OPEN_PARENTS = 100
_DEEPEST = 256  # removal and mounting walk the tree with an fd or a path component a level
_BOMB_RATIO = 1100  # deflate cannot exceed 1032 to 1
_BOMB_FLOOR = 256 << 20
_BLAMED_ON_ARCHIVE = (
    errno.ENAMETOOLONG, errno.ELOOP, errno.EFBIG, errno.ENOTDIR, errno.ENOENT, errno.EISDIR, errno.EPERM, errno.EINVAL,
)  # fmt: skip


class Unpacked(Record):
    """What came out: the digest of the plain archive, the bytes of file data, and directories it never described.

    *disowned*: what became root's, because its owner does not exist in this user namespace.
    """

    diff_id: str
    size: int
    media_type: str
    implied: tuple[str, ...] = ()
    disowned: tuple[str, ...] = ()


def unpack(stream: BinaryIO, target: str, *, compressed_size: int) -> Unpacked:
    """Unpack *stream* (plain, gzip or zstd; it can seek) into the empty directory *target*.

    Corrupt when the archive is damaged or names something outside; OSError as the file system gives it. On failure
    *target* holds a part of the layer and is the caller's to remove.
    """
    plain, media_type = decompressed(stream)
    source = tar_reader.Source(plain, limit=_BOMB_FLOOR + _BOMB_RATIO * compressed_size)
    root_fd = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        tree = _Tree(root_fd)
        try:
            for member in tar_reader.members(source):
                tree.add(member, source)
            tree.finish()
        finally:
            tree.close()
    finally:
        os.close(root_fd)
    return Unpacked(
        diff_id=source.finish(),
        size=tree.size,
        media_type=media_type,
        implied=tuple(os.fsdecode(path) for path in sorted(tree.implied)),
        disowned=tuple(os.fsdecode(name) for name in tree.disowned),
    )


class _Tree:
    """The directory being filled."""

    def __init__(self, root_fd: int) -> None:
        self._root_fd = root_fd
        self._depth = os.readlink(fs.name_of(root_fd)).count("/")
        self._parents: dict[bytes, int] = {}
        self._directories: dict[bytes, Member] = {}
        self.implied: set[bytes] = {b""}
        self.disowned: list[bytes] = []
        self.size = 0

    def add(self, member: Member, source: Source) -> None:
        """Place one member; its data is read from *source* in any case."""
        parent, base = _split(member.name)
        if not base:
            if member.kind != tar_reader.DIRECTORY:
                raise _refused(member, "it would replace the root directory")
            self._note_directory(b"", member)
            return
        if base.startswith(_WHITEOUT) or b"/" + _WHITEOUT in b"/" + parent:
            source.skip(member.size)
            self._whiteout(member, parent, base)
        else:
            self._place(member, parent, base, source)

    def finish(self) -> None:
        """Directories get their owner, mode, xattrs and time last: filling them would have changed these again."""
        for path, member in self._directories.items():
            try:
                fd = self._open_directory(path)
            except (FileNotFoundError, NotADirectoryError):  # replaced by a later member
                continue
            try:
                self._note_owner(member, owned=attributes.describe(fd, member))
            finally:
                os.close(fd)
        if b"" in self.implied:
            os.fchmod(self._root_fd, 0o755)

    def _note_owner(self, member: Member, *, owned: bool) -> None:
        if not owned:
            self.disowned.append(member.name)

    def close(self) -> None:
        for fd in self._parents.values():
            os.close(fd)
        self._parents.clear()

    def _place(self, member: Member, parent: bytes, base: bytes, source: Source) -> None:
        maker = _MAKERS.get(member.kind)
        if maker is None:
            raise _refused(member, f"it has the unknown type {member.kind!r}")
        parent_fd = self._parent(parent, member)
        try:
            try:
                maker(self, member, parent_fd, base, source)
            except FileExistsError:
                if self._cleared(member, parent, parent_fd, base):
                    maker(self, member, self._parent(parent, member), base, source)
        except OSError as exc:
            raise _translated(exc, member) from exc
        if member.kind == tar_reader.DIRECTORY:
            self._note_directory(parent + b"/" + base if parent else base, member)

    def _note_directory(self, path: bytes, member: Member) -> None:
        self._directories.pop(path, None)
        self._directories[path] = member
        self.implied.discard(path)

    def _cleared(self, member: Member, parent: bytes, parent_fd: int, base: bytes) -> bool:
        """Make room for *member*: False where the directory it describes is there already."""
        there = os.lstat(base, dir_fd=parent_fd)
        new_directory = member.kind == tar_reader.DIRECTORY
        if stat.S_ISDIR(there.st_mode):
            if new_directory:
                return False
            self.close()
            parent_fd = self._parent(parent, member)
            shutil.rmtree(base, dir_fd=parent_fd)
            return True
        os.unlink(base, dir_fd=parent_fd)
        if stat.S_ISLNK(there.st_mode):
            self.close()  # cached parents may have been reached through it
            parent_fd = self._parent(parent, member)
        if new_directory and attributes.is_whiteout(there):
            os.mkdir(base, 0o700, dir_fd=parent_fd)
            self._make_opaque(parent_fd, base)
            return False
        return True

    def _parent(self, path: bytes, member: Member) -> int:
        """An fd of the directory *path*, made with its parents where the archive never described them.

        It stays open until the next-but-one call at least.
        """
        fd = self._parents.pop(path, -1)
        if fd < 0:
            if len(self._parents) >= _MOST_OPEN_PARENTS:
                os.close(self._parents.pop(next(iter(self._parents))))
            fd = self._open_parent(path, member)
        self._parents[path] = fd
        return fd

    def _open_parent(self, path: bytes, member: Member) -> int:
        try:
            try:
                fd = self._open_directory(path)
            except (FileNotFoundError, NotADirectoryError):
                fd = self._imply(path, member)
        except OSError as exc:
            raise _translated(exc, member) from exc
        if os.readlink(fs.name_of(fd)).count("/") > self._depth + _DEEPEST:
            os.close(fd)
            raise _refused(member, f"it lies more than {_DEEPEST} directories deep")
        return fd

    def _open_directory(self, path: bytes) -> int:
        return fs.open_in_root(self._root_fd, os.fsdecode(path) or ".", os.O_RDONLY | os.O_DIRECTORY)

    def _imply(self, path: bytes, member: Member) -> int:
        if path.count(b"/") > _DEEPEST:
            raise _refused(member, f"it lies more than {_DEEPEST} directories deep")
        fd = self._open_directory(b"")
        parts = path.split(b"/")
        for index in range(1, len(parts) + 1):
            prefix = b"/".join(parts[:index])
            above_fd = fd
            try:
                fd = self._open_directory(prefix)
            except FileNotFoundError:
                fd = self._make_implied(above_fd, prefix, member)
            except NotADirectoryError as exc:
                if not attributes.is_whiteout(os.lstat(parts[index - 1], dir_fd=above_fd)):
                    raise _refused(member, f"{os.fsdecode(prefix)!r} is not a directory") from exc
                os.unlink(parts[index - 1], dir_fd=above_fd)
                fd = self._make_implied(above_fd, prefix, member)
                attributes.mark_opaque(fd)
            finally:
                os.close(above_fd)
        return fd

    def _make_implied(self, above_fd: int, path: bytes, member: Member) -> int:
        base = path.rpartition(b"/")[2]
        try:
            os.mkdir(base, 0o755, dir_fd=above_fd)
        except FileExistsError as exc:
            raise _refused(member, f"{os.fsdecode(path)!r} is a symbolic link to nowhere") from exc
        fd = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above_fd)
        os.fchmod(fd, 0o755)
        self.implied.add(path)
        return fd

    def _whiteout(self, member: Member, parent: bytes, base: bytes) -> None:
        if base.startswith(_AUFS) and base != _OPAQUE or b"/" + _AUFS in b"/" + parent:
            return
        hidden = base[len(_WHITEOUT) :]
        if b"/" + _WHITEOUT in b"/" + parent or hidden in (b"", b".", b".."):
            raise _refused(member, "its name is no valid whiteout")
        parent_fd = self._parent(parent, member)
        try:
            if base == _OPAQUE:
                attributes.mark_opaque(parent_fd)
                return
            try:
                os.mknod(hidden, stat.S_IFCHR, os.makedev(0, 0), dir_fd=parent_fd)
            except FileExistsError:  # the layer brings its own: that one hides what is below
                if stat.S_ISDIR(os.lstat(hidden, dir_fd=parent_fd).st_mode):
                    self._make_opaque(parent_fd, hidden)
        except OSError as exc:
            raise _translated(exc, member) from exc

    def _make_opaque(self, parent_fd: int, base: bytes) -> None:
        fd = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent_fd)
        try:
            attributes.mark_opaque(fd)
        finally:
            os.close(fd)

    def _make_file(self, member: Member, parent_fd: int, base: bytes, source: Source) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(base, flags, 0o600, dir_fd=parent_fd)
        try:
            if member.size:
                _check_room(fd, member)
                self._write(fd, member, source)
            if member.extents is not None:
                os.ftruncate(fd, member.length)
            self._note_owner(member, owned=attributes.describe(fd, member))
        finally:
            os.close(fd)

    def _write(self, fd: int, member: Member, source: Source) -> None:
        for offset, count in member.extents if member.extents is not None else ((0, member.size),):
            if offset:
                os.lseek(fd, offset, os.SEEK_SET)
            for piece in source.pieces(count):
                while piece:
                    piece = piece[os.write(fd, piece) :]
        self.size += member.size

    def _make_directory(self, member: Member, parent_fd: int, base: bytes, source: Source) -> None:
        os.mkdir(base, 0o700, dir_fd=parent_fd)

    def _make_symlink(self, member: Member, parent_fd: int, base: bytes, source: Source) -> None:
        os.symlink(member.link, base, dir_fd=parent_fd)
        self._note_owner(member, owned=attributes.describe_at(parent_fd, base, member))

    def _make_hard_link(self, member: Member, parent_fd: int, base: bytes, source: Source) -> None:
        from_parent, from_base = _split(member.link)
        parent, _ = _split(member.name)
        if not from_base:
            raise _refused(member, "it is a hard link to the root directory")
        if (from_parent, from_base) == (parent, base):
            return
        from_fd = self._parent(from_parent, member)
        parent_fd = self._parent(parent, member)
        try:
            os.link(from_base, base, src_dir_fd=from_fd, dst_dir_fd=parent_fd, follow_symlinks=False)
        except FileNotFoundError as exc:
            raise _refused(member, f"it is a hard link to {os.fsdecode(member.link)!r}, which the layer lacks") from exc

    def _make_device(self, member: Member, parent_fd: int, base: bytes, source: Source) -> None:
        kind = stat.S_IFCHR if member.kind == tar_reader.CHARACTER else stat.S_IFBLK
        try:
            os.mknod(base, kind | member.mode, os.makedev(member.major, member.minor), dir_fd=parent_fd)
        except OverflowError as exc:
            raise _refused(member, "its device number is too large") from exc
        except PermissionError:  # user_namespaces(7): no device nodes there; Docker leaves them out as well
            return
        self._note_owner(member, owned=attributes.describe_at(parent_fd, base, member))

    def _make_fifo(self, member: Member, parent_fd: int, base: bytes, source: Source) -> None:
        os.mkfifo(base, member.mode, dir_fd=parent_fd)
        self._note_owner(member, owned=attributes.describe_at(parent_fd, base, member))


_MAKERS: dict[bytes, Callable[[_Tree, Member, int, bytes, Source], None]] = {
    tar_reader.REGULAR: _Tree._make_file,
    tar_reader.HARD_LINK: _Tree._make_hard_link,
    tar_reader.SYMLINK: _Tree._make_symlink,
    tar_reader.CHARACTER: _Tree._make_device,
    tar_reader.BLOCK_DEVICE: _Tree._make_device,
    tar_reader.DIRECTORY: _Tree._make_directory,
    tar_reader.FIFO: _Tree._make_fifo,
}


def _split(name: bytes) -> tuple[bytes, bytes]:
    """Parent and last component, cleaned of "/", "." and ".."; Corrupt where ".." climbs above the root."""
    if b"//" not in name and b"/." not in name and name[:1] not in (b".", b"/") and name[-1:] != b"/":
        parent, _, base = name.rpartition(b"/")
        return parent, base
    parts: list[bytes] = []
    for part in name.split(b"/"):
        if part == b"..":
            if not parts:
                raise Corrupt("the archive is hostile", why=f"the name {os.fsdecode(name)!r} leads out of the image")
            parts.pop()
        elif part not in (b"", b"."):
            parts.append(part)
    return b"/".join(parts[:-1]), parts[-1] if parts else b""


def _check_room(fd: int, member: Member) -> None:
    if member.size < 1 << 24:
        return
    room = os.fstatvfs(fd)
    if member.size > room.f_bavail * room.f_frsize:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fsdecode(member.name))


def _refused(member: Member, why: str) -> Corrupt:
    return Corrupt(f"the layer's member {os.fsdecode(member.name)!r} cannot be unpacked", why=why)


def _translated(exc: OSError, member: Member) -> Exception:
    """What the archive is to blame for is Corrupt; what the machine is to blame for stays an OSError."""
    return _refused(member, os.strerror(exc.errno)) if exc.errno in _BLAMED_ON_ARCHIVE else exc
