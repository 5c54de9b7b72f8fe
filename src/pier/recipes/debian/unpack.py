"""Packages' files into a new root file system. Writes below one directory fd, through directories it made itself.

No member's path is followed through a symlink: every parent is known to be a real directory, because this module made
it. The one exception is merged /usr (Debian policy 10.1), where /bin means /usr/bin by decree, not by following.
"""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import io
import os
import re
import tarfile

from pier.errors import Corrupt, Exhausted, Unavailable
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_DIRECTORY, _FILE, _LINK = "directory", "file", "link"
_MERGED = {"amd64": ("bin", "sbin", "lib", "lib64"), "arm64": ("bin", "sbin", "lib")}


class Filter(Record):
    """Which paths to leave out: shell patterns where "*" also matches "/" (dpkg(1), --path-exclude)."""

    exclude: tuple[str, ...] = ()
    include: tuple[str, ...] = ()


class Unpacked(Record):
    """What one package brought. *paths* as dpkg lists them; *md5* of the files asked for."""

    paths: tuple[str, ...]
    md5: dict[str, str] = {}


class RootTree:
    """The new root file system behind *root_fd*, an empty directory that nobody else writes to."""

    def __init__(self, root_fd: int, architecture: str, skip: Filter) -> None:
        self._root = root_fd
        self._owner = os.geteuid() == 0
        self._kinds: dict[str, str] = {"": _DIRECTORY}
        self._merged = _MERGED.get(architecture, ())
        self._exclude = _pattern(skip.exclude)
        self._include = _pattern(skip.include)
        self._directory("usr", 0o755)
        for name in self._merged:
            self._directory("usr/" + name, 0o755)
            os.symlink("usr/" + name, name, dir_fd=root_fd)

    def add(self, name: str, data: bytes, hash_paths: Iterable[str] = ()) -> Unpacked:
        """Unpack the data tar of the package *name*; hash the files *hash_paths* ("/etc/x") on the way."""
        wanted = set(hash_paths)
        listed: list[str] = []
        hashes: dict[str, str] = {}
        try:
            with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
                for member in archive:
                    shown = "/" + member.name.removeprefix(".").strip("/")
                    listed.append(shown if shown != "/" else "/.")
                    if self._excluded(shown):
                        continue
                    content = self._member(archive, member)
                    if shown in wanted and content is not None:
                        hashes[shown] = hashlib.md5(content, usedforsecurity=False).hexdigest()
        except tarfile.TarError as exc:
            raise Corrupt(f"the package {name} cannot be read", why=str(exc)) from exc
        except Corrupt as exc:
            raise Corrupt(f"the package {name} cannot be unpacked", why=exc.message) from exc
        except OSError as exc:
            raise _from_os(exc, name) from exc
        return Unpacked(paths=tuple(listed), md5=hashes)

    def put(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Write one file that belongs to no package, replacing what is there; make its parents."""
        path = self._place(path)
        self._parents(path)
        self._make_way(path)
        self._write(path, tarfile.TarInfo(), data, mode)

    def make(self, path: str) -> None:
        """*path* is a directory."""
        path = self._place(path)
        if self._kinds.get(path) != _DIRECTORY:
            self._parents(path)
            self._directory(path, 0o755)

    def _excluded(self, path: str) -> bool:
        return bool(self._exclude and self._exclude.match(path) and not (self._include and self._include.match(path)))

    def _place(self, name: str) -> str:
        """The path below the root where the member *name* goes. Corrupt for what would leave the root."""
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if ".." in parts or "\0" in name:
            raise Corrupt(f"it holds the path {name!r}")
        if parts and parts[0] in self._merged:
            parts.insert(0, "usr")
        return "/".join(parts)

    def _member(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | None:
        path = self._place(member.name)
        if not path:
            return None
        if member.isdir():
            if path not in self._kinds:
                self._parents(path)
                self._directory(path, member.mode)
                self._chown(path, member, member.mode)
            elif self._kinds[path] != _DIRECTORY:
                raise Corrupt(f"{path!r} is a {self._kinds[path]} in another package and a directory here")
            return None
        self._parents(path)
        self._make_way(path)
        if member.isreg():
            source = archive.extractfile(member)
            assert source is not None
            content = source.read()
            self._write(path, member, content, member.mode)
            return content
        if member.issym():
            os.symlink(member.linkname, path, dir_fd=self._root)
            self._kinds[path] = _LINK
            self._chown(path, member, None)
        elif member.islnk():
            self._hard_link(path, self._place(member.linkname))
        else:
            raise Corrupt(f"{path!r} is neither file, directory nor link")
        return None

    def _write(self, path: str, member: tarfile.TarInfo, content: bytes, mode: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(path, flags, 0o600, dir_fd=self._root)
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(fd, view) :]
            if self._owner and (member.uid or member.gid):
                os.fchown(fd, member.uid, member.gid)
            # chmod(2) after chown(2): a change of owner clears the set-user-id bit.
            os.fchmod(fd, mode & 0o7777)
            if member.mtime:
                os.utime(fd, (member.mtime, member.mtime))
        finally:
            os.close(fd)
        self._kinds[path] = _FILE

    def _hard_link(self, path: str, target: str) -> None:
        if self._kinds.get(target) != _FILE:
            raise Corrupt(f"{path!r} is a hard link to {target!r}, which is no file of the package")
        os.link(target, path, src_dir_fd=self._root, dst_dir_fd=self._root, follow_symlinks=False)
        self._kinds[path] = _FILE

    def _chown(self, path: str, member: tarfile.TarInfo, mode: int | None) -> None:
        if self._owner and (member.uid or member.gid):
            os.chown(path, member.uid, member.gid, dir_fd=self._root, follow_symlinks=False)
        if mode is not None:
            os.chmod(path, mode & 0o7777, dir_fd=self._root)

    def _parents(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        kind = self._kinds.get(parent)
        if kind == _DIRECTORY:
            return
        if kind is not None:
            raise Corrupt(f"{path!r} lies below {parent!r}, which is a {kind}")
        self._parents(parent)
        self._directory(parent, 0o755)

    def _directory(self, path: str, mode: int) -> None:
        os.mkdir(path, 0o700, dir_fd=self._root)
        os.chmod(path, mode & 0o7777, dir_fd=self._root)
        self._kinds[path] = _DIRECTORY

    def _make_way(self, path: str) -> None:
        """Remove what another package has put at *path*: a later package may replace its files (policy 7.6)."""
        kind = self._kinds.get(path)
        if kind == _DIRECTORY:
            raise Corrupt(f"{path!r} is a directory in another package and a file here")
        if kind is not None:
            os.unlink(path, dir_fd=self._root)


def _pattern(patterns: Iterable[str]) -> re.Pattern[str] | None:
    joined = "|".join(fnmatch.translate(pattern) for pattern in patterns)
    return re.compile(joined) if joined else None


def _from_os(exc: OSError, name: str) -> Exhausted | Unavailable:
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return Exhausted(f"no room to unpack the package {name}", why=os.strerror(exc.errno), hint="pier system df")
    return Unavailable(f"cannot unpack the package {name}", why=exc.strerror or str(exc))
