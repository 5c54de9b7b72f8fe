"""Stop, kill, restart, wait for, rename and remove containers."""

from __future__ import annotations

import _socket
import os
import time

from pier.engine import create, listing, reconcile, records, removal
from pier.engine.start import Session, await_change, start
from pier.errors import Conflict, Invalid
from pier.kernel import lifetime, signals
from pier.runtime import frames
from pier.runtime.attach import SOCKET_NAME
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.engine.context import Engine
    from pier.model.container import Container, ContainerState
    from pier.runtime.relay import Relay

_KILL_SECONDS = 10.0


def connect(engine: Engine, container: Container, session: Session) -> Relay | None:
    """A relay to the running container's monitor; None when there is none any more."""
    folder = engine.paths.container_run(container.id)
    try:
        folder_fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        socket.connect(f"/proc/self/fd/{folder_fd}/{SOCKET_NAME}")
    except (FileNotFoundError, ConnectionRefusedError):
        socket.close()
        return None
    finally:
        os.close(folder_fd)
    return session.relay(engine, socket.detach())


def administer(engine: Engine, container: Container, kind: bytes) -> None:
    """Have the container's monitor do what the frame *kind* asks. Conflict when it has none any more."""
    relay = connect(engine, container, Session())
    if relay is None:
        raise Conflict(f"Container {container.id} is not running", why="it ended just now")
    try:
        relay.administer(kind)
    finally:
        relay.close()


def stop(engine: Engine, reference: str, *, grace: float | None = None, signal: str = "") -> Container:
    """The container has ended: its stop signal, then SIGKILL after *grace* seconds (default: the container's own;
    negative: never). Idempotent. Its restart policy rests until the next start."""
    container = listing.find(engine, reference)
    if not container.state.running and container.state.status != "restarting":
        return container
    wanted = _number(signal or container.spec.stop_signal)
    seconds = float(container.spec.stop_timeout) if grace is None else grace
    relay = connect(engine, container, Session())
    if relay is not None:
        try:
            _end(relay, wanted, seconds)
        finally:
            relay.close()
    engine.record("container", "stop", container.id, name=container.name, image=container.spec.image)
    return reconcile.load(engine, container.id) or container


def _end(relay: Relay, number: int, grace: float) -> None:
    """Signal the first process and, past *grace* (negative: never), kill it.

    All through the monitor: by the time a pid from the files is signalled, a restart may have made another.
    """
    relay.request_stop()
    relay.send_signal(number)
    if grace < 0:
        relay.run_quietly()
    elif relay.ended_within(grace) is None:
        relay.send_signal(signals.SIGKILL)
        relay.ended_within(_KILL_SECONDS)


def kill(engine: Engine, reference: str, signal: str = "KILL") -> Container:
    """Send *signal* to the container's first process. Conflict when it does not run."""
    container = listing.find(engine, reference)
    number = _number(signal)
    state = container.state
    if not state.running:
        raise Conflict(f"Cannot kill container: {reference}: Container {container.id} is not running")
    relay = connect(engine, container, Session()) if number == signals.SIGKILL else None
    try:
        if relay is not None:
            _end(relay, signals.SIGKILL, _KILL_SECONDS)
        else:
            _signal(state, number)
    except ProcessLookupError as exc:
        raise Conflict(f"Cannot kill container: {reference}: Container {container.id} is not running") from exc
    finally:
        if relay is not None:
            relay.close()
    engine.record("container", "kill", container.id, name=container.name, signal=str(number))
    return container


def _signal(state: ContainerState, number: int) -> None:
    """ProcessLookupError when the first process has ended."""
    pidfd = lifetime.open_pidfd(state.pid, state.pid_start)
    try:
        lifetime.send_signal(pidfd, number)
    finally:
        os.close(pidfd)


def _number(text: str) -> int:
    try:
        return signals.parse(text)
    except ValueError as exc:
        raise Invalid(f"Invalid signal: {text}", hint="signal(7) lists them, for example SIGTERM or HUP") from exc


def restart(engine: Engine, reference: str, *, grace: float | None = None, signal: str = "") -> Container:
    """The container was stopped, if it ran, and runs anew."""
    container = stop(engine, reference, grace=grace, signal=signal)
    started = start(engine, container.id)
    engine.record("container", "restart", container.id, name=container.name, image=container.spec.image)
    return started


def wait(engine: Engine, reference: str) -> int:
    """The exit code, once the container has ended; at once when it has."""
    container = listing.find(engine, reference)
    while container.state.running or container.state.status == "restarting":
        relay = connect(engine, container, Session(proxy_signals=False))
        if relay is not None:
            try:
                ending = relay.run_quietly()
            finally:
                relay.close()
            if not ending.lost:
                return ending.exit_code
        # The monitor no longer listens, but has not written the end down yet.
        await_change(container.state)
        now = reconcile.load(engine, container.id)
        if now is None:
            break
        container = now
    return container.state.exit_code


def remove(engine: Engine, reference: str, *, force: bool = False, volumes: bool = False) -> Container:
    """The container is gone, with its anonymous *volumes* when asked. Conflict while it runs, unless *force*."""
    container = listing.find(engine, reference)
    while True:
        if not _is_busy(container):
            if _remove_if_idle(engine, container, volumes=volumes):
                return container
        elif force:
            _kill_for_removal(engine, container)
        else:
            raise Conflict(
                f"cannot remove container {reference!r}: container is {container.state.status}:"
                " stop the container before removing or force remove",
                hint=f"pier stop {container.name}    or pier rm -f {container.name}",
            )
        fresh = reconcile.load(engine, container.id)
        if fresh is None:
            return container
        container = fresh


def _remove_if_idle(engine: Engine, container: Container, *, volumes: bool) -> bool:
    """Whether the container is gone. Looked at under the lock: another command may have started it meanwhile."""
    try:
        with records.lock(engine.paths, container.id):
            current = records.read(engine.paths, container.id)
            if _is_busy(current):
                return False
            removal.remove_files(engine, current, volumes=volumes)
    except FileNotFoundError:
        return True
    return True


def _is_busy(container: Container) -> bool:
    state = container.state
    return state.running or state.status == "restarting" or reconcile.monitor_alive(state)


def _kill_for_removal(engine: Engine, container: Container) -> None:
    """Neither the container nor its monitor is left."""
    relay = connect(engine, container, Session())
    if relay is not None:
        try:
            _end(relay, signals.SIGKILL, _KILL_SECONDS)
        finally:
            relay.close()
    state = container.state
    deadline = time.monotonic() + _KILL_SECONDS
    while reconcile.monitor_alive(state):
        try:
            pidfd = lifetime.open_pidfd(state.monitor_pid, state.monitor_start)
        except ProcessLookupError:
            return
        try:
            if lifetime.wait_for_exit(pidfd, 0.2):
                return
            if time.monotonic() > deadline:
                lifetime.send_signal(pidfd, signals.SIGKILL)
        finally:
            os.close(pidfd)


def rename(engine: Engine, reference: str, name: str) -> Container:
    """The container is now called *name*. Conflict when the name is in use."""
    container = listing.find(engine, reference)
    name = name.removeprefix("/")
    create.check_name(name)
    paths = engine.paths
    with records.lock(paths, container.id), records.names_lock(paths):
        spec = records.read(paths, container.id).spec
        if spec.name == name:
            raise Invalid("Renaming a container with the same name as its current name")
        holder = records.holder_of_name(paths, name)
        if holder:
            raise create.name_conflict(name, holder)
        with removal.trace(paths, spec.id):
            records.replace_name(paths, name, spec.id)
            records.write_spec(paths, spec.replace(name=name))
            files.unlink_quietly(f"{paths.names}/{spec.name}")
    if container.state.running:
        administer(engine, container, frames.RELOAD)
    engine.record("container", "rename", container.id, name=name, oldName=container.name)
    return container.replace(spec=container.spec.replace(name=name))
