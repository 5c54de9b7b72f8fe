"""Compose's progress: a block redrawn in place on a terminal, ` Container x  Started` lines elsewhere."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from pier.compose.steps import Step

_MARKS = {"working": "⠿", "done": "✔", "warning": "!", "error": "✘"}
_COLOURS = {"working": "", "done": "\x1b[32m", "warning": "\x1b[33m", "error": "\x1b[31m"}
_DETAIL_SECONDS = 20.0
_HIGHEST_BLOCK = 20
_COLUMNS = 80


class Progress:
    """Shows steps on *stream*. A *live* block ends with `end`; afterwards lines are plain."""

    def __init__(self, stream: TextIO, *, live: bool, colours: bool, quiet: bool) -> None:
        self.stream = stream
        self.live = live
        self.colours = colours
        self.quiet = quiet
        self._rows: dict[str, Step] = {}
        self._since: dict[str, float] = {}
        self._taken: dict[str, float] = {}
        self._drawn = 0
        self._said: dict[str, float] = {}
        self._last: dict[str, str] = {}

    def show(self, step: Step) -> None:
        """One more step."""
        if self.quiet:
            return
        if self.live and len(self._rows) < _HIGHEST_BLOCK:
            self._update(step)
        else:
            self._line(step)

    def end(self) -> None:
        """What has been drawn stays; later steps begin a new block."""
        self._rows.clear()
        self._since.clear()
        self._taken.clear()
        self._drawn = 0

    def plain(self) -> None:
        """From here on single lines: something else is being written to the terminal."""
        self.end()
        self.live = False

    def _line(self, step: Step) -> None:
        if step.detail:
            now = time.monotonic()
            if now - self._said.get(step.subject, 0.0) < _DETAIL_SECONDS:
                return
            self._said[step.subject] = now
            self._write(f" {step.subject}  {step.detail}\n")
        elif self._last.get(step.subject) != step.text:
            self._write(f" {step.subject}  {step.text}\n")
        self._last[step.subject] = step.text

    def _update(self, step: Step) -> None:
        now = time.monotonic()
        self._since.setdefault(step.subject, now)
        self._taken[step.subject] = now - self._since[step.subject]
        self._rows[step.subject] = step
        width = max(len(subject) for subject in self._rows)
        done = sum(row.state != "working" for row in self._rows.values())
        lines = [f"[+] Running {done}/{len(self._rows)}"]
        lines += [self._row(row, width) for row in self._rows.values()]
        # ECMA-48: CUU back to the block's first line, EL clears what is left of each line.
        up = f"\x1b[{self._drawn}A\r" if self._drawn else ""
        self._write(up + "".join(f"\x1b[K{line}\n" for line in lines))
        self._drawn = len(lines)

    def _row(self, row: Step, width: int) -> str:
        mark = _MARKS[row.state]
        if self.colours and _COLOURS[row.state]:
            mark = f"{_COLOURS[row.state]}{mark}\x1b[0m"
        text = f"{row.subject:<{width}}  {row.detail or row.text:<10} {self._taken[row.subject]:.1f}s"
        return f" {mark} {text[: self._columns() - 4]}"

    def _columns(self) -> int:
        """A line that wrapped would put every later cursor movement off by one."""
        try:
            return os.get_terminal_size(self.stream.fileno()).columns or _COLUMNS
        except (OSError, ValueError):
            return _COLUMNS

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()
