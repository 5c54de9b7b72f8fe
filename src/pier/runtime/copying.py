"""Copy a directory of the container's root into an empty volume: owners, modes, times, extended attributes, links."""

from __future__ import annotations

import errno
import os
import stat

from pier.kernel import fs

_CHUNK = 1 << 30
_OVERLAY = ("trusted.overlay.", "user.overlay.")


def fill_volume(root_fd: int, path: str, volume: str) -> None:
    """*volume* (a host directory), when empty, becomes a copy of *path* inside *root_fd*. No effect when absent."""
    if os.listdir(volume):
        return
    try:
        source = fs.open_in_root(root_fd, path, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        target = os.open(volume, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            copy_tree(source, target)
        finally:
            os.close(target)
    finally:
        os.close(source)


def copy_tree(source_fd: int, target_fd: int) -> None:
    """What lies in one directory is put into the other, recursively, followed by the directory's own attributes."""
    for name in os.listdir(source_fd):
        status = os.lstat(name, dir_fd=source_fd)
        if stat.S_ISDIR(status.st_mode):
            os.mkdir(name, 0o700, dir_fd=target_fd)
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            inner_source = os.open(name, flags, dir_fd=source_fd)
            inner_target = os.open(name, flags, dir_fd=target_fd)
            try:
                copy_tree(inner_source, inner_target)
            finally:
                os.close(inner_source)
                os.close(inner_target)
        elif stat.S_ISREG(status.st_mode):
            _copy_file(source_fd, target_fd, name)
        elif stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(name, dir_fd=source_fd), name, dir_fd=target_fd)
            os.chown(name, status.st_uid, status.st_gid, dir_fd=target_fd, follow_symlinks=False)
        else:
            os.mknod(name, status.st_mode, status.st_rdev, dir_fd=target_fd)
            os.chown(name, status.st_uid, status.st_gid, dir_fd=target_fd, follow_symlinks=False)
    _copy_attributes(source_fd, target_fd)


def _copy_file(source_dir: int, target_dir: int, name: str) -> None:
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source_dir)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        target = os.open(name, flags, 0o600, dir_fd=target_dir)
        try:
            while os.sendfile(target, source, None, _CHUNK):
                continue
            _copy_attributes(source, target)
        finally:
            os.close(target)
    finally:
        os.close(source)


def _copy_attributes(source: int, target: int) -> None:
    status = os.fstat(source)
    os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    for name in os.listxattr(source):
        if name.startswith(_OVERLAY):
            continue
        try:
            os.setxattr(target, name, os.getxattr(source, name))
        except OSError as error:
            # EPERM: a label of the host's security module, which a user namespace may not write.
            if error.errno not in (errno.ENOTSUP, errno.EPERM):
                raise
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
