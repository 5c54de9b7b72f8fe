"""Hold a child at the end of its execve(2), before it runs an instruction (ptrace(2)). Knows nothing of containers."""

from __future__ import annotations

import os

from pier.kernel import libc, signals

# <linux/ptrace.h>
_TRACEME, _CONT, _DETACH = 0, 7, 17

_ptrace = libc.function("ptrace", libc.c_long, libc.c_long, libc.c_ulong, libc.c_ulong, restype=libc.c_long)


def trace_me() -> bool:
    """Our parent will hold us after execve(2). False where that is denied, or another process traces us already."""
    try:
        libc.check(_ptrace(_TRACEME, 0, 0, 0))
    except OSError:
        return False
    return True


def await_exec(pid: int) -> bool:
    """True once the child *pid*, which called `trace_me`, is held after execve(2); False when it has ended before.

    Its end stays to be waited for. Other signals that reach it meanwhile are passed on.
    """
    while True:
        found = os.waitid(os.P_PID, pid, os.WEXITED | os.WSTOPPED | os.WNOWAIT)
        if found is None or found.si_code not in (os.CLD_TRAPPED, os.CLD_STOPPED):
            return False
        if found.si_status == signals.SIGTRAP:
            return True
        _resume(_CONT, pid, found.si_status)


def let_go(pid: int) -> None:
    """The held child runs on, as if nobody had looked."""
    _resume(_DETACH, pid)


def _resume(request: int, pid: int, signal: int = 0) -> None:
    try:
        libc.check(_ptrace(request, pid, 0, signal))
    except ProcessLookupError:
        # Somebody's SIGKILL was faster; its end stays to be waited for.
        return


def end(pid: int) -> None:
    """The held child has ended without running an instruction. Its end stays to be waited for."""
    os.kill(pid, signals.SIGKILL)
    while (found := os.waitid(os.P_PID, pid, os.WEXITED | os.WSTOPPED | os.WNOWAIT)) is not None:
        if found.si_code not in (os.CLD_TRAPPED, os.CLD_STOPPED):
            return
