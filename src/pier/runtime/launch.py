"""Start a plan: clone its first process, connect it from outside, and see it through to execve(2)."""

from __future__ import annotations

import os

from pier.errors import Bug, PierError
from pier.kernel import cgroup, lifetime, namespaces, signals
from pier.model.record import Record
from pier.runtime import birth, handshake, init, program

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable

    from pier.runtime.plan import Plan


class Launched(Record):
    """A container's first process, executing its program. *terminal*: its master fd, or -1. The caller owns the fds."""

    pid: int
    pidfd: int
    started: int
    terminal: int = -1


class Connections(Record):
    """What joins the container to the host: *attach* is called here with its network namespace (a path),
    *configure* inside it before it loses its capabilities. *cgroups* are directories it is moved into."""

    attach: Callable[[str], None]
    configure: Callable[[], None]
    cgroups: tuple[str, ...] = ()


def launch(plan: Plan, stdio: tuple[int, int, int], connections: Connections) -> Launched:
    """Run *plan* with *stdio* as its 0, 1 and 2 (ignored when it has a terminal). PierError, and then nothing runs.

    The caller must have one thread.
    """
    ours, theirs = handshake.pair()
    legacy, unified = cgroup.split(connections.cgroups)
    # Made after the cgroups are entered: its root is where the process is at that moment (cgroup_namespaces(7)).
    later = plan.namespaces & namespaces.CLONE_NEWCGROUP
    pid, pidfd = _clone(plan, plan.namespaces & ~later, unified)
    if pid == 0:
        ours.close()
        _enter_cgroups(legacy, later, theirs)
        if "ipc" in plan.joins:
            _join(plan.joins["ipc"], namespaces.CLONE_NEWIPC, theirs, "IPC")
        if plan.join_network:
            _join(plan.join_network, namespaces.CLONE_NEWNET, theirs, "network")
        init.run(plan, theirs, stdio, connections.configure)
    theirs.close()
    try:
        terminal = _accompany(ours, pid, connections, hand_over_network=plan.hand_over_network)
    except BaseException:
        lifetime.send_signal(pidfd, signals.SIGKILL)
        os.close(pidfd)
        os.waitpid(pid, 0)
        raise
    finally:
        ours.close()
    return Launched(pid=pid, pidfd=pidfd, started=lifetime.start_time(pid), terminal=terminal)


def _enter_cgroups(paths: tuple[str, ...], flags: int, socket: _socket.socket) -> None:
    try:
        cgroup.enter(paths)
        namespaces.unshare(flags)
    except OSError as error:
        handshake.send(socket, handshake.describe(error, "entering its control groups"))
        os._exit(1)


def _clone(plan: Plan, flags: int, unified: str) -> tuple[int, int]:
    """clone(2), into the PID namespace that the plan joins: setns(2) moves our children there, not us."""
    path = plan.joins.get("pid", "")
    if not path:
        return namespaces.clone(flags, unified)
    there = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return birth.clone_into(lambda: namespaces.setns(there, namespaces.CLONE_NEWPID), flags, unified)
    finally:
        os.close(there)


def _join(path: str, flag: int, socket: _socket.socket, what: str) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        namespaces.setns(fd, flag)
        os.close(fd)
    except OSError as error:
        handshake.send(socket, handshake.describe(error, f"joining the other container's {what}"))
        os._exit(1)


def _accompany(socket: _socket.socket, pid: int, connections: Connections, *, hand_over_network: bool) -> int:
    """Connect the container while it sets itself up, let it go on, and return its terminal or -1."""
    handed = -1
    if hand_over_network:
        message, handed = handshake.receive(socket)
        if message is not None and "error" in message:
            raise handshake.raised(message)
    try:
        connections.attach(f"/proc/self/fd/{handed}" if handed >= 0 else f"/proc/{pid}/ns/net")
    except OSError as exc:
        raise PierError(f"cannot connect the container: {exc.strerror}", why=str(exc)) from exc
    finally:
        if handed >= 0:
            os.close(handed)
    terminal = -1
    executing = held = False
    while True:
        message, fd = handshake.receive(socket)
        if message is None:
            break
        if "error" in message:
            if terminal >= 0:
                os.close(terminal)
            raise handshake.raised(message)
        if "terminal" in message:
            terminal = fd
        elif "ready" in message:
            handshake.send(socket, {"go": True})
        executing = executing or "executing" in message
        held = held or bool(message.get("held"))
    if not executing:
        raise Bug("the container's first process ended before its program began", why=_last_status(pid))
    if held:
        try:
            program.vet(pid)
        except PierError:
            if terminal >= 0:
                os.close(terminal)
            raise
    return terminal


def _last_status(pid: int) -> str:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return f"wait status {status}" if ended else "it is still there"
