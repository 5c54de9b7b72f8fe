"""Copy files and folders between two trees by the rules of `docker cp`. Each tree is reached through a directory fd
only, so that no symlink of a container leads out of it. Knows no container.
"""

from __future__ import annotations

import errno
import os
import stat

from pier.errors import Invalid, NotFound, PierError
from pier.kernel import fs
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Never

_CHUNK = 1 << 30


class Place(Record):
    """*path* in the tree behind the fd *root*. *spoken* is how a message names the tree: "container web"."""

    root: int
    path: str
    spoken: str

    def refuse(self, exc: OSError, name: str = "") -> Never:
        """The error for what the kernel refused at this place."""
        path = name or self.path
        if isinstance(exc, (FileNotFoundError, NotADirectoryError)):
            raise NotFound(f"Could not find the file {path} in {self.spoken}") from exc
        raise PierError(f"cannot copy {path} in {self.spoken}", why=exc.strerror or str(exc)) from exc


class Target(Record):
    """A directory, by its fd, and the name to copy to in it; "" for the directory itself."""

    folder: int
    name: str


def copy(source: Place, target: Place, *, follow: bool = False, owner: tuple[int, int] | None = None) -> None:
    """*source* is at *target*, as cp -a would put it there; a folder is merged into one that exists.

    *follow* copies what a symlink points to. *owner* is the (user, group) of all that is made; None keeps the source's.
    NotFound, Invalid for a folder onto a file.
    """
    node = open_source(source, follow=follow)
    try:
        is_folder = stat.S_ISDIR(os.fstat(node).st_mode)
        spot = _locate(source, target, is_folder=is_folder)
        try:
            if spot.name:
                _copy_node(node, spot.folder, spot.name, owner)
            else:
                _copy_children(node, spot.folder, owner)
        except OSError as exc:
            target.refuse(exc, exc.filename if isinstance(exc.filename, str) else "")
        finally:
            os.close(spot.folder)
    finally:
        os.close(node)


def open_source(source: Place, *, follow: bool) -> int:
    """An O_PATH fd of the source: of a symlink itself, unless *follow* or a slash behind it asks for its end."""
    through = follow or source.path.endswith(("/", "/."))
    try:
        node = fs.open_in_root(source.root, source.path, os.O_PATH | (0 if through else os.O_NOFOLLOW))
    except OSError as exc:
        source.refuse(exc)
    if source.path.endswith("/") and not stat.S_ISDIR(os.fstat(node).st_mode):
        os.close(node)
        raise Invalid(f"{source.path} in {source.spoken} is not a directory")
    return node


def _locate(source: Place, target: Place, *, is_folder: bool) -> Target:
    """Docker's table of sources and destinations."""
    flags = os.O_RDONLY | os.O_DIRECTORY
    try:
        folder = fs.open_in_root(target.root, target.path, flags)
    except FileNotFoundError:
        return _missing(target, is_folder=is_folder)
    except NotADirectoryError as exc:
        if is_folder:
            raise Invalid(
                f"cannot copy directory to {target.path} in {target.spoken}", why="there is a file of that name"
            ) from exc
        return _missing(target, is_folder=False)
    except OSError as exc:
        target.refuse(exc)
    if is_folder and source.path.endswith("/."):
        return Target(folder=folder, name="")
    return Target(folder=folder, name=os.path.basename(os.path.normpath(source.path)) if source.path != "/" else "")


def _missing(target: Place, *, is_folder: bool) -> Target:
    """The destination's own name is free, or a file's; its folder must exist."""
    if target.path.endswith("/") and not is_folder:
        raise NotFound(f"destination directory {target.path} must exist in {target.spoken}")
    parent, name = os.path.split(target.path.rstrip("/"))
    try:
        return Target(folder=fs.open_in_root(target.root, parent or "/", os.O_RDONLY | os.O_DIRECTORY), name=name)
    except OSError as exc:
        target.refuse(exc, parent or "/")


def _copy_node(node: int, folder: int, name: str, owner: tuple[int, int] | None) -> None:
    status = os.fstat(node)
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFDIR:
        _copy_folder(node, folder, name, owner)
    elif kind == stat.S_IFREG:
        _copy_file(node, folder, name, owner)
    elif kind == stat.S_IFLNK:
        make_room(folder, name)
        os.symlink(os.readlink("", dir_fd=node), name, dir_fd=folder)
        _own_link(folder, name, status, owner)
    elif kind != stat.S_IFSOCK:
        make_room(folder, name)
        os.mknod(name, status.st_mode, status.st_rdev, dir_fd=folder)
        _own_link(folder, name, status, owner)


def _own_link(folder: int, name: str, status: os.stat_result, owner: tuple[int, int] | None) -> None:
    user, group = owner or (status.st_uid, status.st_gid)
    os.chown(name, user, group, dir_fd=folder, follow_symlinks=False)


def make_room(folder: int, name: str) -> None:
    """Nothing but a directory has *name* any more. IsADirectoryError when one has it."""
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return


def _copy_folder(node: int, folder: int, name: str, owner: tuple[int, int] | None) -> None:
    try:
        os.mkdir(name, 0o700, dir_fd=folder)
        fresh = True
    except FileExistsError:
        fresh = False
    made = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        _copy_children(node, made, owner)
        if fresh:
            describe(made, os.fstat(node), owner)
    finally:
        os.close(made)


def _copy_children(node: int, folder: int, owner: tuple[int, int] | None) -> None:
    reader = os.open(fs.name_of(node), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in sorted(os.listdir(reader)):
            child = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=reader)
            try:
                _copy_node(child, folder, name, owner)
            finally:
                os.close(child)
    finally:
        os.close(reader)


def _copy_file(node: int, folder: int, name: str, owner: tuple[int, int] | None) -> None:
    source = os.open(fs.name_of(node), os.O_RDONLY | os.O_CLOEXEC)
    try:
        made = create_file(folder, name)
        try:
            while os.sendfile(made, source, None, _CHUNK):
                continue
            describe(made, os.fstat(source), owner)
        finally:
            os.close(made)
    finally:
        os.close(source)


def create_file(folder: int, name: str) -> int:
    """A writable fd of the empty file *name*; what had the name is replaced, and a mounted file written in place."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        make_room(folder, name)
    except OSError as exc:
        if exc.errno != errno.EBUSY:
            raise
        return os.open(name, flags | os.O_TRUNC, 0o600, dir_fd=folder)
    return os.open(name, flags | os.O_EXCL, 0o600, dir_fd=folder)


def describe(made: int, status: os.stat_result, owner: tuple[int, int] | None) -> None:
    """Owner, mode and times of *status* are those of the file behind *made*; chown(2) first, for it clears setuid."""
    user, group = owner or (status.st_uid, status.st_gid)
    os.fchown(made, user, group)
    os.fchmod(made, stat.S_IMODE(status.st_mode))
    os.utime(made, ns=(status.st_atime_ns, status.st_mtime_ns))
