"""A first process that only forwards signals and reaps orphans (`--init`), while the program runs as its child."""

from __future__ import annotations

import os

from pier.kernel import lifetime, process, signals

_FORWARDED = tuple(
    number
    for name, number in signals.NUMBERS.items()
    if name not in ("SIGKILL", "SIGSTOP", "SIGCHLD", "SIGCLD", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP")
    and not name.startswith("SIGRT")
)


def become_parent() -> None:
    """Return in a child; the caller's process becomes the reaper and exits as that child does."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        _give_terminal(os.getpid())
        return
    # The arguments still say where pier lies on the host.
    process.set_command_line("pier-init")
    for number in _FORWARDED:
        signals.on(number, lambda received, _frame: _forward(child, received))
    process.close_range_now(3)
    while True:
        pid, status = os.wait()
        if pid == child:
            os._exit(lifetime.exit_code(status))


def _forward(child: int, number: int) -> None:
    try:
        os.kill(child, number)
    except ProcessLookupError:
        return


def _give_terminal(group: int) -> None:
    """The program's process group owns the terminal, if there is one (tcsetpgrp(3))."""
    if os.isatty(0):
        signals.ignore(signals.SIGTTOU)
        os.tcsetpgrp(0, group)
