"""Place U: an ordinary user's containers share one user namespace and one network namespace, kept by a holder."""

from __future__ import annotations

import _socket
import errno
import os

from pier.engine import place, reconcile, records
from pier.errors import Denied, PierError, Unavailable
from pier.kernel import idmap, namespaces
from pier.runtime import handshake, shared
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Never, TypeVar

    from pier.state.paths import Paths

    T = TypeVar("T")


class UserPlace(place.Place):
    """This process is root in the user's namespace; bridges are in another network than its own."""

    letter = "U"
    title = "an ordinary user, in a user namespace"
    isolation = "user namespace, namespaces, overlay, seccomp, dropped capabilities"

    def __init__(self, paths: Paths, connection: shared.Connection) -> None:
        super().__init__(idmap.current())
        self._run = paths.run
        self._connection = connection
        self._entered = self._stays = False
        self.open_upstream = self._open_upstream

    def stay(self) -> None:
        if self._stays:
            return
        self._stays = True
        # The monitor has closed every fd it inherited: the number is nobody's, or already another file's.
        self._connection.forget()
        self._connection = self._reach()

    def _reach(self) -> shared.Connection:
        connection = shared.connect(self._run)
        if connection is None:
            raise Unavailable("the holder of the namespaces has ended", hint="run the command again")
        return connection

    def enter_network(self) -> tuple[str, ...]:
        if not self._entered:
            _, network = self._connection.ask("network")
            try:
                namespaces.setns(network, namespaces.CLONE_NEWNET)
            finally:
                os.close(network)
            self._entered = True
        answer, _ = self._connection.ask("egress")
        return self._news(answer["warning"])

    def _news(self, warning: str) -> tuple[str, ...]:
        """*warning*, unless the last container of this store was warned of the same."""
        said = f"{self._run}/egress-warning"
        if not warning:
            files.unlink_quietly(said)
            return ()
        if files.exists(said) and files.read_text(said) == warning:
            return ()
        files.write_text(said, warning)
        return (f"{warning}; this is said once, and by pier doctor",)

    def on_network(self, act: Callable[[], T]) -> T | None:
        """By a child, when this process is not there itself: it could not come back. Its answer is JSON."""
        if self._entered:
            return act()
        _, network = self._connection.ask("network")
        ours, theirs = handshake.pair()
        pid = os.fork()
        if pid == 0:
            _answer(act, network, theirs)
        os.close(network)
        theirs.close()
        try:
            message, _ = handshake.receive(ours)
        finally:
            ours.close()
            os.waitpid(pid, 0)
        if message is None:
            return None
        if "error" in message:
            raise handshake.raised(message)
        result: T = message["result"]
        return result

    def _open_upstream(self, family: int, kind: int) -> _socket.socket:
        """A socket of the machine's own network. OSError when no holder can be reached."""
        try:
            _, fd = self._connection.ask("socket", family=family, kind=kind)
        except ConnectionError:
            # It was killed; a later command has perhaps started another.
            try:
                self._connection = self._reach()
            except Unavailable as exc:
                raise OSError(errno.ENETDOWN, os.strerror(errno.ENETDOWN)) from exc
            _, fd = self._connection.ask("socket", family=family, kind=kind)
        return _socket.socket(family, kind, 0, fd)


def _answer(act: Callable[[], object], network: int, socket: _socket.socket) -> Never:
    try:
        namespaces.setns(network, namespaces.CLONE_NEWNET)
        handshake.send(socket, {"result": act()})
    except BaseException as error:
        handshake.send(socket, handshake.describe(error, "on the shared network"))
    finally:
        os._exit(0)


def enter(paths: Paths, warn: Callable[[str], None]) -> UserPlace:
    """The place of an ordinary user. Unsupported where there are no user namespaces, Denied for a foreign store."""
    _check_owner(paths.run)
    connection = shared.find(paths.run) or _begin(paths, warn)
    try:
        shared.enter(connection)
    except OSError as exc:
        raise PierError(
            "cannot enter the namespaces of this user's containers",
            why=f"{exc.strerror}: they were made from another sandbox, or this process has more than one thread",
            hint="run pier where those containers were started, or stop them there",
        ) from exc
    return UserPlace(paths, connection)


def _begin(paths: Paths, warn: Callable[[str], None]) -> shared.Connection:
    from pier.engine import userfacts

    facts = userfacts.look()
    obstacle = facts.obstacle()
    if obstacle is not None:
        raise obstacle
    try:
        return shared.begin(paths.run, facts.ids, facts.tools, lambda: _survivor(paths), warn)
    except PierError:
        raise
    except OSError as exc:
        raise facts.refusal(exc) from exc


def _check_owner(folder: str) -> None:
    status = os.stat(folder)
    if status.st_uid != os.geteuid():
        raise Denied(
            f"the store's run folder {folder} belongs to user {status.st_uid}",
            why=f"this is user {os.geteuid()}, and every user has a store of their own",
            hint="leave --root and PIER_ROOT out, or name a folder of your own",
        )
    if status.st_mode & 0o022:
        raise Denied(f"others may write to the store's run folder {folder}", hint=f"chmod 700 {folder}")


def _survivor(paths: Paths) -> int:
    """The pid of a living monitor, by preference one on the shared network; 0 when there is none."""
    found = 0
    for container_id in records.ids(paths):
        try:
            state = records.read(paths, container_id).state
        except (FileNotFoundError, PermissionError):
            continue
        if reconcile.monitor_alive(state):
            found = state.monitor_pid
            if state.addresses:
                return found
    return found
