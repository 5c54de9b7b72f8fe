"""Owner, mode, xattrs and times of unpacked files, and the marks that overlayfs reads.

Extended attributes that steer a mount or a security module of the host are dropped; file capabilities and user.* stay.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from pier.errors import Corrupt, Unsupported
from pier.images.tar_reader import SYMLINK
from pier.kernel import fs, idmap

if TYPE_CHECKING:
    from collections.abc import Callable

    from pier.images.tar_reader import Member

_OPAQUE = ("trusted.overlay.opaque", "user.overlay.opaque")
_OVERLAY = ("trusted.overlay.", "user.overlay.")
_KEPT = ("security.capability", "user.")
_LATEST_NS = (1 << 33) * 1_000_000_000
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def is_kept(xattr: str) -> bool:
    """Whether the extended attribute belongs to the image: it goes into archives and comes out of them."""
    return xattr.startswith(_KEPT) and not xattr.startswith(_OVERLAY)


def is_overlay(xattr: str) -> bool:
    """Whether the attribute is overlayfs's own bookkeeping."""
    return xattr.startswith(_OVERLAY)


def is_opaque(xattr: str) -> bool:
    """Whether the attribute, set to "y", hides what lies below a directory."""
    return xattr in _OPAQUE


def is_whiteout(there: os.stat_result) -> bool:
    """A character device 0/0 says that the name is gone (kernel: overlayfs.rst)."""
    return stat.S_ISCHR(there.st_mode) and there.st_rdev == 0


def mark_opaque(directory_fd: int) -> None:
    """What lies below the directory is hidden."""
    try:
        os.setxattr(directory_fd, _OPAQUE[0], b"y")
    except PermissionError:
        # trusted.* needs CAP_SYS_ADMIN in the first user namespace (xattr(7)); overlayfs reads user.* in the others.
        os.setxattr(directory_fd, _OPAQUE[1], b"y")


def describe(fd: int, member: Member) -> bool:
    """The file behind *fd* gets all that *member* says; False where its owner does not exist here.

    Owner first: chown(2) clears setuid bits and capabilities.
    """
    owned = _give(member, lambda uid, gid: os.fchown(fd, uid, gid))
    os.fchmod(fd, member.mode)
    for name, value in member.xattrs.items():
        if is_kept(name):
            _set_xattr(fd, name, value)
    time_ns = min(max(member.mtime_ns, 0), _LATEST_NS)
    os.utime(fd, ns=(time_ns, time_ns))
    return owned


def describe_at(parent_fd: int, base: bytes, member: Member) -> bool:
    """The same for what cannot be opened: a symlink, a device, a fifo, made in *parent_fd* just now."""
    owned = _give(member, lambda uid, gid: os.chown(base, uid, gid, dir_fd=parent_fd, follow_symlinks=False))
    if member.kind != SYMLINK:
        os.chmod(base, member.mode, dir_fd=parent_fd)
    time_ns = min(max(member.mtime_ns, 0), _LATEST_NS)
    os.utime(base, ns=(time_ns, time_ns), dir_fd=parent_fd, follow_symlinks=False)
    return owned


def adopt_parents(target: str, implied: tuple[str, ...], lower_dirs: tuple[str, ...]) -> None:
    """Directories that a layer only passes through look as they do in the layers below (*lower_dirs*, bottom first).

    Without this an archive that holds `tmp/x` but not `tmp` would take the sticky bit off /tmp.
    """
    for path in implied:
        for lower in reversed(lower_dirs):
            there = _directory_status(lower, path)
            if there is not None:
                _copy_status(there, target, path)
                break


def _give(member: Member, chown: Callable[[int, int], None]) -> bool:
    """Whether the file has its owner now: not where root is the only user there can be."""
    if os.geteuid() != 0:
        return True
    # (uid_t) -1 means "leave it" to chown(2), so it cannot be an owner.
    if member.uid >= 0xFFFFFFFF or member.gid >= 0xFFFFFFFF:
        raise Corrupt(
            f"the layer's member {os.fsdecode(member.name)!r} cannot be unpacked",
            why=f"its owner {member.uid}:{member.gid} is beyond 32 bits",
        )
    try:
        chown(member.uid, member.gid)
    except OSError as exc:
        if exc.errno != errno.EINVAL:
            raise
        if idmap.current().one_id:
            return False
        raise unmapped_owner(f"the layer's member {os.fsdecode(member.name)!r}", member.uid, member.gid) from exc
    return True


def unmapped_owner(what: str, uid: int, gid: int) -> Unsupported:
    """The refusal of a file whose owner does not exist in this user namespace."""
    return Unsupported(
        f"{what} cannot be made",
        why=f"its owner {uid}:{gid} is not mapped into this user namespace",
        hint="`pier doctor` shows the command that gives your user a range of ids",
    )


def _set_xattr(fd: int, name: str, value: bytes) -> None:
    try:
        os.setxattr(fd, name, value)
    except OSError as exc:
        # A file system without xattrs, or an ordinary user: the file is there, less the attribute, as in Docker.
        if exc.errno != errno.ENOTSUP and (exc.errno != errno.EPERM or os.geteuid() == 0):
            raise


def _directory_status(root: str, path: str) -> os.stat_result | None:
    root_fd = os.open(root, _DIRECTORY)
    try:
        fd = fs.open_in_root(root_fd, path or ".", _DIRECTORY)
    except OSError:  # absent or something else than a directory: this layer says nothing about it
        return None
    finally:
        os.close(root_fd)
    try:
        return os.fstat(fd)
    finally:
        os.close(fd)


def _copy_status(there: os.stat_result, target: str, path: str) -> None:
    root_fd = os.open(target, _DIRECTORY)
    try:
        fd = fs.open_in_root(root_fd, path or ".", _DIRECTORY)
    finally:
        os.close(root_fd)
    try:
        if os.geteuid() == 0:
            os.fchown(fd, there.st_uid, there.st_gid)
        os.fchmod(fd, stat.S_IMODE(there.st_mode))
        os.utime(fd, ns=(there.st_mtime_ns, there.st_mtime_ns))
    finally:
        os.close(fd)
