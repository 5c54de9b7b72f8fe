"""`pier start`: containers that were stopped run again. On the hot path."""

from __future__ import annotations

from pier.cli.attach import detach_keys
from pier.cli.options import Command, Misuse, flag, refused, value
from pier.engine import lifecycle, listing
from pier.engine import start as engine_start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.cli.options import Arguments
    from pier.cli.session import Session


def start(session: Session, arguments: Arguments) -> int:
    """Start each container and print its name; with --attach or --interactive stay with the one named."""
    engine = session.engine
    if arguments.flag("attach") or arguments.flag("interactive"):
        if len(arguments.positionals) > 1:
            raise Misuse("Error: you cannot start and attach multiple containers at once", 1)
        return _attached(session, arguments)

    def act(name: str) -> str:
        engine_start.start(engine, name)
        return name

    return session.each(arguments.positionals, act)


def _attached(session: Session, arguments: Arguments) -> int:
    """The container's exit code, once it has ended; 0 when the user detached."""
    engine = session.engine
    found = listing.find(engine, arguments.positionals[0])
    wish = engine_start.Session(
        terminal=found.spec.tty,
        stdin=arguments.flag("interactive") and found.spec.stdin_open,
        output=True,
        proxy_signals=arguments.flag("sig-proxy"),
        detach_keys=detach_keys(arguments.text("detach-keys")),
    )
    running = lifecycle.connect(engine, found, wish) if found.state.running else None
    relay = running or engine_start.begin(engine, found, wish)
    try:
        if running is not None:
            relay.attach_output()
        else:
            relay.wait_started()
        ending = relay.run()
    finally:
        relay.close()
    return 0 if ending.detached else ending.exit_code


START = Command(
    run=start,
    usage="[OPTIONS] CONTAINER [CONTAINER...]",
    arguments=(1, None),
    options=(
        flag("attach", "a", "Attach STDOUT/STDERR and forward signals"),
        flag("interactive", "i", "Attach container's STDIN"),
        flag("sig-proxy", help="Proxy received signals to the process", default=True),
        value("detach-keys", help="Override the key sequence for detaching a container"),
        refused("checkpoint", "pier has no checkpoints"),
        refused("checkpoint-dir", "pier has no checkpoints"),
    ),
)
