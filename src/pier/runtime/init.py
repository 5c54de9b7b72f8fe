"""The container's first process, from clone(2) to execve(2). It runs in the new namespaces and acts out the plan.

Everything is imported at the top: from `seal` on, an import would run code out of the image.
"""

from __future__ import annotations

import os

from pier.kernel import fs, mount, process, ptrace, signals, tty
from pier.runtime import handshake, operations, program, reaper

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable
    from typing import Never

    from pier.runtime.plan import Plan


def run(
    plan: Plan, socket: _socket.socket, stdio: tuple[int, int, int], configure_network: Callable[[], None]
) -> Never:
    """Become the container's program. *stdio* are the fds for 0, 1 and 2, unused when the plan has a terminal.

    *configure_network* is called in the container's network namespace once the monitor says "go". What fails is told
    over *socket*.
    """
    stage = "starting its first process"
    try:
        # A process of the container must not reach our memory or /proc/<pid>/exe while we are not yet it (ptrace(2)).
        process.prctl(process.PR_SET_DUMPABLE, 0)
        forbidden = program.own_executable()
        if plan.hand_over_network:
            _hand_over_network(socket)
        site = operations.Site()
        terminal = -1
        for operation in plan.operations:
            stage = operation.describe()
            if isinstance(operation, operations.EnterRoot):
                if plan.tty:
                    terminal = open_terminal(socket, site)
                handshake.send(socket, {"ready": True})
                message, _ = handshake.receive(socket)
                if message is None:
                    os._exit(1)
                stage = "configuring its network"
                configure_network()
                stage = operation.describe()
                program.seal()
            operation.run(site)
        stage = "preparing its program"
        take_stdio(stdio, terminal)
        process.close_range_on_exec(3)
        who, env = program.prepare(plan.program)
        # Before the filter, which may deny it. A reaper's child is not the monitor's.
        held = not plan.init and ptrace.trace_me()
        program.drop_privileges(plan.program, who)
        # Set after the change of credentials, which clears it (prctl(2)). The send tells whether it came too late.
        process.prctl(process.PR_SET_PDEATHSIG, signals.SIGKILL)
        if plan.init:
            reaper.become_parent()
        handshake.send(socket, {"executing": True, "held": held})
        stage = f"executing {plan.program.argv[0]}"
        program.execute(plan.program, env, forbidden)
    except BaseException as error:
        _report(socket, error, stage)
    os._exit(1)


def _hand_over_network(socket: _socket.socket) -> None:
    """The monitor gets our network namespace: it may not open it, now that we cannot be dumped (ptrace(2))."""
    fd = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        handshake.send(socket, {"network": True}, fd)
    finally:
        os.close(fd)


def open_terminal(socket: _socket.socket, site: operations.Site) -> int:
    """A terminal of the container's own devpts: the monitor gets its master, we keep the slave as /dev/console too."""
    ptmx = fs.open_in_root(site.root, "/dev/pts/ptmx", os.O_PATH)
    try:
        master, slave, name = tty.open_pty(fs.name_of(ptmx))
    finally:
        os.close(ptmx)
    handshake.send(socket, {"terminal": True}, master)
    os.close(master)
    console = fs.make_file_in_root(site.root, "/dev/console", 0o600)
    source = fs.open_in_root(site.root, "/dev/pts/" + name, os.O_PATH)
    try:
        mount.mount(fs.name_of(source), fs.name_of(console), None, mount.MS_BIND)
    finally:
        os.close(source)
        os.close(console)
    return slave


def take_stdio(stdio: tuple[int, int, int], terminal: int) -> None:
    """0, 1 and 2 of a new session: *terminal*, or *stdio* where that is -1."""
    if terminal >= 0:
        tty.make_controlling(terminal)
        stdio = (terminal, terminal, terminal)
    else:
        os.setsid()
    for number, fd in enumerate(stdio):
        os.dup2(fd, number, inheritable=True)


def _report(socket: _socket.socket, error: BaseException, stage: str) -> None:
    try:
        handshake.send(socket, handshake.describe(error, stage))
    except OSError:
        # Nobody listens any more; the exit status is all that is left.
        os._exit(1)
