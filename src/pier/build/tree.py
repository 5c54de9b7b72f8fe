"""A read-only view of stacked directories as overlayfs would merge them, or of one plain directory. Mounts nothing.

Whiteouts and opaque directories are those of the kernel's overlayfs documentation. Symlinks resolve inside the view:
no path leads out of it, whatever the image or the build context holds. Layers do not change while they are looked at.
"""

from __future__ import annotations

import errno
import os
import stat

from pier.errors import Invalid
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MAXIMUM_LINKS = 40
_OPAQUE = ("trusted.overlay.opaque", "user.overlay.opaque")


class Node(Record):
    """One entry: *path* in the view ("" is its root, no leading slash), where it really lies, and its lstat."""

    path: str
    real: str
    stat: os.stat_result

    @property
    def is_dir(self) -> bool:
        return stat.S_ISDIR(self.stat.st_mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.stat.st_mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.stat.st_mode)

    def link_target(self) -> str:
        """What a symlink says, as it is."""
        return os.readlink(self.real)


class Tree:
    """*layers*: directories, bottom first. *hides* leaves paths out; *overlay* says whether whiteouts mean anything."""

    def __init__(
        self, layers: tuple[str, ...], *, overlay: bool = True, hides: Callable[[str], bool] | None = None
    ) -> None:
        self.layers = layers
        self._overlay = overlay
        self._hides = hides
        self._dirs: dict[str, tuple[str, ...]] = {"": tuple(reversed(layers))}

    def find(self, path: str) -> Node | None:
        """The entry at *path* whose parents are real directories; its last part is not followed. None when absent."""
        path = path.strip("/")
        if not path:
            return Node(path="", real=self._dirs[""][0], stat=os.lstat(self._dirs[""][0])) if self.layers else None
        parent, _, name = path.rpartition("/")
        found = self._look(path, name, self._directories(parent))
        if found is None or (self._hides and self._hides(path) and not self._reveals_below(found)):
            return None
        return found

    def resolve(self, path: str, *, follow_last: bool = True) -> str:
        """*path* without symlinks and "..", as chroot(2) would see it; missing parts are kept. Invalid for a loop."""
        todo = _parts(path)[::-1]
        done: list[str] = []
        links = 0
        while todo:
            part = todo.pop()
            if part == "..":
                del done[-1:]
                continue
            done.append(part)
            node = self.find("/".join(done)) if todo or follow_last else None
            if node is None or not node.is_link:
                continue
            links += 1
            if links > _MAXIMUM_LINKS:
                raise Invalid(f"too many symbolic links in {path}")
            target = node.link_target()
            done = [] if target.startswith("/") else done[:-1]
            todo += _parts(target)[::-1]
        return "/".join(done)

    def follow(self, path: str) -> Node | None:
        """The entry that *path* leads to through symlinks; None when there is none."""
        return self.find(self.resolve(path))

    def children(self, path: str) -> list[Node]:
        """The entries of the directory *path*, sorted by name."""
        prefix = path + "/" if path else ""
        found: dict[str, Node] = {}
        gone: set[str] = set()
        for directory in self._directories(path):
            with os.scandir(directory) as entries:
                for entry in entries:
                    if entry.name in found or entry.name in gone:
                        continue
                    status = entry.stat(follow_symlinks=False)
                    if self._is_whiteout(status):
                        gone.add(entry.name)
                    else:
                        found[entry.name] = Node(path=prefix + entry.name, real=entry.path, stat=status)
        nodes = [found[name] for name in sorted(found)]
        if self._hides is None:
            return nodes
        return [node for node in nodes if not self._hides(node.path) or self._reveals_below(node)]

    def walk(self, path: str) -> Iterator[Node]:
        """Everything under the directory *path*, parents before children, in sorted order; links are not followed."""
        for node in self.children(path):
            yield node
            if node.is_dir:
                yield from self.walk(node.path)

    def read(self, path: str) -> bytes | None:
        """The content of the regular file that *path* leads to; None when there is none."""
        node = self.follow(path)
        if node is None or not node.is_file:
            return None
        with open(node.real, "rb") as stream:
            return stream.read()

    def refresh(self, path: str) -> None:
        """The directory *path* was just made in one of the layers."""
        self._dirs.pop(path, None)

    def _directories(self, path: str) -> tuple[str, ...]:
        """The real directories that merge into *path*, topmost first; empty when it is no directory."""
        known = self._dirs.get(path)
        if known is None:
            parent, _, name = path.rpartition("/")
            known = self._dirs[path] = tuple(self._merging(name, self._directories(parent)))
        return known

    def _merging(self, name: str, directories: tuple[str, ...]) -> Iterator[str]:
        for directory in directories:
            real = directory + "/" + name
            status = _lstat(real)
            if status is None:
                continue
            if not stat.S_ISDIR(status.st_mode):
                return
            yield real
            if self._overlay and _is_opaque(real):
                return

    def _look(self, path: str, name: str, directories: tuple[str, ...]) -> Node | None:
        for directory in directories:
            status = _lstat(directory + "/" + name)
            if status is not None:
                return None if self._is_whiteout(status) else Node(path=path, real=directory + "/" + name, stat=status)
        return None

    def _is_whiteout(self, status: os.stat_result) -> bool:
        return self._overlay and stat.S_ISCHR(status.st_mode) and status.st_rdev == 0

    def _reveals_below(self, node: Node) -> bool:
        return node.is_dir and any(True for _ in self.children(node.path))


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _lstat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _is_opaque(path: str) -> bool:
    for name in _OPAQUE:
        try:
            if os.getxattr(path, name, follow_symlinks=False) == b"y":
                return True
        except OSError as error:
            if error.errno not in (errno.ENODATA, errno.ENOTSUP, errno.EPERM):
                raise
    return False
