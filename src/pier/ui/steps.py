"""The progress of a build on stderr: plain lines for logs and pipes, a live region for a terminal.

Draws what it is told and decides nothing. The terminal's codes are written by hand: rich would cost a cached build more
than the build itself.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol, TextIO

    from pier.build.options import BuildEvent

    class Steps(Protocol):
        """Takes a build's events, in order."""

        def __call__(self, event: BuildEvent) -> None: ...


_SHOWN_LINES = 6
_FRAME_SECONDS = 0.05
_ENDS = {"done": "", "failed": "ERROR ", "canceled": "CANCELED "}
_DIM, _BOLD, _RED, _YELLOW, _RESET = "\033[2m", "\033[1m", "\033[31m", "\033[33m", "\033[0m"


def quiet(event: BuildEvent) -> None:
    """Shows nothing."""


class PlainSteps:
    """One line a step when it ends: `[2/5] RUN make  12.3s`; before it, its output as it comes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._title = ""
        self._headed = False

    def __call__(self, event: BuildEvent) -> None:
        title = titled(event)
        if event.kind == "planned":
            return
        if event.kind == "started":
            self._title, self._headed = title, False
            if event.text.startswith("RUN "):
                self._head()
        elif event.kind == "output":
            self._head()
            self._say(f"  | {event.text}")
        elif event.kind == "cached":
            self._say(f"{title}  CACHED")
        elif event.kind == "warning":
            self._say(f"WARNING: {event.text}")
        elif event.kind in _ENDS:
            word = _ENDS[event.kind]
            shown = (event.label or title) if self._headed else title
            self._say(f"{shown}  {word}{event.seconds:.1f}s")

    def _head(self) -> None:
        if not self._headed:
            self._headed = True
            self._say(self._title)

    def _say(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


class LiveSteps:
    """The running step with a clock and its last lines of output, redrawn in place; ended steps stay above."""

    def __init__(self, stream: TextIO, columns: Callable[[], int]) -> None:
        self._stream = stream
        self._columns = columns
        self._drawn = 0
        self._drawn_at = 0.0
        self._title = ""
        self._seconds = 0.0
        self._tail: list[str] = []

    def __call__(self, event: BuildEvent) -> None:
        if event.kind == "started":
            self._title, self._seconds, self._tail = titled(event), 0.0, []
            self._draw()
        elif event.kind == "output":
            self._tail = [*self._tail, event.text][-_SHOWN_LINES:]
            if time.monotonic() - self._drawn_at > _FRAME_SECONDS:
                self._draw()
        elif event.kind == "waiting":
            self._seconds = event.seconds
            self._draw()
        elif event.kind == "cached":
            self._keep(self._row(_BOLD, "CACHED ", titled(event), 0.0))
        elif event.kind == "planned":
            return
        elif event.kind == "warning":
            self._keep(f"{_YELLOW}WARNING: {event.text}{_RESET}")
        else:
            self._keep(self._row(_RED, _ENDS[event.kind], titled(event), event.seconds))

    def _draw(self) -> None:
        width = max(20, self._columns() - 1)
        lines = [self._row("", "", self._title, self._seconds)]
        lines += [f"{_DIM}{cut('  | ' + _printable(line), width)}{_RESET}" for line in self._tail]
        self._replace("\n".join(lines) + "\n")
        self._drawn = len(lines)
        self._drawn_at = time.monotonic()

    def _keep(self, line: str) -> None:
        self._replace(line + "\n")
        self._drawn = 0

    def _replace(self, text: str) -> None:
        # CSI n F goes up n lines, CSI J clears to the end of the screen (console_codes(4)).
        back = f"\033[{self._drawn}F\033[J" if self._drawn else ""
        self._stream.write(back + text)
        self._stream.flush()

    def _row(self, colour: str, word: str, title: str, seconds: float) -> str:
        clock = f"{seconds:.1f}s"
        room = max(20, self._columns() - 1) - len(word) - len(clock) - 1
        return f"{colour if word else ''}{word}{_RESET if word else ''}{cut(title, room).ljust(room)} {clock}"


def titled(event: BuildEvent) -> str:
    """`[2/5] RUN make`."""
    return f"{event.label} {event.text}".strip()


def cut(text: str, width: int) -> str:
    """*text* in at most *width* characters, with an ellipsis where some are missing."""
    return text if len(text) <= width else text[: max(1, width) - 1] + "…"


def _printable(text: str) -> str:
    """*text* without control characters: a step's output must not move the cursor."""
    return "".join(char if char.isprintable() else " " for char in text)
