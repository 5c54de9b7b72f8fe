"""`pier stop`, `restart`, `kill`, `rm`, `wait`, `rename`: one engine verb for each name typed."""

from __future__ import annotations

import sys

from pier.cli.options import Command, Misuse, flag, refused, value
from pier.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.cli.options import Arguments
    from pier.cli.session import Session


def stop(session: Session, arguments: Arguments) -> int:
    """Stop each container; print its name as typed."""
    from pier.engine import lifecycle

    engine, grace, signal = session.engine, _grace(arguments), arguments.text("signal")

    def act(name: str) -> str:
        lifecycle.stop(engine, name, grace=grace, signal=signal)
        return name

    return session.each(arguments.positionals, act)


def restart(session: Session, arguments: Arguments) -> int:
    """Stop and start each container."""
    from pier.engine import lifecycle

    engine, grace, signal = session.engine, _grace(arguments), arguments.text("signal")

    def act(name: str) -> str:
        lifecycle.restart(engine, name, grace=grace, signal=signal)
        return name

    return session.each(arguments.positionals, act)


def _grace(arguments: Arguments) -> float | None:
    """The seconds typed (`--time` is the older spelling of `--timeout`); None for the container's own."""
    for name in ("timeout", "time"):
        number = arguments.number(name)
        if number is not None:
            return float(number)
    return None


def kill(session: Session, arguments: Arguments) -> int:
    """Send a signal to each container's first process."""
    from pier.engine import lifecycle

    engine, signal = session.engine, arguments.text("signal")

    def act(name: str) -> str:
        lifecycle.kill(engine, name, signal)
        return name

    return session.each(arguments.positionals, act)


def remove(session: Session, arguments: Arguments) -> int:
    """Remove each container; with --force one that is not there is no error's exit code, as in Docker."""
    from pier.engine import lifecycle

    engine, force, volumes = session.engine, arguments.flag("force"), arguments.flag("volumes")

    def act(name: str) -> str:
        lifecycle.remove(engine, name, force=force, volumes=volumes)
        return name

    def act_forced(name: str) -> str | None:
        try:
            return act(name)
        except NotFound as exc:
            from pier.cli.exits import describe
            from pier.cli.session import say

            say(describe(exc))
            return None

    return session.each(arguments.positionals, act_forced if force else act)


def wait(session: Session, arguments: Arguments) -> int:
    """Print each container's exit code once it has stopped."""
    from pier.engine import lifecycle

    engine = session.engine
    return session.each(arguments.positionals, lambda name: str(lifecycle.wait(engine, name)))


def rename(session: Session, arguments: Arguments) -> int:
    """Give a container another name."""
    from pier.engine import lifecycle

    old, new = arguments.positionals
    if not old.strip() or not new.strip():
        raise Misuse("Error: neither old nor new names may be empty", 1)
    lifecycle.rename(session.engine, old, new)
    sys.stdout.flush()
    return 0


_MANY = "[OPTIONS] CONTAINER [CONTAINER...]"
_SIGNAL = value("signal", "s", "Signal to send to the container")
_TIMEOUT = value("timeout", "t", "Seconds to wait before killing the container", kind="int")
_TIME = value("time", help="Older spelling of --timeout", kind="int")

STOP = Command(run=stop, usage=_MANY, arguments=(1, None), options=(_SIGNAL, _TIMEOUT, _TIME))
RESTART = Command(run=restart, usage=_MANY, arguments=(1, None), options=(_SIGNAL, _TIMEOUT, _TIME))
KILL = Command(
    run=kill,
    usage=_MANY,
    arguments=(1, None),
    options=(value("signal", "s", "Signal to send to the container", default="KILL"),),
)
REMOVE = Command(
    run=remove,
    usage=_MANY,
    arguments=(1, None),
    options=(
        flag("force", "f", "Force the removal of a running container (uses SIGKILL)"),
        flag("volumes", "v", "Remove anonymous volumes associated with the container"),
        refused("link", "pier has no container links; use a network", short="l", kind="bool"),
    ),
)
WAIT = Command(run=wait, usage="CONTAINER [CONTAINER...]", arguments=(1, None))
RENAME = Command(run=rename, usage="CONTAINER NEW_NAME", arguments=(2, 2))
