"""Digests of what a step reads: names, kinds, modes and content, not times. Contents are remembered by their stat."""

from __future__ import annotations

import hashlib
import os
import stat
import time

from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pier.build.tree import Node

    Memo = dict[str, list[object]]

# A file changed within the clock tick of its hashing keeps its stat; such a young one is hashed again next time.
_SETTLED_NS = 100_000_000
_BLOCK = 1 << 20


class Contents:
    """SHA-256 of files, looked up by (device, inode, size, mtime, ctime) in the memo file *path*; saved on `save`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._new: Memo = {}
        self._used: Memo = {}
        try:
            self._memo: Memo = files.read_json(path)
        except (FileNotFoundError, ValueError):
            self._memo = {}

    def of(self, node: Node) -> str:
        """The digest of a regular file."""
        status = node.stat
        name = f"{status.st_dev}:{status.st_ino}"
        mark = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        known = self._memo.get(name)
        if known is not None and known[:3] == mark:
            self._used[name] = known
            return str(known[3])
        digest = file_digest(node.real)
        if time.time_ns() - status.st_ctime_ns > _SETTLED_NS:
            self._new[name] = [*mark, digest]
        return digest

    def save(self) -> None:
        """Write what was learnt; entries this build did not use are dropped with it."""
        if not self._new:
            return
        try:
            files.ensure_dir(os.path.dirname(self._path))
            files.write_json(self._path, {**self._used, **self._new})
        except OSError:
            # Not to be kept (a full disk) costs time only; what the build itself has to say is more important.
            return


def file_digest(path: str) -> str:
    """The hexadecimal SHA-256 of a file's content."""
    seen = hashlib.sha256()
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        while block := os.read(fd, _BLOCK):
            seen.update(block)
    finally:
        os.close(fd)
    return seen.hexdigest()


def entries_digest(entries: Iterable[tuple[str, Node]], contents: Contents, *, owners: bool) -> str:
    """One digest of named entries, in their order. *owners*: uid and gid count."""
    seen = hashlib.sha256()
    for name, node in entries:
        seen.update(_entry(node, name, contents, owners=owners))
    return seen.hexdigest()


def _entry(node: Node, name: str, contents: Contents, *, owners: bool) -> bytes:
    status = node.stat
    owner = f"{status.st_uid}:{status.st_gid}" if owners else ""
    if node.is_file:
        what = contents.of(node)
    elif node.is_link:
        what = os.readlink(node.real)
    else:
        what = str(status.st_rdev) if not stat.S_ISDIR(status.st_mode) else ""
    # The mode of a link means nothing; NUL separates, since no name holds it.
    mode = 0 if node.is_link else status.st_mode
    return f"{name}\0{mode:o}\0{owner}\0{what}\0\n".encode("utf-8", "surrogateescape")
