"""Copies found sources into an image: Dockerfile's rules for what lands where, who owns it, which mode and time it
keeps.

Rules: Dockerfile reference, "COPY". From the build context everything belongs to root, from a stage owners are kept;
--chown and --chmod win. A directory's contents are copied, not itself.
"""

from __future__ import annotations

import posixpath
import stat

from pier.build.place import Attributes, Placer, copy_content
from pier.build.sources import entries
from pier.errors import Invalid
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pier.build.ignore import Rules
    from pier.build.sources import Found
    from pier.build.tree import Node, Tree


class Manner(Record):
    """*owner* from --chown, *mode* from --chmod (-1 keeps), *keep_owners* for sources that are images."""

    owner: tuple[int, int] | None = None
    mode: int = -1
    keep_owners: bool = False

    def attributes(self, node: Node) -> Attributes:
        """What the copy of *node* gets."""
        status = node.stat
        uid, gid = self.owner or ((status.st_uid, status.st_gid) if self.keep_owners else (0, 0))
        kind = stat.S_IFMT(status.st_mode)
        mode = status.st_mode if self.mode < 0 or node.is_link else kind | self.mode
        xattrs = node.real if self.keep_owners and not node.is_link else ""
        return Attributes(mode=mode, uid=uid, gid=gid, mtime_ns=status.st_mtime_ns, xattrs=xattrs)


class Transfer:
    """Copies of one instruction from *tree* to *destination* (absolute; a trailing slash makes it a directory)."""

    def __init__(self, placer: Placer, tree: Tree, destination: str, manner: Manner) -> None:
        self._placer = placer
        self._tree = tree
        self._destination = destination
        self._manner = manner
        self._linked: dict[tuple[int, int], str] = {}
        self._dress: list[tuple[str, Attributes]] = []

    def copy(self, sources: Sequence[Found], excluded: Rules | None) -> None:
        """Copy all *sources*. Invalid when several would land on one file name."""
        if len(sources) > 1 and not self.into_directory():
            raise Invalid(
                f"{len(sources)} files match, but the destination is not a directory: {self._destination}",
                hint=f"end it with a slash: {self._destination}/",
            )
        for found in sources:
            if found.node.is_dir:
                self.contents(found, excluded)
            else:
                for _, node in entries(self._tree, found, excluded):
                    self.entry(*self.landing(found.name), node)
        for path, attributes in reversed(self._dress):
            self._placer.dress(path, attributes)

    def into_directory(self) -> bool:
        return self._destination.endswith("/") or self._placer.is_directory(self._destination)

    def landing(self, name: str) -> tuple[str, str]:
        """Directory and name for a single file called *name*."""
        if self.into_directory():
            return self.made(self._destination), name
        directory, last = posixpath.split(self._destination)
        return self.made(directory), last

    def contents(self, found: Found, excluded: Rules | None) -> None:
        """What is in the directory *found* goes into the destination."""
        places = {"": self.made(self._destination)}
        for name, node in entries(self._tree, found, excluded):
            parent, _, last = name.rpartition("/")
            if not node.is_dir:
                self.entry(places[parent], last, node)
                continue
            wanted = f"{places[parent]}/{last}".lstrip("/")
            places[name] = self._placer.directory(wanted)
            if places[name] == wanted:
                self._dress.append((wanted, self._manner.attributes(node)))

    def made(self, path: str) -> str:
        uid, gid = self._manner.owner or (0, 0)
        return self._placer.directory(path, uid=uid, gid=gid)

    def entry(self, directory: str, name: str, node: Node) -> None:
        """One entry that is no directory. Hard links between copied files of an image stay hard links."""
        attributes = self._manner.attributes(node)
        kind = stat.S_IFMT(node.stat.st_mode)
        if node.is_link:
            self._placer.symlink(directory, name, node.link_target(), attributes)
        elif node.is_file:
            inode = (node.stat.st_dev, node.stat.st_ino)
            shared = self._manner.keep_owners and node.stat.st_nlink > 1
            if shared and inode in self._linked and self._placer.link(directory, name, self._linked[inode]):
                return
            path = self._placer.file(directory, name, attributes, copy_content(node.real))
            if shared:
                self._linked[inode] = path
        elif kind != stat.S_IFSOCK:
            self._placer.node(directory, name, node.stat.st_rdev, attributes)
