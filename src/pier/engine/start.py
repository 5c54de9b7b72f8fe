"""Start a container: fork its monitor and wait until the program runs or says why it cannot."""

from __future__ import annotations

import _socket
import os
import time

from pier.engine import listing, reconcile, records
from pier.errors import Conflict, NotFound, PierError
from pier.kernel import lifetime
from pier.runtime import frames
from pier.runtime.relay import Relay
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.engine.context import Engine
    from pier.model.container import Container, ContainerState

_SETTLE_SECONDS = 10
_MOMENT_SECONDS = 0.02


class Session:
    """How the user wants to be connected to a container that is being started or attached to."""

    def __init__(
        self,
        *,
        terminal: bool = False,
        stdin: bool = False,
        output: bool = False,
        proxy_signals: bool = True,
        detach_keys: bytes = b"\x10\x11",
        shown: tuple[str, ...] = ("stdout", "stderr"),
    ) -> None:
        self.terminal = terminal
        self.stdin = stdin
        self.output = output
        self.proxy_signals = proxy_signals
        self.detach_keys = detach_keys
        self.shown = shown

    def relay(self, engine: Engine, fd: int) -> Relay:
        return Relay(
            fd,
            terminal=self.terminal,
            stdin=self.stdin,
            output=self.output,
            proxy_signals=self.proxy_signals,
            detach_keys=self.detach_keys,
            shown=self.shown,
            warn=engine.warn,
            note=engine.note,
        )


def start(engine: Engine, reference: str) -> Container:
    """The container runs; at once when it did already. NotFound, and what kept it from starting."""
    container = listing.find(engine, reference)
    if container.state.status == "paused":
        raise Conflict("cannot start a paused container, try unpause instead", hint=f"pier unpause {container.name}")
    if container.state.running:
        return container
    try:
        relay = begin(engine, container, Session())
    except Conflict:
        container = listing.find(engine, reference)
        if container.state.running:
            return container
        raise
    try:
        relay.wait_started()
    finally:
        relay.close()
    return reconcile.load(engine, container.id) or container


def begin(engine: Engine, container: Container, session: Session) -> Relay:
    """The relay to a new monitor that is starting *container*. `wait_started` tells how that went.

    The caller must have one thread.
    """
    starter = Starter(engine, session)
    try:
        return starter.start(container)
    except BaseException:
        starter.abandon()
        raise


class Starter:
    """A monitor that waits to be told its container: it loads its modules while the command does its own work.

    Ends by `start` or `abandon`. The caller must have one thread.
    """

    def __init__(self, engine: Engine, session: Session) -> None:
        self._engine = engine
        self._session = session
        self._ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
        self._pid = os.fork()
        if self._pid == 0:
            self._become_monitor(theirs.fileno())
        theirs.close()

    def _become_monitor(self, control: int) -> None:
        try:
            from pier.engine import keeper
            from pier.runtime import monitor

            engine = self._engine
            monitor.become(lambda name: keeper.open_keeper(engine, name), control, output=self._session.output)
        finally:
            os._exit(1)

    def start(self, container: Container) -> Relay:
        """Let the monitor start *container*. NotFound; Conflict while it runs or another command is at it."""
        engine = self._engine
        try:
            with records.lock(engine.paths, container.id):
                state = _settled(engine, container).state
                files.ensure_dir(engine.paths.container_run(container.id))
                claimed = state.replace(monitor_pid=self._pid, monitor_start=lifetime.start_time(self._pid))
                records.write_state(engine.paths, container.id, claimed)
                self._ours.send(frames.encode(frames.BEGIN, container.id.encode()))
        except FileNotFoundError as exc:
            raise NotFound(f"No such container: {container.name}") from exc
        except BrokenPipeError as exc:
            raise PierError("the container's monitor was killed before the container began", hint="try again") from exc
        return self._session.relay(engine, self._ours.detach())

    def abandon(self) -> None:
        """The monitor ends without having done anything. No effect after `start`."""
        if self._ours.fileno() >= 0:
            self._ours.close()
            os.waitpid(self._pid, 0)


def _settled(engine: Engine, container: Container) -> Container:
    """The container, no longer accompanied by the monitor of an earlier run. Conflict while it runs."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        current = records.read(engine.paths, container.id)
        state = current.state
        if not reconcile.monitor_alive(state):
            return current
        if state.running or state.status == "restarting":
            raise Conflict(f"container {container.name} is already running")
        if time.monotonic() > deadline:
            raise Conflict(f"container {container.name} is being started or stopped by another command")
        await_change(state)


def await_change(state: ContainerState) -> None:
    """The monitor has ended, or a moment has passed in which it may have written something."""
    try:
        pidfd = lifetime.open_pidfd(state.monitor_pid, state.monitor_start)
    except ProcessLookupError:
        return
    try:
        lifetime.wait_for_exit(pidfd, _MOMENT_SECONDS)
    finally:
        os.close(pidfd)
