"""Mounts: mount(2), umount2(2), pivot_root(2)."""

from __future__ import annotations

import ctypes
import errno
import os

from pier.kernel import libc

# <linux/mount.h>
MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_NOSYMFOLLOW = 256
MS_NOATIME = 1024
MS_NODIRATIME = 2048
MS_BIND = 4096
MS_MOVE = 8192
MS_REC = 16384
MS_UNBINDABLE = 1 << 17
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MS_RELATIME = 1 << 21
MS_STRICTATIME = 1 << 24

# The same numbers on every architecture since Linux 5.2.
_SYS_OPEN_TREE = 428
_SYS_MOVE_MOUNT = 429
_SYS_MOUNT_SETATTR = 442
_OPEN_TREE_CLONE = 1
_OPEN_TREE_CLOEXEC = os.O_CLOEXEC
_AT_FDCWD = -100
_AT_SYMLINK_NOFOLLOW = 0x100
_AT_EMPTY_PATH = 0x1000
_AT_RECURSIVE = 0x8000
_MOVE_MOUNT_F_EMPTY_PATH = 0x04
_MOVE_MOUNT_T_EMPTY_PATH = 0x40
_MOUNT_ATTR_RDONLY = 1

MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

_mount = libc.function("mount", libc.c_char_p, libc.c_char_p, libc.c_char_p, libc.c_ulong, libc.c_char_p)
_umount2 = libc.function("umount2", libc.c_char_p, libc.c_int)
_pivot_root = libc.function("pivot_root", libc.c_char_p, libc.c_char_p)


def mount(source: str | None, target: str, kind: str | None, flags: int = 0, data: str | None = None) -> None:
    """mount(2)."""
    encode = libc.encode
    libc.check(_mount(encode(source), encode(target), encode(kind), flags, encode(data)), target)


def umount(target: str, flags: int = MNT_DETACH) -> None:
    """umount2(2)."""
    libc.check(_umount2(libc.encode(target), flags), target)


def pivot_root(new_root: str, put_old: str) -> None:
    """pivot_root(2)."""
    libc.check(_pivot_root(libc.encode(new_root), libc.encode(put_old)), new_root)


class _Attributes(ctypes.Structure):
    """struct mount_attr of <linux/mount.h>."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns")]


def take_tree(path: str, *, recursive: bool = False) -> int:
    """An fd of a detached copy of the mount at *path*; it stays in the peer group of a shared one (open_tree(2))."""
    name = ctypes.create_string_buffer(os.fsencode(path))
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | _AT_SYMLINK_NOFOLLOW | (_AT_RECURSIVE if recursive else 0)
    return libc.syscall(_SYS_OPEN_TREE, _AT_FDCWD & 0xFFFFFFFF, ctypes.addressof(name), flags)


def place_tree(tree: int, target: int) -> None:
    """Attach the detached mount *tree* at the file or directory behind the fd *target* (move_mount(2))."""
    empty = ctypes.create_string_buffer(b"")
    flags = _MOVE_MOUNT_F_EMPTY_PATH | _MOVE_MOUNT_T_EMPTY_PATH
    libc.syscall(_SYS_MOVE_MOUNT, tree, ctypes.addressof(empty), target, ctypes.addressof(empty), flags)


def make_read_only_below(target: int) -> bool:
    """The mount at the fd *target*, and those below it, cannot be written. False before Linux 5.12."""
    empty = ctypes.create_string_buffer(b"")
    wanted = _Attributes(set=_MOUNT_ATTR_RDONLY)
    flags = _AT_EMPTY_PATH | _AT_RECURSIVE
    try:
        libc.syscall(
            _SYS_MOUNT_SETATTR, target, ctypes.addressof(empty), flags, ctypes.addressof(wanted), ctypes.sizeof(wanted)
        )
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise
        return False
    return True
