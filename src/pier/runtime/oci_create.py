"""`create` and `start` of a container from a bundle: clone its first process, accompany it, let it go."""

from __future__ import annotations

import _socket
import os
import struct
import time

from pier.errors import Bug, Conflict, Invalid, NotFound, PierError
from pier.kernel import cgroup, identity, lifetime, namespaces, signals
from pier.model import jsontext, timestamps
from pier.model.record import Record
from pier.runtime import handshake, oci_groups, oci_hooks, oci_init, oci_read, security
from pier.runtime.oci_state import START_SOCKET, State, Store
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pier.runtime.oci_read import Configuration


class Wishes(Record):
    """How `create` was called. *console*: path of the socket that is to get the terminal's master, "" for none."""

    bundle: str
    console: str = ""
    pid_file: str = ""
    preserved: int = 0
    new_keyring: bool = True


class Created(Record):
    """A container that waits for `start`. *terminal*: its master, or -1; the caller owns it."""

    state: State
    terminal: int = -1


def facts() -> oci_read.Facts:
    """What this host offers to this process."""
    return oci_read.Facts(
        last_capability=identity.last_capability(),
        granted=identity.effective_capabilities(),
        hierarchies=oci_groups.hierarchies(files.read_text("/proc/self/mountinfo")),
    )


def load(bundle: str) -> dict[str, Any]:
    """config.json of *bundle*. NotFound, Invalid."""
    path = bundle + "/config.json"
    try:
        config = jsontext.loads(files.read_text(path))
    except FileNotFoundError as exc:
        raise NotFound(f"JSON specification file {path} not found", hint="runc spec writes one to begin with") from exc
    except ValueError as exc:
        raise Invalid(f"{path} is not JSON", why=str(exc)) from exc
    if not isinstance(config, dict):
        raise Invalid(f"{path} is not an object")
    return config


def read(config: dict[str, Any], identifier: str, bundle: str) -> Configuration:
    """The configuration for this host."""
    return oci_read.read(
        config, identifier=identifier, bundle=bundle, facts=facts(), compile_filter=security.compile_oci_filter
    )


def create(store: Store, identifier: str, wishes: Wishes, warn: Callable[[str], None]) -> Created:
    """The container exists and waits for `start`. PierError, and then nothing of it is left.

    The caller must have one thread.
    """
    config = load(wishes.bundle)
    wanted = read(config, identifier, wishes.bundle)
    _check_console(wanted, wishes)
    for warning in wanted.process.warnings:
        warn(warning)
    folder = store.claim(identifier)
    state = State(
        version=config["ociVersion"],
        id=identifier,
        bundle=wishes.bundle,
        created=timestamps.rfc3339(time.time_ns()),
        annotations=wanted.annotations,
        config=config,
    )
    try:
        state = state.replace(groups=oci_groups.make(facts().hierarchies, wanted.group))
        store.write(state)
        oci_groups.limit(state.groups, facts().hierarchies, wanted.limits)
        oci_groups.limit_devices(state.groups, facts().hierarchies, wanted.devices)
        created = _launch(store, state, wanted, wishes, folder)
    except BaseException as error:
        oci_groups.remove(state.groups)
        state_text = jsontext.dumps(store.told(state, status="stopped"))
        for failure in oci_hooks.run_all(wanted.hooks.get("poststop", ()), state_text):
            warn(failure.message)
        store.forget(identifier)
        if isinstance(error, OSError):
            raise PierError(f"cannot make the container: {error.strerror}", why=str(error)) from error
        raise
    if wishes.pid_file:
        files.write_text(wishes.pid_file, str(created.state.pid), mode=0o644)
    return created


def _check_console(wanted: Configuration, wishes: Wishes) -> None:
    if wishes.console and not wanted.plan.tty:
        raise Invalid("--console-socket has no meaning here", why="process.terminal is false")


def _launch(store: Store, state: State, wanted: Configuration, wishes: Wishes, folder: str) -> Created:
    ours, theirs = handshake.pair()
    listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC)
    place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    # Through /proc the name stays below the 108 bytes of unix(7) wherever the folder lies.
    listener.bind(f"/proc/self/fd/{place}/{START_SOCKET}")
    os.close(place)
    listener.listen(1)
    joins = _open_joins(wanted)
    home = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    # Made after the cgroups are entered: its root is where the process is at that moment (cgroup_namespaces(7)).
    later = wanted.plan.namespaces & namespaces.CLONE_NEWCGROUP
    legacy, unified = cgroup.split(state.groups)
    pid, pidfd = namespaces.clone(wanted.plan.namespaces & ~later, unified)
    if pid:
        # Hooks are born at home again (pid_namespaces(7): setns moves our children, not us).
        namespaces.setns(home, namespaces.CLONE_NEWPID)
    os.close(home)
    if pid == 0:
        ours.close()
        oci_init.run(
            wanted,
            theirs,
            listener,
            (0, 1, 2),
            groups=legacy,
            later=later,
            joins=joins,
            preserved=wishes.preserved,
            session_keyring=f"_ses.{state.id}" if wishes.new_keyring else "",
        )
    theirs.close()
    listener.close()
    for fd, _ in joins:
        os.close(fd)
    state = state.replace(pid=pid, started=lifetime.start_time(pid))
    try:
        terminal = _accompany(store, state, wanted, ours, pid)
        terminal = hand_over(terminal, wishes.console)
        store.write(state)
    except BaseException:
        lifetime.send_signal(pidfd, signals.SIGKILL)
        os.waitpid(pid, 0)
        raise
    finally:
        os.close(pidfd)
        ours.close()
    return Created(state=state, terminal=terminal)


def _open_joins(wanted: Configuration) -> tuple[tuple[int, int], ...]:
    """The namespaces to be joined, opened; a pid namespace is joined here, for it takes our children, not us."""
    joins = []
    for kind, path in wanted.joins:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            if kind == "pid":
                namespaces.setns(fd, namespaces.CLONE_NEWPID)
                os.close(fd)
                continue
        except OSError as exc:
            raise PierError(f"cannot join the {kind} namespace {path}", why=f"{exc.strerror}") from exc
        joins.append((fd, namespaces.FLAG_OF[kind]))
    return tuple(joins)


def _accompany(store: Store, state: State, wanted: Configuration, socket: _socket.socket, pid: int) -> int:
    """See the container through to its wait; its terminal's master, or -1."""
    terminal = -1
    while True:
        message, fd = handshake.receive(socket)
        if message is None:
            raise Bug("the container's first process ended before it was made", why=f"pid {pid}")
        if "error" in message:
            raise handshake.raised(message)
        if "terminal" in message:
            terminal = fd
        elif "ready" in message:
            told = store.told(state, status="creating")
            for kind in ("prestart", "createRuntime"):
                oci_hooks.run(wanted.hooks.get(kind, ()), jsontext.dumps(told))
            handshake.send(socket, {"state": told})
        elif "created" in message:
            return terminal


def hand_over(terminal: int, console: str) -> int:
    """The master goes through the console socket, when there is one; otherwise it is still ours."""
    if terminal < 0 or not console:
        return terminal
    socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        socket.connect(console)
        packed = struct.pack("i", terminal)
        socket.sendmsg([b"/dev/ptmx"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)], _socket.MSG_NOSIGNAL)
    except OSError as exc:
        raise PierError(f"cannot hand the terminal over through {console}", why=str(exc.strerror)) from exc
    finally:
        socket.close()
        os.close(terminal)
    return -1


def start(store: Store, identifier: str, warn: Callable[[str], None]) -> None:
    """The container's program runs. Conflict unless it was only created; what kept the program from running."""
    state = store.read(identifier)
    status = store.status(state)
    if status != "created":
        raise Conflict(f"cannot start a container in the {status} state")
    folder = store.folder(identifier)
    wanted = read(state.config, identifier, state.bundle)
    place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC)
    try:
        connection.connect(f"/proc/self/fd/{place}/{START_SOCKET}")
        os.unlink(START_SOCKET, dir_fd=place)
        handshake.send(connection, {"state": store.told(state, status="created")})
        executing = False
        while True:
            message, _ = handshake.receive(connection)
            if message is None:
                break
            if "error" in message:
                raise handshake.raised(message)
            executing = True
        if not executing:
            raise PierError("the container ended before its program began")
    except (ConnectionRefusedError, FileNotFoundError, BrokenPipeError) as exc:
        raise Conflict("cannot start a container that has stopped") from exc
    finally:
        os.close(place)
        connection.close()
    state_text = jsontext.dumps(store.told(state, status="running"))
    try:
        oci_hooks.run(wanted.hooks.get("poststart", ()), state_text)
    except PierError:
        kill(store, identifier, signals.SIGKILL)
        raise


def kill(store: Store, identifier: str, number: int, *, everyone: bool = False) -> None:
    """The container's first process, or *everyone* in it, gets the signal. Conflict when it does not run."""
    state = store.read(identifier)
    if everyone:
        oci_groups.signal_all(state.groups, number)
        return
    if store.status(state) == "stopped":
        raise Conflict("container not running", why=f"{identifier} has stopped")
    try:
        pidfd = lifetime.open_pidfd(state.pid, state.started)
    except ProcessLookupError as exc:
        raise Conflict("container not running", why=f"{identifier} has stopped") from exc
    try:
        lifetime.send_signal(pidfd, number)
    finally:
        os.close(pidfd)


def delete(store: Store, identifier: str, warn: Callable[[str], None], *, force: bool = False) -> None:
    """Nothing of the container is left. Conflict while it runs, unless *force*; then a missing one is no error."""
    try:
        state = store.read(identifier)
    except NotFound:
        if force:
            store.forget(identifier)
            return
        raise
    status = store.status(state)
    if status in ("running", "paused") and not force:
        raise Conflict(f"cannot delete container {identifier} that is not stopped: {status}", hint="delete --force")
    if status == "paused":
        oci_groups.freeze(state.groups, frozen=False)
    if status != "stopped" and state.pid:
        _end(state)
    oci_groups.remove(state.groups)
    hooks = oci_read.hooks_of(state.config)
    store.forget(identifier)
    text = jsontext.dumps(store.told(state, status="stopped", pid=0))
    for failure in oci_hooks.run_all(hooks.get("poststop", ()), text):
        warn(f"{failure.message}: {failure.why}" if failure.why else failure.message)


def _end(state: State) -> None:
    try:
        pidfd = lifetime.open_pidfd(state.pid, state.started)
    except ProcessLookupError:
        return
    try:
        lifetime.send_signal(pidfd, signals.SIGKILL)
        lifetime.wait_for_exit(pidfd, 10)
    finally:
        os.close(pidfd)
