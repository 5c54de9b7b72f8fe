"""`pier compose`: its global options, then one command of its table. Does no work of its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pier.cli.compose import table
from pier.cli.options import USAGE_ERROR, Command, HelpWanted, Misuse, flag, parse, refused, value, values

if TYPE_CHECKING:
    from pier.cli.options import Arguments
    from pier.cli.session import Session


def compose(session: Session, arguments: Arguments) -> int:
    """Run the compose command typed, and return its exit code."""
    words = list(arguments.positionals)
    if arguments.flag("version"):
        words = ["version"]
    if not words or words[0] == "help" and len(words) == 1:
        return _overview(session)
    if words[0] == "help":
        words = [*words[1:], "--help"]
    row = table.find(words[0])
    if row is None:
        raise _unknown(session.spoken, words[0])
    command = table.load(row)
    command = command.replace(options=(*command.options, _DRY_RUN))
    spoken = f"{session.spoken} {row[0]}"
    try:
        parsed = parse(command, spoken, words[1:], summary=row[3])
    except HelpWanted:
        from pier.cli import usage

        sys.stdout.write(usage.command_help(command, spoken, row[3]))
        return 0
    session.spoken = spoken
    from pier.cli.compose.context import Context

    code: int = command.run(Context(session, arguments, dry_run=parsed.flag("dry-run")), parsed)
    return code


def _overview(session: Session) -> int:
    from pier.cli import usage

    sys.stdout.write(usage.command_help(COMPOSE, session.spoken, "Define and run applications of several containers"))
    return 0


def _unknown(spoken: str, typed: str) -> Misuse:
    from pier.cli.suggest import nearest

    if typed in table.MISSING:
        text = f"{spoken}: '{typed}' is a Docker Compose command that pier does not have: {table.MISSING[typed]}."
    else:
        best = nearest(typed, [row[0] for row in table.ROWS])
        text = f"{spoken}: '{typed}' is not a compose command."
        text += f"\nDid you mean '{spoken} {best}'?" if best else ""
    return Misuse(f"{text}\nSee '{spoken} --help'", USAGE_ERROR)


_DRY_RUN = flag("dry-run", help="Print what would be done, and do nothing")

COMPOSE = Command(
    run=compose,
    usage="[OPTIONS] COMMAND",
    arguments=(0, None),
    interspersed=False,
    notes=table.overview(),
    options=(
        value("ansi", help='Control when to print ANSI control characters ("never"|"always"|"auto")', default="auto"),
        flag("all-resources", help="Include all resources, even those not used by services"),
        _DRY_RUN,
        values("env-file", help="Specify an alternate environment file"),
        values("file", "f", "Compose configuration files"),
        value("parallel", help="Accepted; independent containers stop together", kind="int", default=-1),
        values("profile", help="Specify a profile to enable"),
        value("progress", help='Set type of progress output ("auto", "tty", "plain", "quiet")', default="auto"),
        value("project-directory", help="Specify an alternate working directory"),
        value("project-name", "p", "Project name"),
        flag("verbose", help="Accepted; pier --debug says what was decided"),
        flag("version", "v", "Show the compose version information"),
        refused("compatibility", "there is no version 1 of compose to be compatible with", kind="bool"),
        refused("workdir", "it is called --project-directory"),
        refused("no-ansi", "it is called --ansi never", kind="bool"),
    ),
)
