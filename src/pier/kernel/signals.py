"""Signals by name and number, without the `signal` module (its enums cost 6 ms): signal(7)."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

NUMBERS: dict[str, int] = {
    name: getattr(_signal, name) for name in dir(_signal) if name.startswith("SIG") and name.isalnum()
}
NUMBERS["SIGIOT"] = NUMBERS["SIGABRT"]
NAMES = {number: name for name, number in NUMBERS.items() if name not in ("SIGIOT", "SIGCLD", "SIGPOLL")}

SIGHUP: int = _signal.SIGHUP
SIGINT: int = _signal.SIGINT
SIGQUIT: int = _signal.SIGQUIT
SIGKILL: int = _signal.SIGKILL
SIGTRAP: int = _signal.SIGTRAP
SIGTERM: int = _signal.SIGTERM
SIGWINCH: int = _signal.SIGWINCH
SIGPIPE: int = _signal.SIGPIPE
SIGCHLD: int = _signal.SIGCHLD
SIGTTOU: int = _signal.SIGTTOU
HIGHEST = 64


def parse(text: str) -> int:
    """The number of "SIGTERM", "term", "15" or "SIGRTMIN+3". ValueError when there is no such signal."""
    word = text.strip().upper()
    if word.isdigit():
        number = int(word)
        if 1 <= number <= HIGHEST:
            return number
        raise ValueError(text)
    name = word if word.startswith("SIG") else "SIG" + word
    for base in ("SIGRTMIN+", "SIGRTMAX-"):
        if name.startswith(base) and name[9:].isdigit():
            offset = int(name[9:])
            return int(_signal.SIGRTMIN) + offset if base == "SIGRTMIN+" else int(_signal.SIGRTMAX) - offset
    if name not in NUMBERS:
        raise ValueError(text)
    return NUMBERS[name]


def on(number: int, handler: Callable[[int, object], None]) -> None:
    """Call *handler* when signal *number* arrives."""
    _signal.signal(number, handler)


def ignore(number: int) -> None:
    _signal.signal(number, _signal.SIG_IGN)


def restore_defaults() -> None:
    """Every signal acts as at the start of a program, and none is blocked: what execve(2) should hand on."""
    for number in range(1, HIGHEST + 1):
        if number not in (NUMBERS["SIGKILL"], NUMBERS["SIGSTOP"], 32, 33):
            _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, [])


def unblock(numbers: Iterable[int]) -> None:
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, numbers)
