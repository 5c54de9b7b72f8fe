"""The way into the namespaces that a user's containers share: connect to their holder, or start one. Trusts nobody: the
folder with the holder's socket is the user's own, and closed to others.
"""

from __future__ import annotations

import _socket
import errno
import os

from pier.errors import Bug, PierError
from pier.kernel import namespaces
from pier.model.record import Record
from pier.runtime import handshake
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pier.runtime import egress, holder

SOCKET_NAME = "holder.sock"
LOCK_NAME = "holder.lock"


class Ids(Record):
    """What newuidmap(1) and newgidmap(1) are to be asked for: the programs, and (first, count) of the ranges."""

    newuidmap: str = ""
    newgidmap: str = ""
    users: tuple[tuple[int, int], ...] = ()
    groups: tuple[tuple[int, int], ...] = ()

    @property
    def full(self) -> bool:
        return bool(self.newuidmap and self.newgidmap and self.users and self.groups)


class Connection:
    """An open connection keeps the holder; it ends with its process."""

    def __init__(self, socket: _socket.socket) -> None:
        self._socket = socket

    def ask(self, wanted: str, **more: int) -> tuple[dict[str, Any], int]:
        """The holder's answer and the fd with it, or -1. OSError as the holder met it; ConnectionError: it is gone."""
        try:
            handshake.send(self._socket, {"want": wanted, **more})
        except BrokenPipeError as exc:
            raise ConnectionResetError(errno.ECONNRESET, "the holder of the namespaces is gone") from exc
        message, fd = handshake.receive(self._socket)
        if message is None:
            raise ConnectionResetError(errno.ECONNRESET, "the holder of the namespaces is gone")
        if "failed" in message:
            raise OSError(message["errno"], message["failed"])
        return message, fd

    def forget(self) -> None:
        """The fd was closed behind our back; its number may be another file's by now."""
        self._socket.detach()


def connect(run_folder: str) -> Connection | None:
    """None when no holder lives."""
    try:
        folder = os.open(run_folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC, 0)
    try:
        socket.connect(f"/proc/self/fd/{folder}/{SOCKET_NAME}")
    except (FileNotFoundError, ConnectionRefusedError):
        socket.close()
        return None
    finally:
        os.close(folder)
    return Connection(socket)


def find(run_folder: str) -> Connection | None:
    """The connection to a living holder that stays while it lasts; None when there is none."""
    # The holder takes the lock before it ends, so that nobody connects to one that is about to.
    with files.FileLock(f"{run_folder}/{LOCK_NAME}"):
        return connect(run_folder)


def begin(
    run_folder: str, ids: Ids, tools: egress.Tools, survivor: Callable[[], int], warn: Callable[[str], None]
) -> Connection:
    """The connection to a holder, which was started when there was none.

    *survivor*: the pid of a monitor that outlived its holder, or 0. OSError where the kernel gives no user namespace.
    """
    with files.FileLock(f"{run_folder}/{LOCK_NAME}"):
        connection = connect(run_folder)
        if connection is None:
            _start(run_folder, ids, tools, survivor(), warn)
            connection = connect(run_folder)
    if connection is None:
        raise Bug("the holder of the namespaces ended before it was needed")
    return connection


def enter(connection: Connection) -> None:
    """This process is in the shared user namespace from here on. It must have one thread (setns(2))."""
    _, user = connection.ask("user")
    try:
        namespaces.setns(user, namespaces.CLONE_NEWUSER)
    finally:
        os.close(user)


def _start(run_folder: str, ids: Ids, tools: egress.Tools, survivor: int, warn: Callable[[str], None]) -> None:
    from pier.runtime import holder

    beginning = _from_survivor(survivor) if survivor else holder.Beginning()
    ours, theirs = handshake.pair()
    first = os.fork()
    if first == 0:
        # Twice: the holder is nobody's child, and no command has to wait for it.
        if os.fork() == 0:
            ours.close()
            holder.become(run_folder, theirs, beginning, tools)
        os._exit(0)
    theirs.close()
    os.waitpid(first, 0)
    for fd in (beginning.user, beginning.network, *beginning.survivors):
        if fd >= 0:
            os.close(fd)
    try:
        _see_through(ours, ids, warn)
    finally:
        ours.close()


def _see_through(control: _socket.socket, ids: Ids, warn: Callable[[str], None]) -> None:
    while True:
        message, _ = handshake.receive(control)
        if message is None:
            raise Bug("the holder of the namespaces ended before it was ready")
        if "failed" in message:
            raise OSError(message["errno"], message["failed"])
        if "ready" in message:
            return
        handshake.send(control, {"mapped": ids.full and _map(message["made"], ids, warn)})


def _map(pid: int, ids: Ids, warn: Callable[[str], None]) -> bool:
    """Whether the ranges are root's and 1, 2 ... in the namespace of *pid*. The first id inside is the user's own."""
    for program, own, ranges in (
        (ids.newuidmap, os.geteuid(), ids.users),
        (ids.newgidmap, os.getegid(), ids.groups),
    ):
        words = [program, str(pid), "0", str(own), "1"]
        inside = 1
        for start, count in ranges:
            words += [str(inside), str(start), str(count)]
            inside += count
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        try:
            actions = [(os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)]
            child = os.posix_spawn(program, words, {}, file_actions=actions)
        except OSError as exc:
            raise PierError(f"cannot execute {program}", why=exc.strerror or "") from exc
        finally:
            os.close(null)
        _, status = os.waitpid(child, 0)
        if status:
            if program == ids.newgidmap:
                raise PierError(
                    "newgidmap refused the range of /etc/subgid",
                    hint="make the lines of /etc/subuid and /etc/subgid alike, and keep newgidmap setuid root",
                )
            warn("newuidmap refused the range of /etc/subuid (is it setuid root?): containers have one user id only")
            return False
    return True


def _from_survivor(pid: int) -> holder.Beginning:
    """The namespaces of a monitor whose holder was killed."""
    from pier.runtime import holder

    flags = os.O_RDONLY | os.O_CLOEXEC
    survivor = os.pidfd_open(pid)
    user = os.open(f"/proc/{pid}/ns/user", flags)
    network = -1
    if os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net"):
        network = os.open(f"/proc/{pid}/ns/net", flags)
    return holder.Beginning(user=user, network=network, survivors=(survivor,))
