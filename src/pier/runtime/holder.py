"""The process that keeps an ordinary user's namespaces while somebody needs them (place U).

It lives in the user namespace that all of the user's containers share, and in the machine's own network: so it can
also open sockets there for monitors, which live in the containers' shared network and cannot come back. Clients are
connections; when the last has gone and no more come for a moment, it ends. A killed holder is replaced from the
namespaces of a monitor that survived it.
"""

from __future__ import annotations

import _socket
import errno
import os
import select
import time

from pier.kernel import idmap, namespaces, process, signals
from pier.runtime import egress, handshake
from pier.runtime.shared import LOCK_NAME, SOCKET_NAME
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Never

_LINGER_SECONDS = 2.0
_BACKLOG = 128


class Beginning:
    """How a holder is to come to its namespaces: by making them, or (*user*, *network*: fds, or -1) by joining."""

    def __init__(self, *, user: int = -1, network: int = -1, survivors: tuple[int, ...] = ()) -> None:
        self.user = user
        self.network = network
        self.survivors = survivors


def become(run_folder: str, control: _socket.socket, beginning: Beginning, tools: egress.Tools) -> Never:
    """Turn this freshly forked process into the holder: *control* tells "made", awaits "mapped", tells "ready"."""
    code = 1
    try:
        kept = _detach(control, beginning)
        _enter(control, beginning, kept)
        holder = _Holder(run_folder, kept, tools)
        handshake.send(control, {"ready": True})
        control.close()
        holder.run()
        code = 0
    except OSError as error:
        handshake.send(control, {"failed": error.strerror or "", "errno": error.errno or 0})
    finally:
        os._exit(code)


class _Kept:
    """The fds that outlive `_detach`."""

    def __init__(self, network: int, survivors: tuple[int, ...]) -> None:
        self.network = network
        self.survivors = survivors


def _detach(control: _socket.socket, beginning: Beginning) -> _Kept:
    """Leave terminal, folder and every inherited fd but those that are needed: a lock on one would never be let go."""
    os.setsid()
    os.chdir("/")
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for number in (0, 1, 2):
        os.dup2(null, number, inheritable=True)
    needed = {control.fileno(), beginning.user, beginning.network, *beginning.survivors}
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in needed:
            try:
                os.close(int(name))
            except OSError as closed:
                if closed.errno != errno.EBADF:
                    raise
    for number in (signals.SIGINT, signals.SIGHUP, signals.SIGQUIT, signals.SIGPIPE):
        signals.ignore(number)
    os.umask(0o077)
    process.set_command_line("pier: namespaces")
    return _Kept(beginning.network, beginning.survivors)


def _enter(control: _socket.socket, beginning: Beginning, kept: _Kept) -> None:
    if beginning.user >= 0:
        namespaces.setns(beginning.user, namespaces.CLONE_NEWUSER)
        os.close(beginning.user)
        return
    uid, gid = os.geteuid(), os.getegid()
    namespaces.unshare(namespaces.CLONE_NEWUSER)
    handshake.send(control, {"made": os.getpid()})
    message, _ = handshake.receive(control)
    if message is None:
        os._exit(1)
    if not message["mapped"]:
        idmap.map_self_to_root(uid, gid)
    if message["mapped"]:
        # The map came from outside: our own ids are 0 already, the supplementary groups are the user's.
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)


class _Holder:
    def __init__(self, run_folder: str, kept: _Kept, tools: egress.Tools) -> None:
        self._run = run_folder
        self._network = kept.network
        self._survivors = set(kept.survivors)
        self._way_out = egress.WayOut(tools)
        self._clients: dict[int, _socket.socket] = {}
        self._poll = select.poll()
        self._listener = self._listen()
        for pidfd in self._survivors:
            self._poll.register(pidfd, select.POLLIN)
        if self._survivors and self._network >= 0:
            self._way_out.open(self._network)

    def _listen(self) -> _socket.socket:
        folder = os.open(self._run, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC, 0)
        try:
            # sun_path holds 108 bytes (unix(7)); the folder's own path may be longer.
            place = f"/proc/self/fd/{folder}/{SOCKET_NAME}"
            files.unlink_quietly(place)
            listener.bind(place)
            listener.listen(_BACKLOG)
        finally:
            os.close(folder)
        self._poll.register(listener.fileno(), select.POLLIN)
        return listener

    def run(self) -> None:
        """Returns once nobody has needed the namespaces for a moment; from then on nobody finds them."""
        idle_since = time.monotonic()
        while True:
            busy = bool(self._clients or self._survivors)
            ready = self._poll.poll(None if busy else int(_LINGER_SECONDS * 1000))
            for fd, _ in ready:
                self._handle(fd)
            if self._clients or self._survivors:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since >= _LINGER_SECONDS and self._retire():
                return

    def _retire(self) -> bool:
        """Whether the way in is closed. Those who come hold the lock until they are connected."""
        try:
            with files.FileLock(f"{self._run}/{LOCK_NAME}", blocking=False):
                waiting = select.poll()
                waiting.register(self._listener.fileno(), select.POLLIN)
                if waiting.poll(0):
                    return False
                files.unlink_quietly(f"{self._run}/{SOCKET_NAME}")
                self._way_out.close()
                return True
        except BlockingIOError:
            return False

    def _handle(self, fd: int) -> None:
        if fd == self._listener.fileno():
            number, _ = self._listener._accept()  # type: ignore[attr-defined]
            client = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, number)
            os.set_inheritable(number, False)
            self._clients[number] = client
            self._poll.register(number, select.POLLIN)
        elif fd in self._survivors:
            self._survivors.discard(fd)
            self._poll.unregister(fd)
            os.close(fd)
        elif fd in self._clients:
            self._serve(fd)

    def _serve(self, fd: int) -> None:
        client = self._clients[fd]
        message, _ = handshake.receive(client)
        if message is None:
            self._poll.unregister(fd)
            del self._clients[fd]
            client.close()
            return
        try:
            self._answer(client, message)
        except BrokenPipeError:
            # It ended before its answer came; the end of its connection is the next event.
            return
        except OSError as error:
            handshake.send(client, {"failed": error.strerror or "", "errno": error.errno or 0})

    def _answer(self, client: _socket.socket, message: dict[str, Any]) -> None:
        wanted = message["want"]
        if wanted == "user":
            user = os.open("/proc/self/ns/user", os.O_RDONLY | os.O_CLOEXEC)
            try:
                handshake.send(client, {"user": True}, user)
            finally:
                os.close(user)
        elif wanted == "network":
            if self._network < 0:
                self._network = make_network()
            handshake.send(client, {"network": True}, self._network)
        elif wanted == "socket":
            with_flags = message["kind"] | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
            made = _socket.socket(message["family"], with_flags, 0)
            try:
                handshake.send(client, {"socket": True}, made.fileno())
            finally:
                made.close()
        else:
            handshake.send(client, {"warning": self._way_out.open(self._network)})


def make_network() -> int:
    """An fd of a new network namespace with its loopback up, owned by this process's user namespace.

    Made by a child: this process could not come back to the machine's own (setns(2) asks its owner).
    """
    ours, theirs = handshake.pair()
    pid = os.fork()
    if pid == 0:
        _make_network(theirs)
    theirs.close()
    try:
        message, fd = handshake.receive(ours)
    finally:
        ours.close()
        os.waitpid(pid, 0)
    if message is None or "failed" in message:
        number = message["errno"] if message else errno.EIO
        raise OSError(number, os.strerror(number))
    return fd


def _make_network(control: _socket.socket) -> Never:
    from pier.kernel import netlink

    try:
        namespaces.unshare(namespaces.CLONE_NEWNET)
        with netlink.Netlink() as link:
            link.transact([netlink.set_up("lo")])
        handshake.send(control, {"network": True}, os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        handshake.send(control, {"failed": error.strerror or "", "errno": error.errno or 0})
    finally:
        os._exit(0)
