"""`pier attach`: the terminal's streams meet those of a running container."""

from __future__ import annotations

import os
import sys

from pier.cli.options import Command, flag, value
from pier.engine import lifecycle, listing
from pier.engine import start as starting
from pier.errors import Conflict, Invalid, PierError
from pier.runtime.relay import DETACH_KEYS, parse_detach_keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.cli.options import Arguments
    from pier.cli.session import Session
    from pier.model.container import Container


def attach(session: Session, arguments: Arguments) -> int:
    """The container's exit code once it has ended; 1 when the user detached, as Docker's client ends then."""
    engine = session.engine
    found = listing.find(engine, arguments.positionals[0])
    _check(found)
    stdin = found.spec.stdin_open and not arguments.flag("no-stdin")
    if found.spec.tty and stdin and not os.isatty(0):
        raise PierError("the input device is not a TTY", hint=f"pier attach --no-stdin {found.name}")
    relay = lifecycle.connect(
        engine,
        found,
        starting.Session(
            terminal=found.spec.tty and stdin,
            stdin=stdin,
            output=True,
            proxy_signals=arguments.flag("sig-proxy"),
            detach_keys=detach_keys(arguments.text("detach-keys")),
        ),
    )
    if relay is None:
        raise Conflict("cannot attach to a stopped container, start it first")
    try:
        relay.attach_output()
        engine.record("container", "attach", found.id, name=found.name, image=found.spec.image)
        ending = relay.run()
    finally:
        relay.close()
    if ending.detached:
        sys.stderr.write("read escape sequence\n")
        return 1
    return ending.exit_code


def _check(found: Container) -> None:
    """Conflict in Docker's words, unless the container runs."""
    if found.state.status == "paused":
        raise Conflict("cannot attach to a paused container, unpause it first", hint=f"pier unpause {found.name}")
    if found.state.status == "restarting":
        raise Conflict("cannot attach to a restarting container, wait until it is running")
    if not found.state.running:
        raise Conflict("cannot attach to a stopped container, start it first", hint=f"pier start -a {found.name}")


def detach_keys(text: str) -> bytes:
    """The keys that --detach-keys names; Docker's own where it names none. Invalid."""
    if not text:
        return DETACH_KEYS
    try:
        return parse_detach_keys(text)
    except ValueError as exc:
        raise Invalid(f"Invalid detach keys ({text}) provided", hint="for example ctrl-p,ctrl-q") from exc


ATTACH = Command(
    run=attach,
    usage="[OPTIONS] CONTAINER",
    arguments=(1, 1),
    options=(
        value("detach-keys", help="Override the key sequence for detaching a container"),
        flag("no-stdin", help="Do not attach STDIN"),
        flag("sig-proxy", help="Proxy all received signals to the process", default=True),
    ),
)
