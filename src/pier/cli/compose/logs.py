"""`compose logs`: what the project's containers have written, and go on writing."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from pier.cli.compose.prefixes import Printer
from pier.cli.options import Command, flag, value
from pier.compose import observe
from pier.compose.follow import Follower, Window
from pier.errors import Invalid

if TYPE_CHECKING:
    from pier.cli.compose.context import Context
    from pier.cli.options import Arguments

_PAUSE = 0.05


def logs(context: Context, arguments: Arguments) -> int:
    """Print the logs; with --follow until no container of the selection runs any more, or Ctrl-C."""
    project = context.known_project()
    names = arguments.positionals
    index = arguments.number("index") or 0
    found = [item for item in context.containers(project, names) if not index or observe.number_of(item) == index]
    printer = Printer(
        project.name,
        sys.stdout,
        sys.stdout,
        colours=not arguments.flag("no-color") and context.colours(sys.stdout.isatty()),
        prefixes=not arguments.flag("no-log-prefix"),
        stamps=arguments.flag("timestamps"),
    )
    printer.know(found)
    follower = Follower(context.engine)
    window = Window(
        since=_moment(arguments.text("since")), until=_moment(arguments.text("until")), tail=_tail(arguments)
    )
    printer.lines(follower.past(found, window))
    if not arguments.flag("follow"):
        printer.lines(follower.rest())
        return 0
    known = {item.id for item in found}
    while True:
        printer.lines(line for line in follower.fresh() if window.holds(line.time))
        now = context.containers(project, names)
        for item in now:
            if item.id not in known and not index:
                known.add(item.id)
                printer.know([item])
                follower.add(item)
        if not any(item.state.running or item.state.status == "restarting" for item in now):
            printer.lines(follower.fresh())
            printer.lines(follower.rest())
            return 0
        time.sleep(_PAUSE)


def _tail(arguments: Arguments) -> int:
    text = arguments.text("tail")
    if text == "all" or text.startswith("-"):
        return -1
    if not (text.isascii() and text.isdigit()):
        raise Invalid(f"invalid value for --tail: {text}", hint="a number of lines, or all")
    return int(text)


def _moment(text: str) -> float:
    if not text:
        return 0.0
    from pier.cli.moments import moment

    return moment(text, time.time())


_WHEN = 'timestamp (e.g. "2026-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)'

LOGS = Command(
    run=logs,
    usage="[OPTIONS] [SERVICE...]",
    arguments=(0, None),
    options=(
        flag("follow", "f", "Follow log output"),
        value("index", help="Index of the container if service has multiple replicas", kind="int"),
        flag("no-color", help="Produce monochrome output"),
        flag("no-log-prefix", help="Don't print prefix in logs"),
        value("since", help=f"Show logs since {_WHEN}"),
        value("tail", "n", "Number of lines to show from the end of the logs for each container", default="all"),
        flag("timestamps", "t", "Show timestamps"),
        value("until", help=f"Show logs before {_WHEN}"),
    ),
)
