"""Files as the database: atomic replacement, exclusive creation, advisory locks, removal that resumes.

Readers never see half a file. Durability against power loss is asked for by the caller (*sync*), because an fsync
costs more than a container start.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat

from pier.model import jsontext

_DEEP = 200

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self


def ensure_dir(path: str, mode: int = 0o700) -> str:
    """*path* exists and is a directory; missing parents get the same *mode*. Returns *path*."""
    try:
        os.mkdir(path, mode)
    except FileNotFoundError:
        ensure_dir(os.path.dirname(path), mode)
        ensure_dir(path, mode)
    except FileExistsError:
        if not os.path.isdir(path):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from None
    return path


def read_text(path: str) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        chunks = []
        while chunk := os.read(fd, 1 << 16):
            chunks.append(chunk)
    finally:
        os.close(fd)
    return b"".join(chunks).decode("utf-8")


def read_json(path: str) -> Any:
    """The JSON value in *path*. FileNotFoundError; ValueError when the text is not JSON."""
    return jsontext.loads(read_text(path))


def write_json(path: str, value: Any, *, mode: int = 0o600, sync: bool = False) -> None:
    """Replace *path* by the JSON of *value* in one rename(2)."""
    write_text(path, jsontext.dumps(value) + "\n", mode=mode, sync=sync)


def write_text(path: str, text: str, *, mode: int = 0o600, sync: bool = False, encoding: str = "utf-8") -> None:
    """Replace *path* by *text* in one rename(2); a failure leaves the old file and no temporary one."""
    temporary = f"{path}.{os.getpid()}~"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        try:
            _write_all(fd, text.encode(encoding))
            if sync:
                os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def sweep_temporary(folder: str) -> None:
    """The files that `write_text` had not finished in *folder* when its process ended are gone."""
    try:
        names = [name for name in os.listdir(folder) if name.endswith("~")]
    except FileNotFoundError:
        return
    for name in names:
        pid = name[:-1].rpartition(".")[2]
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            unlink_quietly(f"{folder}/{name}")


def create_exclusive(path: str, text: str, *, mode: int = 0o600) -> None:
    """Create *path* holding *text*, complete from the moment it exists. FileExistsError when another was first."""
    try:
        fd = os.open(os.path.dirname(path), os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, mode)
    except OSError as error:
        # File systems without O_TMPFILE (open(2)), and kernels that take it for O_DIRECTORY.
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            raise
        _create_by_name(path, text, mode)
        return
    try:
        _write_all(fd, text.encode("utf-8"))
        # A nameless file leaves nothing when we are killed. An absolute path makes *src_dir_fd* idle: it only has
        # os.link call linkat(2), which can follow the link in /proc.
        os.link(f"/proc/self/fd/{fd}", path, src_dir_fd=fd, follow_symlinks=True)
    finally:
        os.close(fd)


def _create_by_name(path: str, text: str, mode: int) -> None:
    temporary = f"{path}.{os.getpid()}~"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        try:
            _write_all(fd, text.encode("utf-8"))
        finally:
            os.close(fd)
        os.link(temporary, path)
    finally:
        os.unlink(temporary)


def append_line(path: str, line: str, *, mode: int = 0o600) -> None:
    """Append one line with one write(2) on O_APPEND: lines of concurrent writers do not mix."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, mode)
    try:
        _write_all(fd, line.encode("utf-8") + b"\n")
    finally:
        os.close(fd)


def exists(path: str) -> bool:
    """Whether *path* names anything; a dangling symlink does."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def unlink_quietly(path: str) -> bool:
    """*path* is gone. True when it was there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def list_dir(path: str) -> list[str]:
    """Names in *path*, sorted, without temporary files; empty when there is no such directory."""
    try:
        names = os.listdir(path)
    except FileNotFoundError:
        return []
    return sorted(name for name in names if not name.endswith("~"))


def remove_tree(path: str) -> None:
    """*path* and all below it are gone; nothing beyond a symlink or outside is touched. Idempotent.

    Directories deeper than a few hundred levels are lifted up first: neither fds nor the stack run out.
    """
    parent, name = os.path.split(path)
    try:
        parent_fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        lift = _Lift(parent_fd, name)
        while lift.names:
            _remove_at(parent_fd, lift.names.pop(), lift)
    finally:
        os.close(parent_fd)


class _Lift:
    """Where directories go that lie too deep: beside the tree's root, to be removed from there."""

    def __init__(self, top_fd: int, name: str) -> None:
        self.names = [name]
        self._top_fd = top_fd
        self._name = name
        self._count = 0

    def raise_up(self, parent_fd: int, name: str) -> None:
        self._count += 1
        lifted = f"{self._name}.{os.getpid()}.{self._count}~"
        try:
            os.rename(name, lifted, src_dir_fd=parent_fd, dst_dir_fd=self._top_fd)
        except FileNotFoundError:
            return
        self.names.append(lifted)


def _remove_at(parent_fd: int, name: str, lift: _Lift, depth: int = 0) -> None:
    try:
        if not stat.S_ISDIR(os.lstat(name, dir_fd=parent_fd).st_mode):
            os.unlink(name, dir_fd=parent_fd)
            return
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent_fd)
    except FileNotFoundError:
        return
    try:
        with os.scandir(fd) as entries:
            children = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for child, is_dir in children:
            if not is_dir:
                unlink_at(fd, child)
            elif depth < _DEEP:
                _remove_at(fd, child, lift, depth + 1)
            else:
                lift.raise_up(fd, child)
    finally:
        os.close(fd)
    try:
        os.rmdir(name, dir_fd=parent_fd)
    except FileNotFoundError:
        return


def unlink_at(dir_fd: int, name: str) -> None:
    """*name* in the directory is gone. Idempotent."""
    try:
        os.unlink(name, dir_fd=dir_fd)
    except FileNotFoundError:
        return


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


class FileLock:
    """An flock(2) on *path*, held while the `with` block runs. Dies with its process, so no lock outlives a kill -9."""

    def __init__(self, path: str, *, shared: bool = False, blocking: bool = True) -> None:
        self.path = path
        self._how = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if blocking else fcntl.LOCK_NB)
        self._fd = -1

    def __enter__(self) -> Self:
        """BlockingIOError when not *blocking* and another process holds it."""
        while True:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, self._how)
                if _same_file(fd, self.path):
                    self._fd = fd
                    return self
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._fd)
        self._fd = -1


def _same_file(fd: int, path: str) -> bool:
    """Whether *path* still names the file behind *fd*: the holder before may have removed it with its directory."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    here = os.fstat(fd)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
