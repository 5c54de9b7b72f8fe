"""Writes files into an overlay upper directory, as the merged file system would take them. Runs as the store's owner.

Destinations are resolved inside the image, so its symlinks lead nowhere else; every write goes through a directory fd
below the upper directory, one name at a time. A directory that a lower layer has is copied up with its attributes.
"""

from __future__ import annotations

import errno
import os
import stat

from pier.build.tree import Tree
from pier.errors import Invalid
from pier.images.attributes import unmapped_owner
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OVERLAY = ("trusted.overlay.", "user.overlay.")
_WHITEOUT = ".wh."
_CHUNK = 1 << 24


class Attributes(Record):
    """What an entry gets besides its content. *mtime_ns* -1 for now; *xattrs* is a file to take extended attributes
    from.
    """

    mode: int
    uid: int = 0
    gid: int = 0
    mtime_ns: int = -1
    xattrs: str = ""


class Placer:
    """`with Placer(lower, upper) as placer`. *lower* are the layers, bottom first; *upper* exists and is empty."""

    def __init__(self, lower: tuple[str, ...], upper: str) -> None:
        self.view = Tree((*lower, upper))
        self._upper = upper
        self._root = -1

    def __enter__(self) -> Self:
        self._root = os.open(self._upper, _FLAGS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._root)

    def is_directory(self, path: str) -> bool:
        """Whether *path* leads to a directory of the image."""
        node = self.view.follow(path)
        return node is not None and node.is_dir

    def directory(self, path: str, *, mode: int = 0o755, uid: int = 0, gid: int = 0) -> str:
        """The directory *path* leads to, made with its parents where missing. Returns its path without symlinks."""
        resolved = self.view.resolve(path)
        os.close(self._open(resolved, Attributes(mode=mode, uid=uid, gid=gid)))
        return resolved

    def dress(self, path: str, attributes: Attributes) -> None:
        """Set what a directory looks like, once everything is in it. *path* as `directory` returned it."""
        fd = self._open(path, attributes)
        try:
            _dress(fd, attributes)
        finally:
            os.close(fd)

    def file(self, directory: str, name: str, attributes: Attributes, write: Callable[[int], None]) -> str:
        """A regular file that *write* fills through its fd. Replaces a file or a symlink of that name. Returns its
        path.
        """
        with _Opened(self._open(directory, Attributes(mode=0o755))) as parent:
            self._clear(parent, directory, name)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with _Opened(os.open(name, flags, 0o600, dir_fd=parent)) as fd:
                write(fd)
                _dress(fd, attributes)
        return f"{directory}/{name}".lstrip("/")

    def symlink(self, directory: str, name: str, target: str, attributes: Attributes) -> None:
        """A symlink; *target* is kept as it is, and never followed here."""
        with _Opened(self._open(directory, Attributes(mode=0o755))) as parent:
            self._clear(parent, directory, name)
            os.symlink(target, name, dir_fd=parent)
            os.chown(name, attributes.uid, attributes.gid, dir_fd=parent, follow_symlinks=False)
            if attributes.mtime_ns >= 0:
                times = (attributes.mtime_ns, attributes.mtime_ns)
                os.utime(name, ns=times, dir_fd=parent, follow_symlinks=False)

    def node(self, directory: str, name: str, device: int, attributes: Attributes) -> None:
        """A named pipe or a device; *attributes.mode* holds the kind. Invalid for 0/0, which would be a whiteout."""
        if stat.S_ISCHR(attributes.mode) and device == 0:
            raise Invalid(f"{name} is a whiteout of overlayfs, which an image cannot hold as a file")
        with _Opened(self._open(directory, Attributes(mode=0o755))) as parent:
            self._clear(parent, directory, name)
            os.mknod(name, attributes.mode, device, dir_fd=parent)
            os.chown(name, attributes.uid, attributes.gid, dir_fd=parent, follow_symlinks=False)
            os.chmod(name, stat.S_IMODE(attributes.mode), dir_fd=parent)

    def link(self, directory: str, name: str, first: str) -> bool:
        """A hard link to *first*, a path that `file` returned. False when *first* is not among the new files."""
        source_dir, _, source_name = first.rpartition("/")
        with _Opened(self._open(directory, Attributes(mode=0o755))) as parent:
            with _Opened(self._open(source_dir, Attributes(mode=0o755))) as source:
                try:
                    os.lstat(source_name, dir_fd=source)
                except FileNotFoundError:
                    return False
                self._clear(parent, directory, name)
                os.link(source_name, name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
                return True

    def _clear(self, parent: int, directory: str, name: str) -> None:
        path = f"{directory}/{name}".lstrip("/")
        if name in ("", ".", "..") or "/" in name:
            raise Invalid(f"not a file name: {name!r}")
        if name.startswith(_WHITEOUT):
            raise Invalid(
                f"cannot copy {name}", why=f"in a layer, names that begin with {_WHITEOUT} mean removed files"
            )
        existing = self.view.find(path)
        if existing is not None and existing.is_dir:
            raise Invalid(f"cannot replace the directory /{path} with a file", hint=f"copy into it: /{path}/")
        try:
            os.unlink(name, dir_fd=parent)
        except FileNotFoundError:
            return

    def _open(self, path: str, made: Attributes) -> int:
        """An fd of the upper's directory *path*, which holds no symlink; missing parts are copied up or made."""
        here = os.dup(self._root)
        done = ""
        try:
            for part in (piece for piece in path.split("/") if piece):
                done = f"{done}/{part}".lstrip("/")
                following = self._enter(here, part, done, made)
                os.close(here)
                here = following
        except BaseException:
            os.close(here)
            raise
        return here

    def _enter(self, parent: int, name: str, path: str, made: Attributes) -> int:
        try:
            return os.open(name, _FLAGS, dir_fd=parent)
        except FileNotFoundError:
            lower = self.view.find(path)
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP):
                raise _not_a_directory(path) from error
            raise
        if lower is not None and not lower.is_dir:
            raise _not_a_directory(path)
        os.mkdir(name, 0o700, dir_fd=parent)
        fd = os.open(name, _FLAGS, dir_fd=parent)
        status = lower.stat if lower else None
        os.fchown(fd, status.st_uid if status else made.uid, status.st_gid if status else made.gid)
        os.fchmod(fd, stat.S_IMODE(status.st_mode) if status else stat.S_IMODE(made.mode))
        if lower is not None:
            copy_xattrs(lower.real, fd)
        self.view.refresh(path)
        return fd


class _Opened:
    """An fd that is closed at the end of its block."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __enter__(self) -> int:
        return self._fd

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._fd)


def copy_content(real: str) -> Callable[[int], None]:
    """A writer for `Placer.file` that copies the file *real* inside the kernel (sendfile(2))."""

    def write(target: int) -> None:
        with _Opened(os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)) as source:
            while os.sendfile(target, source, None, _CHUNK):
                pass

    return write


def write_bytes(blocks: Iterator[bytes]) -> Callable[[int], None]:
    """A writer for `Placer.file` from blocks of bytes."""

    def write(target: int) -> None:
        for block in blocks:
            view = memoryview(block)
            while view:
                view = view[os.write(target, view) :]

    return write


def copy_xattrs(real: str, fd: int) -> None:
    """Give *fd* the extended attributes of *real*, except overlayfs's own; what the file system refuses is left out."""
    for name in os.listxattr(real, follow_symlinks=False):
        if name.startswith(_OVERLAY):
            continue
        try:
            os.setxattr(fd, name, os.getxattr(real, name, follow_symlinks=False))
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.EPERM):
                raise


def _dress(fd: int, attributes: Attributes) -> None:
    # chown(2) clears set-user-ID bits and file capabilities, so modes and attributes come after it.
    try:
        os.fchown(fd, attributes.uid, attributes.gid)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise unmapped_owner("a file of the image", attributes.uid, attributes.gid) from error
    os.fchmod(fd, stat.S_IMODE(attributes.mode))
    if attributes.xattrs:
        copy_xattrs(attributes.xattrs, fd)
    if attributes.mtime_ns >= 0:
        os.utime(fd, ns=(attributes.mtime_ns, attributes.mtime_ns))


def _not_a_directory(path: str) -> Invalid:
    return Invalid(
        f"cannot copy to non-directory: /{path}", hint="choose another destination, or remove the file first"
    )
