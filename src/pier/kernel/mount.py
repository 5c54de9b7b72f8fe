"""Mounts: mount(2), umount2(2), pivot_root(2)."""

from __future__ import annotations

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
