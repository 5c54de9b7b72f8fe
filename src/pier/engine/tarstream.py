"""A container's files as a tar archive, and back: `docker cp CONTAINER:/path -` and `docker cp - CONTAINER:/path`.

Trusts no path inside an archive: every member is reached through the destination's directory fd.
"""

from __future__ import annotations

import os
import stat
import tarfile
from typing import TYPE_CHECKING

from pier.engine.treecopy import Place, create_file, make_room, open_source
from pier.errors import Corrupt, Invalid
from pier.kernel import fs

if TYPE_CHECKING:
    from typing import BinaryIO

_TYPES = {
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
}


def write(source: Place, stream: BinaryIO, *, follow: bool = False) -> None:
    """*source* as a tar archive on *stream*, its own name at the top. NotFound."""
    node = open_source(source, follow=follow)
    name = os.path.basename(os.path.normpath(source.path)) or "."
    try:
        with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            _add(archive, node, name)
    except OSError as exc:
        source.refuse(exc)
    finally:
        os.close(node)


def _add(archive: tarfile.TarFile, node: int, name: str) -> None:
    status = os.fstat(node)
    kind = _TYPES.get(stat.S_IFMT(status.st_mode))
    if kind is None:
        return
    member = tarfile.TarInfo(name)
    member.type = kind
    member.mode, member.mtime = stat.S_IMODE(status.st_mode), int(status.st_mtime)
    member.uid, member.gid = status.st_uid, status.st_gid
    member.devmajor, member.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
    if kind == tarfile.SYMTYPE:
        member.linkname = os.readlink("", dir_fd=node)
    if kind == tarfile.REGTYPE:
        member.size = status.st_size
        with open(os.open(fs.name_of(node), os.O_RDONLY | os.O_CLOEXEC), "rb") as stream:
            archive.addfile(member, stream)
        return
    archive.addfile(member)
    if kind == tarfile.DIRTYPE:
        reader = os.open(fs.name_of(node), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for child_name in sorted(os.listdir(reader)):
                child = os.open(child_name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=reader)
                try:
                    _add(archive, child, f"{name}/{child_name}")
                finally:
                    os.close(child)
        finally:
            os.close(reader)


def read(stream: BinaryIO, target: Place, *, owner: tuple[int, int] | None = None) -> None:
    """The archive on *stream*, compressed or not, is unpacked below *target*, a folder that exists.

    NotFound where it does not; Corrupt where the bytes are no archive; Invalid for a member that leads out of it.
    """
    try:
        folder = fs.open_in_root(target.root, target.path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as exc:
        target.refuse(exc)
    try:
        with tarfile.open(fileobj=stream, mode="r|*") as archive:
            for member in archive:
                _extract(archive, member, folder, owner)
    except tarfile.TarError as exc:
        raise Corrupt("standard input is not a tar archive", why=str(exc)) from exc
    except OSError as exc:
        target.refuse(exc, exc.filename if isinstance(exc.filename, str) else "")
    finally:
        os.close(folder)


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: int, owner: tuple[int, int] | None) -> None:
    path = os.path.normpath("/" + member.name)
    if ".." in member.name.split("/"):
        raise Invalid(f"the archive's member {member.name} leads out of the folder")
    if path == "/":
        return
    parent_path, name = os.path.split(path)
    parent = fs.make_dirs_in_root(folder, parent_path)
    try:
        _make(archive, member, folder, parent, name)
        user, group = owner or (member.uid, member.gid)
        os.chown(name, user, group, dir_fd=parent, follow_symlinks=False)
        if not member.issym() and not member.islnk():
            # fchmodat(2) has no flag against symlinks before Linux 6.6: go through an fd of the entry itself.
            made = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
            try:
                os.chmod(fs.name_of(made), member.mode & 0o7777)
                os.utime(fs.name_of(made), (member.mtime, member.mtime))
            finally:
                os.close(made)
    finally:
        os.close(parent)


def _make(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: int, parent: int, name: str) -> None:
    if member.isdir():
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(name, dir_fd=parent).st_mode):
                raise
        return
    if member.isreg():
        content = archive.extractfile(member)
        with open(create_file(parent, name), "wb") as made:
            while content and (chunk := content.read(1 << 20)):
                made.write(chunk)
        return
    make_room(parent, name)
    if member.issym():
        os.symlink(member.linkname, name, dir_fd=parent)
    elif member.islnk():
        there = fs.open_in_root(folder, member.linkname, os.O_PATH | os.O_NOFOLLOW)
        try:
            os.link(fs.name_of(there), name, dst_dir_fd=parent, follow_symlinks=True)
        finally:
            os.close(there)
    elif member.isfifo():
        os.mkfifo(name, 0o600, dir_fd=parent)
    else:
        kind = stat.S_IFCHR if member.ischr() else stat.S_IFBLK
        os.mknod(name, kind | 0o600, os.makedev(member.devmajor, member.devminor), dir_fd=parent)
