"""`pier logs`: what a container has written, each stream to its own. On the hot path; changes nothing."""

from __future__ import annotations

import sys
import time

from pier.cli.options import Command, flag, refused, value
from pier.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from pier.cli.options import Arguments
    from pier.cli.session import Session


def logs(session: Session, arguments: Arguments) -> int:
    """Copy the log to stdout and stderr; with --follow until the container ends."""
    from pier.engine import listing
    from pier.engine.logs import read

    engine = session.engine
    found = listing.find(engine, arguments.positionals[0])
    follow, stamps = arguments.flag("follow"), arguments.flag("timestamps")
    entries = read(
        engine,
        found,
        follow=follow,
        tail=_tail(arguments.text("tail")),
        since=_moment(arguments.text("since")),
        until=_moment(arguments.text("until")),
    )
    streams: dict[str, BinaryIO] = {"stdout": sys.stdout.buffer, "stderr": sys.stderr.buffer}
    last = ""
    for entry in entries:
        if last and entry.stream != last:
            # On a terminal both streams meet: keep the order in which the container wrote.
            streams[last].flush()
        last = entry.stream
        text = f"{entry.time} {entry.text}" if stamps else entry.text
        streams[entry.stream].write(text.encode("utf-8", "surrogateescape"))
        if follow:
            streams[entry.stream].flush()
    for stream in streams.values():
        stream.flush()
    return 0


def _tail(text: str) -> int | None:
    if text == "all" or text.startswith("-"):
        return None
    if not text.isascii() or not text.isdigit():
        raise Invalid(f"invalid value for --tail: {text}", hint="a number of lines, or all")
    return int(text)


def _moment(text: str) -> float | None:
    if not text:
        return None
    from pier.cli.moments import moment

    return moment(text, time.time())


_WHEN = 'timestamp (e.g. "2026-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)'

LOGS = Command(
    run=logs,
    usage="[OPTIONS] CONTAINER",
    arguments=(1, 1),
    options=(
        flag("follow", "f", "Follow log output"),
        value("since", help=f"Show logs since {_WHEN}"),
        value("until", help=f"Show logs before {_WHEN}"),
        value("tail", "n", "Number of lines to show from the end of the logs", default="all"),
        flag("timestamps", "t", "Show timestamps"),
        refused("details", "pier's log keeps no attributes of a logging driver", kind="bool"),
    ),
)
