"""The first process of a container run from a bundle: from clone(2) to the wait for `start`, and on to execve(2).

Everything is imported at the top: from `seal` on, an import would run code out of the image.
"""

from __future__ import annotations

import _socket
import os

from pier.kernel import cgroup, keyring, namespaces, process, seccomp, signals, tty
from pier.model import jsontext
from pier.runtime import handshake, init, oci_hooks, operations, program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Never

    from pier.runtime.oci_read import Configuration


def run(
    wanted: Configuration,
    socket: _socket.socket,
    listener: _socket.socket,
    stdio: tuple[int, int, int],
    *,
    groups: tuple[str, ...],
    later: int,
    joins: tuple[tuple[int, int], ...],
    preserved: int,
    session_keyring: str,
) -> Never:
    """Become the container. *joins*: (fd of a namespace, its kind); *later*: namespaces made once in the *groups*.

    What fails up to the wait is told over *socket*, what fails afterwards to whoever connected to *listener*.
    *preserved* fds above 2 are passed on. *session_keyring*: the name of a new one, "" to keep the caller's.
    """
    stage = "entering its control groups"
    answer = socket
    try:
        # A process of the container must not reach our memory or /proc/<pid>/exe while we are not yet it (ptrace(2)).
        process.prctl(process.PR_SET_DUMPABLE, 0)
        forbidden = program.own_executable()
        cgroup.enter(groups)
        stage = "joining namespaces"
        for fd, kind in joins:
            namespaces.setns(fd, kind)
            os.close(fd)
        namespaces.unshare(later)
        if session_keyring:
            keyring.join_session(session_keyring)
        site = operations.Site()
        terminal = -1
        for operation in wanted.plan.operations:
            stage = operation.describe()
            if isinstance(operation, operations.EnterRoot):
                if wanted.plan.tty:
                    terminal = init.open_terminal(socket, site)
                    rows, columns = wanted.process.size
                    if rows and columns:
                        tty.set_window_size(terminal, rows, columns)
                _hooks_before_the_root_changes(wanted, socket)
                program.seal()
            operation.run(site)
        stage = "preparing its program"
        init.take_stdio(stdio, terminal)
        process.close_range_on_exec(3)
        for fd in range(3, 3 + preserved):
            os.set_inheritable(fd, True)
        env = _confine(wanted, forbidden)
        handshake.send(socket, {"created": True})
        socket.close()
        answer, state = _await_start(listener)
        stage = "running its startContainer hooks"
        oci_hooks.run(wanted.hooks.get("startContainer", ()), state)
        if wanted.plan.program.no_new_privileges and wanted.plan.program.seccomp:
            seccomp.install(wanted.plan.program.seccomp, wanted.plan.program.seccomp_flags)
        stage = f"executing {wanted.plan.program.argv[0]}"
        handshake.send(answer, {"executing": True})
        program.execute(wanted.plan.program, env, forbidden)
    except BaseException as error:
        _report(answer, error, stage)
    os._exit(1)


def _hooks_before_the_root_changes(wanted: Configuration, socket: _socket.socket) -> None:
    """The runtime runs its hooks at "ready"; ours come at "go", with the state it sends."""
    handshake.send(socket, {"ready": True})
    message, _ = handshake.receive(socket)
    if message is None:
        os._exit(1)
    # As the specification has it, the pid is the one seen in the hook's namespace.
    state = {**message["state"], "pid": os.getpid()}
    oci_hooks.run(wanted.hooks.get("createContainer", ()), jsontext.dumps(state))


def _confine(wanted: Configuration, forbidden: tuple[int, int]) -> dict[str, str]:
    """The environment of the program; this process is now as confined as it may be before `start`."""
    asked = wanted.plan.program
    who, env = program.prepare(asked)
    # The filter of a process without new privileges needs none to go on, so it goes on last and hinders no hook.
    early = asked.replace(seccomp=b"") if asked.no_new_privileges else asked
    program.drop_privileges(early, who)
    os.chdir(asked.cwd)
    # Whoever asked for a program that is not there learns it from `create`.
    program.find(asked.argv[0], env["PATH"])
    process.set_command_line("pier-oci-init")
    return env


def _await_start(listener: _socket.socket) -> tuple[_socket.socket, str]:
    """The connection of the `start` command, and the state it sent."""
    signals.ignore(signals.SIGPIPE)
    while True:
        fd, _ = listener._accept()  # type: ignore[attr-defined]
        os.set_inheritable(fd, False)
        connection = _socket.socket(fileno=fd)
        message, _ = handshake.receive(connection)
        if message is not None:
            return connection, jsontext.dumps({**message["state"], "pid": os.getpid()})
        connection.close()


def _report(socket: _socket.socket, error: BaseException, stage: str) -> None:
    try:
        handshake.send(socket, handshake.describe(error, stage))
    except OSError:
        # Nobody listens any more; the exit status is all that is left.
        os._exit(1)
