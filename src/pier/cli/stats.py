"""`pier stats`: what containers use now, once or again and again. Changes nothing."""

from __future__ import annotations

import os
import sys
import time

from pier.cli.options import Command, flag, list_format
from pier.engine import listing as containers
from pier.engine import processes
from pier.errors import NotFound
from pier.model.quantities import binary_size, decimal_size
from pier.model.record import Record
from pier.ui.listing import Fields, listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from pier.cli.options import Arguments
    from pier.cli.session import Session
    from pier.engine.context import Engine
    from pier.engine.processes import Sample
    from pier.model.container import Container

_INTERVAL = 1.0
HEADERS = {
    "ID": "CONTAINER ID",
    "Container": "CONTAINER",
    "Name": "NAME",
    "CPUPerc": "CPU %",
    "MemUsage": "MEM USAGE / LIMIT",
    "MemPerc": "MEM %",
    "NetIO": "NET I/O",
    "BlockIO": "BLOCK I/O",
    "PIDs": "PIDS",
}
_COLUMNS = ("ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs")


class Line(Record):
    """A container and two looks at its counters; *asked* is how it was named."""

    container: Container
    before: Sample
    after: Sample
    asked: str


def stats(session: Session, arguments: Arguments) -> int:
    """Print the figures once, or until interrupted."""
    engine, chosen = session.engine, arguments.text("format")
    names, everything = arguments.positionals, arguments.flag("all")
    getters = _getters(no_trunc=arguments.flag("no-trunc"))
    before = _look(engine, names, everything=everything)
    while True:
        time.sleep(_INTERVAL)
        after = _look(engine, names, everything=everything)
        lines = [
            Line(container=found, before=before.get(key, (found, taken, asked))[1], after=taken, asked=asked)
            for key, (found, taken, asked) in after.items()
        ]
        rows = [Fields(getters, line) for line in lines]
        text = listing(rows, chosen, headers=HEADERS, columns=_COLUMNS, type_name="*formatter.statsContext")
        if arguments.flag("no-stream"):
            sys.stdout.write(text)
            return 0
        # ECMA-48: cursor home, and clear to the end of the screen.
        sys.stdout.write(f"\x1b[H\x1b[J{text}" if os.isatty(1) else text)
        sys.stdout.flush()
        before = after


def _look(
    engine: Engine, names: Sequence[str], *, everything: bool
) -> dict[str, tuple[Container, Sample, str]]:
    """Each container with its counters now, by id."""
    if names:
        named = [(containers.find(engine, name), name) for name in names]
    else:
        named = [(found, found.short_id) for found in containers.containers(engine, all=everything)]
    looked = {}
    for found, name in named:
        try:
            looked[found.id] = (found, processes.sample(engine, found), name)
        except NotFound:
            # Removed between the two looks.
            continue
    return looked


def _getters(*, no_trunc: bool) -> dict[str, Callable[[Line], Any]]:
    return {
        "BlockIO": lambda line: _pair(line.after.blocks_read, line.after.blocks_written),
        "CPUPerc": lambda line: f"{_cpu_percent(line):.2f}%",
        "Container": lambda line: line.asked,
        "ID": lambda line: line.container.id if no_trunc else line.container.short_id,
        "MemPerc": lambda line: f"{100 * line.after.memory / max(1, line.after.memory_limit):.2f}%",
        "MemUsage": lambda line: f"{binary_size(line.after.memory)} / {binary_size(line.after.memory_limit)}",
        "Name": lambda line: line.container.name,
        "NetIO": lambda line: _pair(line.after.received, line.after.sent),
        "PIDs": lambda line: str(line.after.pids),
    }


def _cpu_percent(line: Line) -> float:
    """100 % is one whole processor, as in Docker."""
    passed = line.after.taken - line.before.taken
    return 100 * max(0, line.after.cpu - line.before.cpu) / passed if passed > 0 else 0.0


def _pair(first: int, second: int) -> str:
    return f"{decimal_size(first, 3)} / {decimal_size(second, 3)}"


STATS = Command(
    run=stats,
    usage="[OPTIONS] [CONTAINER...]",
    arguments=(0, None),
    options=(
        flag("all", "a", "Show all containers (default shows just running)"),
        list_format(),
        flag("no-stream", help="Disable streaming stats and only pull the first result"),
        flag("no-trunc", help="Do not truncate output"),
    ),
)
