"""`pier top`: the processes of a container, as the host sees them. Changes nothing."""

from __future__ import annotations

import os
import sys
import time

from pier.cli.options import Command
from pier.engine import listing, processes
from pier.errors import Invalid, NotFound
from pier.ui import tabular

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pier.cli.options import Arguments
    from pier.cli.session import Session
    from pier.engine.processes import Process

TITLES = ("UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD")


def top(session: Session, arguments: Arguments) -> int:
    """Print the processes; further words are options of the host's ps."""
    name, *words = arguments.positionals
    found = listing.find(session.engine, name)
    if words and words != ["-ef"]:
        rows = _asked(words, processes.pids(found))
    else:
        now = time.time()
        rows = [TITLES, *(row(process, now) for process in processes.listing(found))]
    # Docker sets this one table with wider columns.
    sys.stdout.write(tabular.table(rows, least=20))
    return 0


def row(process: Process, now: float) -> tuple[str, ...]:
    age = max(now - process.started, 1e-9)
    began = time.localtime(process.started)
    day = time.strftime("%H:%M" if now - process.started < 86400 else "%b%d", began)
    seconds = int(process.cpu_seconds)
    return (
        _user(process.uid),
        str(process.pid),
        str(process.parent),
        str(min(99, int(100 * process.cpu_seconds / age))),
        day,
        _terminal(process.terminal),
        f"{seconds // 3600:02}:{seconds % 3600 // 60:02}:{seconds % 60:02}",
        process.command,
    )


def _user(uid: int) -> str:
    """The host's name for *uid*, as Docker shows; its number where the host knows none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _terminal(device: int) -> str:
    """proc(5): the controlling terminal's device number; pts devices have the majors 136 to 143."""
    major, minor = os.major(device), os.minor(device)
    return f"pts/{(major - 136) * 256 + minor}" if 136 <= major <= 143 else "?" if not device else f"{major}:{minor}"


def _asked(words: Sequence[str], wanted: Sequence[int]) -> list[tuple[str, ...]]:
    """The rows of the host's ps with the user's options, cut down to the container's processes."""
    import subprocess

    try:
        done = subprocess.run(["ps", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError as exc:
        raise NotFound("this machine has no ps", hint="pier top CONTAINER without options does without it") from exc
    if done.returncode:
        raise Invalid(f"ps: {done.stderr.strip() or 'no output'}")
    head, *lines = done.stdout.splitlines()
    titles = head.split()
    if "PID" not in titles:
        raise Invalid("Couldn't find PID field in ps output")
    place, width = titles.index("PID"), len(titles)
    rows = [tuple(titles)]
    for line in lines:
        cells = line.split(None, width - 1)
        if len(cells) == width and cells[place].isdigit() and int(cells[place]) in wanted:
            rows.append(tuple(cells))
    return rows


TOP = Command(run=top, usage="CONTAINER [ps OPTIONS]", arguments=(1, None), interspersed=False)
