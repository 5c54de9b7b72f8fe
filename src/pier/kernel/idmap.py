"""User and group ids across a user namespace: user_namespaces(7). Reads and writes maps; decides nothing."""

from __future__ import annotations

import os

_ALL_IDS = 0xFFFFFFFF


class IdMap:
    """Which ids exist here: *extents* are (first inside, first outside, count)."""

    __slots__ = ("extents",)

    def __init__(self, extents: tuple[tuple[int, int, int], ...]) -> None:
        self.extents = extents

    @property
    def nested(self) -> bool:
        """Whether this is another user namespace than the machine's first."""
        return self.extents != ((0, 0, _ALL_IDS),)

    @property
    def count(self) -> int:
        return sum(count for _, _, count in self.extents)

    @property
    def one_id(self) -> bool:
        """Whether root is the only user there can be."""
        return self.count == 1


def parse(text: str) -> IdMap:
    """The map in the text of /proc/<pid>/uid_map."""
    rows = (line.split() for line in text.splitlines())
    return IdMap(tuple((int(row[0]), int(row[1]), int(row[2])) for row in rows if len(row) == 3))


def current() -> IdMap:
    """The users of the namespace this process is in. Kernels without user namespaces have one, the first."""
    try:
        fd = os.open("/proc/self/uid_map", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return IdMap(((0, 0, _ALL_IDS),))
    try:
        return parse(os.read(fd, 1 << 14).decode())
    finally:
        os.close(fd)


def map_self_to_root(uid: int, gid: int) -> None:
    """*uid* and *gid*, this process's own outside, are root here, and nobody else exists.

    setgroups(2) is denied first: without it the kernel takes no gid map from an ordinary user.
    """
    for name, text in (("setgroups", "deny"), ("gid_map", f"0 {gid} 1"), ("uid_map", f"0 {uid} 1")):
        fd = os.open(f"/proc/self/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
