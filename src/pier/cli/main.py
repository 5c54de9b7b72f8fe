"""From the words typed to one function called: global options, the command table, help. Does no work of its own."""

from __future__ import annotations

import sys

from pier.cli import exits, table
from pier.cli.options import Command, HelpWanted, Misuse, flag, parse, refused, value
from pier.cli.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pier.cli.options import Arguments
    from pier.cli.table import Row

PROGRAM = "pier"
_NO_DAEMON = "pier has no daemon to connect to: every command works on the files of its store (--root)"


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one command line and return its exit code; everything that went wrong has been said on stderr."""
    debug = environ.get("PIER_DEBUG", "") not in ("", "0")
    try:
        words = list(argv)
        settings = None
        if words and words[0].startswith("-"):
            settings = parse(GLOBAL, PROGRAM, words)
            words = list(settings.positionals)
            debug = debug or settings.flag("debug")
    except HelpWanted:
        return exits.guarded(_overview, debug=debug)
    except Exception as exc:
        return exits.report(exc, debug=debug)
    root = settings.text("root") if settings else ""
    if settings and settings.flag("version"):
        return exits.guarded(_version, debug=debug)
    session = Session(environ, root=root, debug=debug)
    row = None
    failure = exits.DEFAULT_FAILURE
    try:
        row, rest = table.find(words)
        if row is None:
            return _group(words)
        command = table.load(row)
        failure = command.failure
        return exits.finish(_run(session, row, command, table.spoken(row, words), rest), debug=debug)
    except BaseException as exc:
        return exits.report(exc, debug=debug, failure=failure)


def _run(session: Session, row: Row, command: Command, typed: str, rest: Sequence[str]) -> int:
    spoken = f"{PROGRAM} {typed}"
    try:
        arguments = parse(command, spoken, rest, summary=row.summary)
    except HelpWanted:
        from pier.cli import usage

        sys.stdout.write(usage.command_help(command, spoken, row.summary, table.other_names(row, PROGRAM)))
        return 0
    session.spoken = spoken
    code: int = command.run(session, arguments)
    return code


def _group(words: Sequence[str]) -> int:
    """No runnable command: the overview, a group's help, or an unknown word."""
    from pier.cli import usage

    group = words[0] if words else ""
    rest = [word for word in words[1:] if word not in ("--help", "-h")]
    if not words:
        return exits.finish(_overview(), debug=False)
    if group == "help" and rest:
        return main([*rest, "--help"], {})
    if group in table.GROUPS and not rest:
        sys.stdout.write(usage.group_help(PROGRAM, group))
        return exits.finish(0, debug=False)
    if group == "help":
        return exits.finish(_overview(), debug=False)
    raise usage.unknown_command(PROGRAM, words)


def _overview() -> int:
    from pier.cli import usage

    sys.stdout.write(usage.overview(PROGRAM, GLOBAL))
    return 0


def _version() -> int:
    from pier import __version__

    sys.stdout.write(f"pier version {__version__}\n")
    return 0


def _never(session: Session, arguments: Arguments) -> int:
    raise Misuse("no command")


GLOBAL = Command(
    run=_never,
    usage="[OPTIONS] COMMAND",
    arguments=(0, None),
    interspersed=False,
    options=(
        value("root", help="Folder of pier's store (overrides PIER_ROOT)"),
        flag("debug", "D", help="Show where errors arose; print the plan of a build"),
        flag("version", "v", help="Print version information and quit"),
        refused("host", _NO_DAEMON, short="H"),
        refused("context", _NO_DAEMON, short="c"),
        refused("config", "pier reads no client configuration of Docker's yet"),
        refused("log-level", "pier keeps no log of its own; --debug says what was decided", short="l"),
        refused("tls", _NO_DAEMON, kind="bool"),
        refused("tlsverify", _NO_DAEMON, kind="bool"),
        refused("tlscacert", _NO_DAEMON),
        refused("tlscert", _NO_DAEMON),
        refused("tlskey", _NO_DAEMON),
    ),
)
