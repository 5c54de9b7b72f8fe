"""Half-made things: a folder that is removed with its owner, also when the owner was killed.

The owner holds an flock(2) on the folder itself. It dies with the process, so a sweep can tell what was left behind.
"""

from __future__ import annotations

import fcntl
import os

from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from pier.state.paths import Paths

_PREFIX = "scratch-"
_REMOVED = "removed-"


class Scratch:
    """`with Scratch(paths) as scratch:` gives an empty folder `scratch.path` on the store's file system."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._fd = -1
        self.path = ""

    def __enter__(self) -> Self:
        files.ensure_dir(self._paths.tmp)
        files.ensure_dir(self._paths.locks)
        with _making(self._paths):
            self.path = f"{self._paths.tmp}/{_PREFIX}{os.getpid()}-{os.urandom(4).hex()}"
            os.mkdir(self.path, 0o700)
            self._fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._fd, fcntl.LOCK_EX)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            files.remove_tree(self.path)
        finally:
            os.close(self._fd)


def sweep(paths: Paths) -> None:
    """Remove the folders of owners that are gone, and their unfinished files among images and layers."""
    for folder in (paths.images, paths.layers):
        files.sweep_temporary(folder)
    with _making(paths):
        for name in files.list_dir(paths.tmp):
            if name.startswith((_PREFIX, _REMOVED)):
                _remove_if_orphaned(f"{paths.tmp}/{name}")


def _remove_if_orphaned(path: str) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        files.remove_tree(path)
    except BlockingIOError:
        return
    finally:
        os.close(fd)


def _making(paths: Paths) -> files.FileLock:
    # Between mkdir and flock a new folder looks orphaned: sweeping and making exclude each other.
    return files.FileLock(paths.locks + "/scratch")
