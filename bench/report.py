"""From measurements to the table in the documentation: medians and ratios, peers that are absent named as absent."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

BEGIN = "<!-- bench: begin (written by make bench) -->"
END = "<!-- bench: end -->"


@dataclass(frozen=True)
class Cell:
    """One peer's measurements of one row; *problem* says why there are none."""

    values: tuple[float, ...] = ()
    problem: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)


@dataclass(frozen=True)
class Line:
    title: str
    unit: str
    cells: Sequence[Cell]


def table(peers: Sequence[str], lines: Sequence[Line]) -> str:
    """Markdown: a row a line; the first peer is the one that the others' ratios are taken against."""
    first, *others = peers
    head = ["", first, *(word for name in others for word in (name, f"{name.split()[0]} ÷ {first.split()[0]}"))]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    notes: list[str] = []
    for line in lines:
        own, *theirs = line.cells
        cells = [line.title, _figure(own, line.unit, notes)]
        for cell in theirs:
            cells += [_figure(cell, line.unit, notes), _ratio(own, cell)]
        rows.append(cells)
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    explained = "".join(f"\n[{number}] {note}" for number, note in enumerate(notes, 1))
    return f"{text}\n{explained}" if notes else text


def _figure(cell: Cell, unit: str, notes: list[str]) -> str:
    if not cell.values:
        if cell.problem not in notes:
            notes.append(cell.problem)
        return f"— [{notes.index(cell.problem) + 1}]"
    if unit == "MB":
        return f"{cell.median / 1e6:.1f} MB"
    return f"{cell.median * 1e3:.0f} ms" if cell.median >= 0.0995 else f"{cell.median * 1e3:.1f} ms"


def _ratio(own: Cell, other: Cell) -> str:
    if not own.values or not other.values or own.median == 0:
        return ""
    return f"{other.median / own.median:.1f}"


def write_between_markers(path: Path, text: str) -> None:
    """Replace what stands between the markers in *path*."""
    old = path.read_text()
    before, _, rest = old.partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
