"""Columns as Docker's client sets them: at least ten wide, three spaces apart, the last one ragged. Pure.

The rules are those of Go's text/tabwriter with minwidth 10, padding 3: a column is a run of neighbouring lines with it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LEAST = 10
_GAP = 3


def table(rows: Iterable[Sequence[str]], *, least: int = _LEAST) -> str:
    """*rows* of equally many cells, the first row being the header, as text with a newline after each.

    Columns are *least* characters wide, or wider.
    """
    rows = list(rows)
    widths = [max(least, max(map(len, column)) + _GAP) for column in zip(*rows, strict=True)][:-1]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append("".join(cells) + row[-1])
    return "\n".join(lines) + "\n" if lines else ""


def align(text: str) -> str:
    """*text* with its tabs turned into columns; lines may have different numbers of cells."""
    lines = [line.split("\t") for line in text.split("\n")]
    place = 0
    while any(len(line) > place + 1 for line in lines):
        _widen(lines, place)
        place += 1
    return "\n".join("".join(line) for line in lines)


def _widen(lines: list[list[str]], place: int) -> None:
    """Pad cell *place* in each run of neighbouring lines in which a tab follows it."""
    start = 0
    while start < len(lines):
        end = start
        while end < len(lines) and len(lines[end]) > place + 1:
            end += 1
        if end > start:
            width = max(_LEAST, max(len(line[place]) for line in lines[start:end]) + _GAP)
            for line in lines[start:end]:
                line[place] = line[place].ljust(width)
        start = end + 1
