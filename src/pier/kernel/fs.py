"""Paths inside a foreign tree, reached through a directory fd: openat2(2) with RESOLVE_IN_ROOT, or a walk that gives
the same answer on kernels (or outer sandboxes) without it. No path is ever joined as a string.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat

from pier.kernel import libc

_SYS_OPENAT2 = 437
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_IN_ROOT = 0x10
_MAXIMUM_LINKS = 40


class _How(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


def open_in_root(root_fd: int, path: str, flags: int, mode: int = 0) -> int:
    """Open *path* as if *root_fd* were "/": symlinks and ".." cannot leave it. O_CLOEXEC is set. OSError as open(2)."""
    flags |= os.O_CLOEXEC
    how = _How(flags, mode, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
    name = ctypes.create_string_buffer(os.fsencode(path) or b".")
    while True:
        try:
            return libc.syscall(
                _SYS_OPENAT2, root_fd, ctypes.addressof(name), ctypes.addressof(how), ctypes.sizeof(how)
            )
        except OSError as error:
            if error.errno == errno.EAGAIN:
                # openat2(2): a concurrent rename made ".." unsafe to judge; the call may simply be repeated.
                continue
            if error.errno not in (errno.ENOSYS, errno.EPERM):
                error.filename = path
                raise
            return walk_in_root(root_fd, path, flags, mode)


def walk_in_root(root_fd: int, path: str, flags: int, mode: int = 0) -> int:
    """`open_in_root` by hand: component after component with O_NOFOLLOW, symlinks resolved here."""
    trail: list[int] = []
    todo = _parts(path)
    links = 0
    follow_last = not flags & os.O_NOFOLLOW
    try:
        while todo:
            part = todo.pop()
            here = trail[-1] if trail else root_fd
            if part == ".":
                continue
            if part == "..":
                if trail:
                    os.close(trail.pop())
                continue
            target = _link_target(here, part) if todo or follow_last else None
            if target is not None:
                links += 1
                if links > _MAXIMUM_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                if target.startswith("/"):
                    _close_all(trail)
                todo += _parts(target)
                continue
            if not todo:
                return os.open(part, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=here)
            trail.append(os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here))
        return os.open(".", flags & ~os.O_CREAT | os.O_CLOEXEC, dir_fd=trail[-1] if trail else root_fd)
    finally:
        _close_all(trail)


def _parts(path: str) -> list[str]:
    """The components, last first. A slash at the end counts as ".": what is before it must be a directory."""
    parts = [part for part in path.split("/") if part]
    return (parts + ["."] if path.endswith("/") else parts)[::-1]


def _link_target(dir_fd: int, name: str) -> str | None:
    try:
        return os.readlink(name, dir_fd=dir_fd)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return None


def _close_all(fds: list[int]) -> None:
    while fds:
        os.close(fds.pop())


def make_dirs_in_root(root_fd: int, path: str, mode: int = 0o755) -> int:
    """An O_PATH fd of the directory *path* inside *root_fd*, made with its missing parents."""
    flags = os.O_PATH | os.O_DIRECTORY
    try:
        return open_in_root(root_fd, path, flags)
    except FileNotFoundError:
        parent, name = os.path.split(path.rstrip("/"))
        parent_fd = make_dirs_in_root(root_fd, parent, mode)
        try:
            try:
                os.mkdir(name, mode, dir_fd=parent_fd)
            except FileExistsError:
                # A dangling symlink has the name: make what it points to. Else it is "..", or another was faster.
                target = _link_target(parent_fd, name)
                if target is not None:
                    inner = target if target.startswith("/") else f"{parent}/{target}"
                    return make_dirs_in_root(root_fd, inner, mode)
        finally:
            os.close(parent_fd)
        return open_in_root(root_fd, path, flags)


def make_file_in_root(root_fd: int, path: str, mode: int = 0o644) -> int:
    """An O_PATH fd of the file *path* inside *root_fd*, made empty with its missing parents when it is absent."""
    try:
        return open_in_root(root_fd, path, os.O_PATH)
    except FileNotFoundError:
        os.close(make_dirs_in_root(root_fd, os.path.dirname(path)))
        os.close(open_in_root(root_fd, path, os.O_WRONLY | os.O_CREAT, mode))
        return open_in_root(root_fd, path, os.O_PATH)


def is_directory(fd: int) -> bool:
    return stat.S_ISDIR(os.fstat(fd).st_mode)


def name_of(fd: int) -> str:
    """A path by which the kernel reaches exactly the file behind *fd*, for calls that take no fd (proc(5))."""
    return f"/proc/self/fd/{fd}"
