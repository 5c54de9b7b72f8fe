"""Children that are born into another PID namespace than their parent's own (pid_namespaces(7))."""

from __future__ import annotations

import os

from pier.kernel import namespaces
from pier.runtime import handshake

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable
    from typing import Never


def clone_into(enter: Callable[[], None], flags: int, cgroup: str) -> tuple[int, int]:
    """clone(2) with *flags* and *cgroup* of a child of this process, in the PID namespace that *enter* joins (setns).

    Returns as `namespaces.clone`. This process's later children are born at home again. The caller has one thread.
    """
    home = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            namespaces.setns(home, namespaces.CLONE_NEWPID)
        except PermissionError:
            # Home belongs to a user namespace outside of ours: who leaves it cannot come back.
            return _by_another(enter, flags, cgroup)
        pid = -1
        try:
            enter()
            pid, pidfd = namespaces.clone(flags, cgroup)
        finally:
            # Not in the child: its own children belong to the namespace it was born in.
            if pid:
                namespaces.setns(home, namespaces.CLONE_NEWPID)
        return pid, pidfd
    finally:
        os.close(home)


def _by_another(enter: Callable[[], None], flags: int, cgroup: str) -> tuple[int, int]:
    """A helper joins the namespace for good and has the child, which CLONE_PARENT makes ours."""
    ours, theirs = handshake.pair()
    helper = os.fork()
    if helper == 0:
        ours.close()
        try:
            enter()
            pid, _ = namespaces.clone(flags | namespaces.CLONE_PARENT, cgroup)
        except OSError as error:
            handshake.send(theirs, {"errno": error.errno or 0})
            os._exit(1)
        if pid == 0:
            theirs.close()
            return 0, -1
        _tell(theirs, pid)
    theirs.close()
    try:
        message, _ = handshake.receive(ours)
    finally:
        ours.close()
        os.waitpid(helper, 0)
    if message is None:
        raise ChildProcessError("the helper that was to make a process ended too early")
    if "errno" in message:
        raise OSError(message["errno"], os.strerror(message["errno"]))
    # It is our child, so that the number stays its own until we wait for it.
    return message["pid"], os.pidfd_open(message["pid"])


def _tell(socket: _socket.socket, pid: int) -> Never:
    try:
        handshake.send(socket, {"pid": pid})
    finally:
        os._exit(0)
