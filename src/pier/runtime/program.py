"""The last steps before execve(2), the same for a container's first process and for `exec`.

All of it runs after the root has changed: it imports nothing, asks no NSS, and reads the container's files as text.
"""

from __future__ import annotations

import errno
import os
import sys

from pier.errors import CommandNotFound, NotExecutable, Unsupported
from pier.kernel import fs, identity, process, ptrace, seccomp, signals
from pier.model.record import Record
from pier.runtime import users

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Never

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PASSWD_BYTES = 1 << 20
# The kernel follows five interpreters of scripts and gives up at the sixth (exec_binprm in fs/exec.c).
_LONGEST_CHAIN = 7


class Program(Record):
    """What to execute, as whom, and how confined. *capabilities* is a bit mask; *limits* are (name, soft, hard).

    *ids* (uid, gid, further groups) stand in for *user* where no file of the container is to be asked; *sets* tell the
    capability sets apart, *capabilities* being the bounding set then. *one_id*: root is the only user there can be.
    """

    argv: tuple[str, ...]
    env: tuple[str, ...] = ()
    cwd: str = "/"
    user: str = ""
    group_add: tuple[str, ...] = ()
    capabilities: int = 0
    last_capability: int = 40
    seccomp: bytes = b""
    no_new_privileges: bool = False
    limits: tuple[tuple[str, int, int], ...] = ()
    oom_score_adj: int = 0
    make_cwd: bool = True
    one_id: bool = False
    umask: int = 0o022
    ids: tuple[int, ...] = ()
    sets: identity.CapabilitySets | None = None
    seccomp_flags: int = 0


def seal() -> None:
    """No import can happen any more: from here on, files on sys.path would come out of the image."""
    sys.meta_path.clear()
    sys.path_hooks.clear()
    sys.path.clear()


def own_executable() -> tuple[int, int]:
    """Device and inode of this interpreter, which the container must not be made to execute."""
    status = os.stat("/proc/self/exe")
    return status.st_dev, status.st_ino


def vet(pid: int) -> None:
    """Let the child go that is held after its execve(2) (`ptrace.trace_me`), unless it became our own interpreter.

    `execute` looks at the file before, but a process of the container may exchange it between look and execve(2), and
    would own the program by which root runs pier as soon as nobody runs it (CVE-2019-5736). NotExecutable.
    """
    if not ptrace.await_exec(pid):
        return
    try:
        status = os.stat(f"/proc/{pid}/exe")
    except OSError:
        # Killed meanwhile; or unreadable, which our interpreter is not, and closed to an ordinary user.
        ptrace.let_go(pid)
        return
    if (status.st_dev, status.st_ino) == own_executable():
        ptrace.end(pid)
        raise NotExecutable("exec: the file leads to pier's own interpreter", why="it was exchanged at the last moment")
    ptrace.let_go(pid)


def identify(program: Program) -> users.Identity:
    """Who the program runs as, by the passwd and group files of the root we are in. Invalid."""
    passwd = _read_text("/etc/passwd")
    if program.ids:
        uid, gid, *groups = program.ids
        return users.Identity(uid=uid, gid=gid, groups=tuple(groups), home=users.home_of(uid, passwd))
    return users.identify(program.user, passwd, _read_text("/etc/group"), group_add=program.group_add)


def prepare(program: Program) -> tuple[users.Identity, dict[str, str]]:
    """Limits and working directory are set; who the program is and its environment are returned."""
    who = identify(program)
    for name, soft, hard in program.limits:
        _limit(name, soft, hard)
    if program.oom_score_adj:
        _write("/proc/self/oom_score_adj", str(program.oom_score_adj))
    if program.make_cwd:
        root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.close(fs.make_dirs_in_root(root, program.cwd))
        except (NotADirectoryError, FileExistsError) as exc:
            raise NotExecutable(f"the working directory {program.cwd} is not a directory") from exc
        except OSError as exc:
            if exc.errno != errno.EROFS:
                raise
        finally:
            os.close(root)
    env: dict[str, str] = {}
    for item in program.env:
        name, _, value = item.partition("=")
        env[name] = value
    env.setdefault("PATH", DEFAULT_PATH)
    if not env.get("HOME"):
        env["HOME"] = who.home
    return who, env


def drop_privileges(program: Program, who: users.Identity) -> None:
    """Become *who*, keep only the program's capabilities, and put the system call filter on."""
    identity.limit_bounding_set(program.capabilities, program.last_capability)
    if program.seccomp and not program.no_new_privileges:
        # Without no_new_privs a filter needs CAP_SYS_ADMIN, so it goes on before capabilities go (seccomp(2)).
        seccomp.install(program.seccomp, program.seccomp_flags)
    try:
        if program.sets is None:
            groups = None if program.one_id else who.groups
            identity.become(who.uid, who.gid, groups, program.capabilities)
        else:
            identity.become_holding(who.uid, who.gid, who.groups, program.sets)
    except OSError as exc:
        if exc.errno != errno.EINVAL:
            raise
        raise Unsupported(
            f"the program cannot run as user {who.uid}:{who.gid}",
            why="only one user id exists here" if program.one_id else "that id is outside the range of this user",
            hint="`pier doctor` shows the command that gives your user a range of ids",
        ) from exc
    if program.no_new_privileges:
        process.prctl(process.PR_SET_NO_NEW_PRIVS, 1)
        if program.seccomp:
            seccomp.install(program.seccomp, program.seccomp_flags)


def execute(program: Program, env: dict[str, str], forbidden: tuple[int, int]) -> Never:
    """Become the program. CommandNotFound, NotExecutable in Docker's words."""
    try:
        os.chdir(program.cwd)
    except OSError as exc:
        raise NotExecutable(f'chdir to cwd ("{program.cwd}") failed: {exc.strerror}') from exc
    path = find(program.argv[0], env["PATH"])
    _refuse_own_executable(path, forbidden)
    signals.restore_defaults()
    os.umask(program.umask)
    try:
        os.execve(path, list(program.argv), env)
    except FileNotFoundError as exc:
        raise CommandNotFound(
            f'exec: "{program.argv[0]}": no such file or directory', why=_missing_interpreter(path)
        ) from exc
    except OSError as exc:
        why, hint = "", ""
        if exc.errno == errno.ENOEXEC:
            why = "it is neither a program of this machine's architecture nor a script with a #! line"
            hint = f"check the image's architecture; this machine is {os.uname().machine}"
        raise NotExecutable(f'exec: "{program.argv[0]}": {_phrase(exc)}', why=why, hint=hint) from exc


def find(name: str, search: str) -> str:
    """The file execve(2) is to get for *name*, as execvp(3) would look it up."""
    if not name:
        raise NotExecutable('exec: "": the command is an empty word')
    if "/" in name:
        return name
    denied = ""
    for directory in search.split(":"):
        path = f"{directory or '.'}/{name}"
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
        if os.path.exists(path) and not os.path.isdir(path):
            denied = path
    if denied:
        raise NotExecutable(f'exec: "{name}": permission denied', why=f"{denied} has no execute permission")
    raise CommandNotFound(f'exec: "{name}": executable file not found in $PATH')


def _refuse_own_executable(path: str, forbidden: tuple[int, int]) -> None:
    """An image may name /proc/self/exe, also as a script's interpreter, to get hold of ours (CVE-2019-5736)."""
    for _ in range(_LONGEST_CHAIN):
        try:
            status = os.stat(path)
            if (status.st_dev, status.st_ino) == forbidden:
                raise NotExecutable(f'exec: "{path}": it leads to pier\'s own interpreter')
            first = _first_line(path)
        except OSError:
            return
        if not first.startswith(b"#!"):
            return
        words = first[2:].split()
        if not words:
            return
        path = os.fsdecode(words[0])


def _missing_interpreter(path: str) -> str:
    """Why execve(2) says ENOENT for a file that exists: its interpreter is missing, often for a carriage return."""
    try:
        first = _first_line(path)
    except OSError:
        return ""
    if first.startswith(b"#!"):
        name = first[2:].rstrip(b"\n").decode("utf-8", "replace").strip(" ")
        if name.endswith("\r"):
            return f"{path} exists, but its first line ends in CRLF, so its interpreter is {name!r}"
        return f"{path} exists, but its interpreter {name!r} does not"
    return f"{path} exists, but the loader it was linked for does not (another C library?)"


def _first_line(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(fd, 256).split(b"\n", 1)[0] + b"\n"
    finally:
        os.close(fd)


def _phrase(error: OSError) -> str:
    return (error.strerror or "failed").lower()


def _limit(name: str, soft: int, hard: int) -> None:
    try:
        process.set_limit(name, soft, hard)
    except OSError as exc:
        if exc.errno != errno.EPERM:
            raise
        present = process.get_limit(name)
        raise Unsupported(
            f"the limit {name}={soft}:{hard} cannot be set",
            why=f"this machine lets it be lowered only, and it is {present[0]}:{present[1]} here",
        ) from exc


def _read_text(path: str) -> str:
    """A file of the container as text; empty when it is absent. Only regular files: a FIFO would block."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(fd, _PASSWD_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(fd)


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
