"""Lines that say how far something is: redrawn in place on a terminal, one line a change elsewhere.

Opens no stream and knows no object of pier; the caller says which line, what stands in it, and how much is done.
"""

from __future__ import annotations

import os

from pier.model.quantities import decimal_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Stream(Protocol):
        def write(self, text: str, /) -> object: ...
        def flush(self) -> object: ...
        def isatty(self) -> bool: ...
        def fileno(self) -> int: ...


_BAR = 25
_WIDEST = 200
_DEFAULT_WIDTH = 80
_NARROWEST = 20


class Progress:
    """A block of lines, each known by its key. `end` leaves the cursor below it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._rows: list[str] = []
        self._texts: dict[str, str] = {}

    def say(self, text: str) -> None:
        """A line of its own, below what has been drawn so far."""
        self.end()
        self._stream.write(text + "\n")
        self._stream.flush()

    def update(self, key: str, status: str, done: int = 0, total: int = 0) -> None:
        """Line *key* now reads *status*, with a bar where *total* is known and *done* has begun."""
        before = self._texts.get(key)
        if not self._live:
            if status != before:
                self._texts[key] = status
                self._stream.write(f"{key}: {status}\n")
                self._stream.flush()
            return
        text = self._clip(f"{key}: {status}{_bar(done, total) if total and done else ''}")
        if text == before:
            return
        if before is None:
            self._rows.append(key)
            self._texts[key] = text
            self._stream.write(text + "\n")
        else:
            self._texts[key] = text
            up = len(self._rows) - self._rows.index(key)
            # ECMA-48: CUU to the line, EL to clear it, then back below the block.
            self._stream.write(f"\x1b[{up}A\r\x1b[K{text}\x1b[{up}B\r")
        self._stream.flush()

    def end(self) -> None:
        """What has been drawn stays; later lines begin a new block."""
        if self._live:
            self._rows.clear()
            self._texts.clear()

    def _clip(self, text: str) -> str:
        """A line that wrapped would put every later cursor movement off by one."""
        try:
            width = os.get_terminal_size(self._stream.fileno()).columns or _DEFAULT_WIDTH
        except OSError:
            width = _DEFAULT_WIDTH
        return text[: min(max(width - 1, _NARROWEST), _WIDEST)]


def _bar(done: int, total: int) -> str:
    filled = min(_BAR, _BAR * done // total)
    arrow = ">" if filled < _BAR else ""
    bar = ("=" * filled + arrow)[:_BAR].ljust(_BAR)
    return f" [{bar}] {decimal_size(done)}/{decimal_size(total)}"
