"""`pier pause`, `unpause` and `update`: containers that exist are changed."""

from __future__ import annotations

from pier.cli import limitoptions
from pier.cli.createflags import REFUSED
from pier.cli.options import Command, Misuse, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.cli.options import Arguments
    from pier.cli.session import Session


def pause(session: Session, arguments: Arguments) -> int:
    """Suspend each container; print its name as typed."""
    from pier.engine import adjusting

    engine = session.engine

    def act(name: str) -> str:
        adjusting.pause(engine, name)
        return name

    return session.each(arguments.positionals, act)


def unpause(session: Session, arguments: Arguments) -> int:
    """Let each container go on."""
    from pier.engine import adjusting

    engine = session.engine

    def act(name: str) -> str:
        adjusting.unpause(engine, name)
        return name

    return session.each(arguments.positionals, act)


def update(session: Session, arguments: Arguments) -> int:
    """Change limits and restart policy of each container."""
    from pier.cli.createoptions import parse_restart
    from pier.engine import adjusting

    given = limitoptions.given(arguments)
    policy = parse_restart(arguments.text("restart")) if arguments.given("restart") else None
    if not given and policy is None:
        raise Misuse("Error: you must provide one or more flags when using this command.", 1)
    engine = session.engine

    def act(name: str) -> str:
        adjusting.update(engine, name, given, restart=policy)
        return name

    return session.each(arguments.positionals, act)


_MANY = "CONTAINER [CONTAINER...]"
_SHARED = ("blkio-weight", "cpu-rt-period", "cpu-rt-runtime")

PAUSE = Command(run=pause, usage=_MANY, arguments=(1, None))
UNPAUSE = Command(run=unpause, usage=_MANY, arguments=(1, None))
UPDATE = Command(
    run=update,
    usage="[OPTIONS] " + _MANY,
    arguments=(1, None),
    options=(
        *limitoptions.CHANGEABLE,
        value("restart", help="Restart policy to apply when a container exits"),
        *(option for option in REFUSED if option.name in _SHARED),
    ),
)
