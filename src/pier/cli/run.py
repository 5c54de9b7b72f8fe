"""`pier run` and `pier create`. The hot path: an image that is there costs no import of registries or recipes."""

from __future__ import annotations

import os
import sys

from pier.cli import createflags, createoptions
from pier.cli.attach import detach_keys
from pier.cli.options import Command, flag, value
from pier.errors import Conflict, Invalid, NotFound, PierError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.cli.options import Arguments
    from pier.cli.session import Session
    from pier.engine.context import Engine
    from pier.engine.request import CreateRequest
    from pier.model.container import Container
    from pier.model.image import Image

_FAILURE = 125


def run(session: Session, arguments: Arguments) -> int:
    """The container's exit code; 0 once it runs detached."""
    from pier.engine import start as starting

    detached = arguments.flag("detach")
    if detached and arguments.flag("rm") and arguments.text("restart") != "no":
        raise Invalid("conflicting options: cannot specify both --restart and --rm")
    if detached and arguments.texts("attach"):
        raise Invalid("conflicting options: cannot specify both --attach and --detach")
    wanted = createoptions.request(arguments, session.environ)
    streams = wanted.attached or ("stdin", "stdout", "stderr")
    if wanted.tty and wanted.stdin_open and not detached and "stdin" in streams and not os.isatty(0):
        raise PierError(
            "the input device is not a TTY",
            why="-t asks for a terminal, but standard input is a pipe or a file",
            hint="leave -t out: pier run -i ...",
        )
    keys = detach_keys(arguments.text("detach-keys"))
    if detached:
        wanted = wanted.replace(stdin_once=False)
    for remark in createoptions.remarks(arguments):
        session.warn(remark)
    engine = session.engine
    image = _image(session, arguments, engine)
    connection = starting.Session(
        terminal=wanted.tty and not detached and os.isatty(0),
        stdin=wanted.stdin_open and not detached and "stdin" in streams,
        output=not detached,
        shown=tuple(name for name in streams if name != "stdin"),
        proxy_signals=arguments.flag("sig-proxy"),
        detach_keys=keys,
    )
    starter = starting.Starter(engine, connection)
    try:
        container = _create(arguments, engine, wanted, image)
    except BaseException:
        starter.abandon()
        raise
    try:
        relay = starter.start(container)
        relay.wait_started()
        if not detached:
            relay.take_signals()
    except BaseException:
        starter.abandon()
        _abandon(engine, container)
        raise
    try:
        if detached:
            sys.stdout.write(container.id + "\n")
            return 0
        if not connection.shown:
            # As Docker: whoever attaches to no output is told what runs.
            sys.stdout.write(container.id + "\n")
            sys.stdout.flush()
        ending = relay.run()
    finally:
        relay.close()
    if ending.exit_code and not ending.detached and engine.place.ids.one_id:
        engine.warn("only one user id exists here: a program that becomes another user fails (pier doctor has the fix)")
    return 0 if ending.detached else ending.exit_code


def _abandon(engine: Engine, container: Container) -> None:
    """What could not start, or was interrupted before, does not run on; with --rm it is gone."""
    from pier.engine import lifecycle

    try:
        if container.spec.auto_remove:
            lifecycle.remove(engine, container.id, force=True, volumes=True)
        else:
            lifecycle.stop(engine, container.id, grace=0)
    except NotFound:
        return


def create(session: Session, arguments: Arguments) -> int:
    """Print the new container's id."""
    wanted = createoptions.request(arguments, session.environ)
    engine = session.engine
    container = _create(arguments, engine, wanted, _image(session, arguments, engine))
    sys.stdout.write(container.id + "\n")
    return 0


def _create(arguments: Arguments, engine: Engine, wanted: CreateRequest, image: Image) -> Container:
    from pier.engine import create as creating

    cidfile = arguments.text("cidfile")
    if cidfile and os.path.exists(cidfile):
        raise Conflict(
            f"container ID file found, make sure the other container isn't running or delete {cidfile}",
            hint=f"rm {cidfile}",
        )
    container = creating.create(engine, wanted, image)
    if cidfile:
        with open(cidfile, "w", encoding="utf-8") as stream:
            stream.write(container.id)
    return container


def _image(session: Session, arguments: Arguments, engine: Engine) -> Image:
    name, policy = arguments.positionals[0], arguments.text("pull")
    if policy == "missing":
        try:
            return engine.images.resolve(name)
        except NotFound:
            pass
    from pier.cli import obtaining

    return obtaining.obtain(
        session,
        name,
        policy=policy,
        platform=arguments.text("platform"),
        recipes=arguments.text("recipes"),
        quiet=arguments.flag("quiet"),
    )


RUN = Command(
    run=run,
    usage="[OPTIONS] IMAGE [COMMAND] [ARG...]",
    options=(
        *createflags.OPTIONS,
        flag("detach", "d", "Run container in background and print container ID"),
        value("detach-keys", help="Override the key sequence for detaching a container"),
        flag("sig-proxy", help="Proxy received signals to the process", default=True),
    ),
    arguments=(1, None),
    interspersed=False,
    failure=_FAILURE,
)

CREATE = Command(
    run=create,
    usage="[OPTIONS] IMAGE [COMMAND] [ARG...]",
    options=createflags.OPTIONS,
    arguments=(1, None),
    interspersed=False,
    failure=_FAILURE,
)
