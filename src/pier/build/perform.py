"""Makes the layer of one step: runs a command, copies files, makes a working directory. Decides nothing about
caching.
"""

from __future__ import annotations

import os
import posixpath
import stat

from pier.build import sources
from pier.build.context import Opened
from pier.build.digest import Contents, entries_digest
from pier.build.hostenv import HostEnvironment
from pier.build.place import Attributes, Placer, copy_content, write_bytes
from pier.build.sources import Found, Origin
from pier.build.transfer import Manner, Transfer
from pier.build.tree import Tree
from pier.errors import Invalid, Unsupported
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pier.build.download import Download
    from pier.build.ignore import Rules
    from pier.build.steps import CopyPlan

_URL = ("http://", "https://")
_GIT = ("git@", "git://", "ssh://")


class Selected(Record):
    """What one COPY or ADD found: files of a tree and fetched ones. *digest* covers all of it."""

    NESTED = {"origin": Origin, "found": Found}

    origin: Origin
    found: tuple[Found, ...]
    downloads: tuple[Download, ...] = ()
    excluded: Rules | None = None
    digest: str


class Selector:
    """Finds the sources of COPY and ADD. *downloads* is a folder for fetched files; *warn* tells of empty patterns."""

    def __init__(
        self, opened: Opened, contents: Contents, downloads: str, host: HostEnvironment, warn: Callable[[str], None]
    ) -> None:
        self._opened = opened
        self._contents = contents
        self._downloads = downloads
        self._host = host
        self._warn = warn

    def select(self, copy: CopyPlan, origin: Origin) -> Selected:
        """The sources of *copy* in *origin*. NotFound for one that is not there."""
        found: list[Found] = []
        downloads: list[Download] = []
        for word in copy.sources:
            if copy.adding and _is_git(word):
                raise Unsupported(f"ADD {word}: git repositories are not supported", hint="RUN git clone …")
            if copy.adding and word.startswith(_URL):
                downloads.append(self._fetch(word, copy))
                continue
            matches = sources.find(origin, word)
            if not matches:
                self._warn(f"{word} matches no file")
            found += matches
        excluded = _excluded(copy.exclude)
        lines = [f"{item.name}={item.digest}" for item in downloads]
        for item in found:
            listed = sources.entries(origin.tree, item, excluded)
            digest = entries_digest(listed, self._contents, owners=bool(copy.source_stage))
            lines.append(f"{'' if item.node.is_dir else item.name}:{digest}")
        return Selected(
            origin=origin, found=tuple(found), downloads=tuple(downloads), excluded=excluded, digest="\n".join(lines)
        )

    def bound(self, source: str, origin: Origin, *, owners: bool) -> str:
        """The digest of a bind mount's source."""
        found = sources.find(origin, source or "/")
        listed = (entry for item in found for entry in sources.entries(origin.tree, item))
        return entries_digest(listed, self._contents, owners=owners)

    def _fetch(self, url: str, copy: CopyPlan) -> Download:
        from pier.build import download

        last = posixpath.basename(copy.destination)
        name = last if last else download.file_name(url)
        os.makedirs(self._downloads, exist_ok=True)
        return download.fetch(url, self._downloads, copy.checksum, ca_bundle=self._host.ca_bundle, name=name)


def place(copy: CopyPlan, selected: Selected, layers: tuple[str, ...], upper: str) -> None:
    """Write what *selected* holds into *upper*, as *copy* asks. Invalid for a destination that cannot take it."""
    below = Tree(layers)
    dress_root(below, upper)
    manner = Manner(owner=owner_of(copy.chown, below), mode=copy.mode, keep_owners=bool(copy.source_stage))
    with Placer(layers, upper) as placer:
        transfer = Transfer(placer, selected.origin.tree, copy.destination, manner)
        plain = []
        for found in selected.found:
            if _to_unpack(copy, found):
                _unpack(found.node.real, found.name, placer, copy, manner)
            else:
                plain.append(found)
        transfer.copy(plain, selected.excluded)
        for item in selected.downloads:
            _place_download(item, placer, transfer, copy, manner)
        for document in copy.inline:
            attributes = _plain_attributes(manner, 0o644, -1)
            directory, name = transfer.landing(document.name)
            placer.file(directory, name, attributes, write_bytes(iter([document.text.encode()])))


def make_directory(path: str, layers: tuple[str, ...], upper: str, owner: str = "") -> bool:
    """The directory *path* in *upper*, its missing parts belonging to *owner*; False when the image has it already."""
    view = Tree(layers)
    node = view.follow(path)
    if node is not None and node.is_dir:
        return False
    dress_root(view, upper)
    uid, gid = owner_of(owner, view) or (0, 0)
    with Placer(layers, upper) as placer:
        placer.directory(path, uid=uid, gid=gid)
    return True


def dress_root(below: Tree, upper: str) -> None:
    """The upper's own directory is the image's "/": it looks like the one below it."""
    node = below.find("") if below.layers else None
    os.chown(upper, node.stat.st_uid if node else 0, node.stat.st_gid if node else 0)
    os.chmod(upper, stat.S_IMODE(node.stat.st_mode) if node else 0o755)


def owner_of(text: str, below: Tree) -> tuple[int, int] | None:
    """--chown: numbers stand for themselves, one alone for both; names are looked up in the image's files, as text."""
    if not text:
        return None
    user, colon, group = text.partition(":")
    if user.isdigit() and (not colon or group.isdigit()):
        return int(user), int(group or user)
    from pier.runtime.users import identify

    passwd = (below.read("etc/passwd") or b"").decode("utf-8", "replace")
    groups = (below.read("etc/group") or b"").decode("utf-8", "replace")
    who = identify(f"{user}:{group or user}" if user.isdigit() else text, passwd, groups)
    return who.uid, who.gid


def _excluded(patterns: tuple[str, ...]) -> Rules | None:
    if not patterns:
        return None
    from pier.build import ignore

    return ignore.parse("\n".join(patterns), "--exclude")


def _is_git(word: str) -> bool:
    return word.startswith(_GIT) or (word.startswith(_URL) and word.partition("#")[0].endswith(".git"))


def _to_unpack(copy: CopyPlan, found: Found) -> bool:
    if not copy.adding or copy.unpack is False or not found.node.is_file or found.node.stat.st_size == 0:
        return False
    from pier.build.archive import is_archive

    return is_archive(found.node.real)


def _unpack(real: str, name: str, placer: Placer, copy: CopyPlan, manner: Manner) -> None:
    from pier.build import archive

    with open(real, "rb") as stream:
        archive.unpack(stream, placer, copy.destination, manner.owner, spoken=name)


def _place_download(item: Download, placer: Placer, transfer: Transfer, copy: CopyPlan, manner: Manner) -> None:
    if copy.unpack:
        _unpack(item.real, item.name, placer, copy, manner)
        return
    if not copy.destination.endswith("/") and placer.is_directory(copy.destination):
        raise Invalid(f"cannot replace the directory {copy.destination} with a file", hint="end it with a slash")
    directory, name = transfer.landing(item.name)
    placer.file(directory, name, _plain_attributes(manner, 0o600, item.mtime_ns), copy_content(item.real))


def _plain_attributes(manner: Manner, mode: int, mtime_ns: int) -> Attributes:
    uid, gid = manner.owner or (0, 0)
    return Attributes(mode=mode if manner.mode < 0 else manner.mode, uid=uid, gid=gid, mtime_ns=mtime_ns)
