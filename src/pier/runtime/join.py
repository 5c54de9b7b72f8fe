"""Start a further process in a running container: `exec`, and the probes of health checks."""

from __future__ import annotations

import errno
import os

from pier.errors import Bug, Conflict, PierError
from pier.kernel import cgroup, fs, lifetime, namespaces, process, ptrace, tty
from pier.model.record import Record
from pier.runtime import birth, handshake, program

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from typing import Never

    from pier.runtime.program import Program

_SHARED = ("ipc", "uts", "net", "cgroup", "mnt")


class Target(Record):
    """A running container: its first process and the cgroups it lives in."""

    pid: int
    started: int
    cgroups: tuple[str, ...] = ()


def open_terminal(target: Target) -> tuple[int, int]:
    """(master, slave) of a new terminal in the container's own devpts."""
    target = _reachable(target)
    root = os.open(f"/proc/{target.pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        ptmx = fs.open_in_root(root, "/dev/pts/ptmx", os.O_PATH)
    finally:
        os.close(root)
    try:
        master, slave, _ = tty.open_pty(fs.name_of(ptmx))
    finally:
        os.close(ptmx)
    return master, slave


def spawn(target: Target, wanted: Program, stdio: tuple[int, int, int], *, terminal: bool) -> int:
    """The pid (a child of the caller) of *wanted*, executing in *target* with *stdio* as its 0, 1 and 2.

    The caller must have one thread.
    Conflict when the container is gone; CommandNotFound, NotExecutable, Invalid as for a first process.
    """
    target = _reachable(target)
    try:
        pidfd = lifetime.open_pidfd(target.pid, target.started)
    except ProcessLookupError as exc:
        raise Conflict("the container is not running") from exc
    ours, theirs = handshake.pair()
    try:
        legacy, unified = cgroup.split(target.cgroups)
        pid, child = birth.clone_into(lambda: _enter(pidfd, target.pid, ("pid",)), 0, unified)
        if pid == 0:
            ours.close()
            _run(legacy, target, pidfd, wanted, stdio, theirs, terminal=terminal)
        os.close(child)
    except OSError as exc:
        ours.close()
        raise _refusal(target, exc) from exc
    finally:
        os.close(pidfd)
        theirs.close()
    try:
        if _see_through(ours):
            program.vet(pid)
    except BaseException:
        os.waitpid(pid, 0)
        raise
    finally:
        ours.close()
    return pid


def _refusal(target: Target, error: OSError) -> PierError:
    # A PID namespace whose first process has ended takes no more: ESRCH from setns(2), ENOMEM from clone(2).
    if not lifetime.is_alive(target.pid, target.started):
        return Conflict("the container is not running", why="it ended just now")
    return PierError(f"cannot enter the container: {(error.strerror or 'failed').lower()}", why=str(error))


def _see_through(socket: _socket.socket) -> bool:
    """Whether the process, which now executes its program, is held at its beginning."""
    executing = held = False
    while True:
        message, _ = handshake.receive(socket)
        if message is None:
            break
        if "error" in message:
            raise handshake.raised(message)
        executing, held = True, bool(message.get("held"))
    if not executing:
        raise Bug("the new process ended before its program began")
    return held


def _enter(pidfd: int, pid: int, kinds: tuple[str, ...]) -> None:
    """setns(2) through the pidfd; through /proc/<pid>/ns before Linux 5.8."""
    flags = 0
    for kind in kinds:
        flags |= namespaces.FLAG_OF[kind]
    try:
        namespaces.setns(pidfd, flags)
    except OSError as error:
        if error.errno == errno.EPERM and (foreign := _foreign(pid, kinds)) != kinds:
            _enter(pidfd, pid, foreign)
            return
        if error.errno != errno.EINVAL:
            raise
        fds = [os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in kinds]
        for fd in fds:
            namespaces.setns(fd)
            os.close(fd)


def _foreign(pid: int, kinds: tuple[str, ...]) -> tuple[str, ...]:
    """Those of *kinds* in which we are not yet: the host's own, lent to a user's container, can only be stayed in."""
    mine, theirs = "/proc/self/ns/", f"/proc/{pid}/ns/"
    return tuple(kind for kind in kinds if os.stat(mine + kind).st_ino != os.stat(theirs + kind).st_ino)


def _reachable(target: Target) -> Target:
    """*target*, or the child of its reaper (`--init`), which has our memory and so lets nobody in (ptrace(2))."""
    try:
        os.stat(f"/proc/{target.pid}/ns/mnt")
    except PermissionError:
        with open(f"/proc/{target.pid}/task/{target.pid}/children", encoding="ascii") as children:
            for text in children.read().split():
                if started := lifetime.start_time(int(text)):
                    return target.replace(pid=int(text), started=started)
    except OSError:
        # It has ended; what is done next says so.
        return target
    return target


def _run(
    cgroups: tuple[str, ...],
    target: Target,
    pidfd: int,
    wanted: Program,
    stdio: tuple[int, int, int],
    socket: _socket.socket,
    *,
    terminal: bool,
) -> Never:
    stage = "entering the container"
    try:
        # The container's processes can see us from here on; they must not ptrace us or open our /proc/<pid>/exe.
        process.prctl(process.PR_SET_DUMPABLE, 0)
        forbidden = program.own_executable()
        # The container may read our arguments until execve(2), and they tell of the host (proc(5), /proc/pid/cmdline).
        process.set_command_line("pier-exec")
        cgroup.enter(cgroups)
        program.seal()
        _enter(pidfd, target.pid, _SHARED)
        os.chdir("/")
        if terminal:
            tty.make_controlling(stdio[0])
        else:
            os.setsid()
        for number, fd in enumerate(stdio):
            os.dup2(fd, number, inheritable=True)
        process.close_range_on_exec(3)
        stage = "preparing its program"
        who, env = program.prepare(wanted)
        held = ptrace.trace_me()
        program.drop_privileges(wanted, who)
        handshake.send(socket, {"executing": True, "held": held})
        stage = f"executing {wanted.argv[0]}"
        program.execute(wanted, env, forbidden)
    except BaseException as error:
        handshake.send(socket, handshake.describe(error, stage))
    os._exit(1)
