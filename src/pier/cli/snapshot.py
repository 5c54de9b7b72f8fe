"""`pier diff`, `export` and `commit`: what a container has made of its image."""

from __future__ import annotations

import os
import sys

from pier.cli.options import Command, flag, value, values
from pier.errors import Denied, Invalid, NotFound, PierError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from pier.cli.options import Arguments
    from pier.cli.session import Session


def diff(session: Session, arguments: Arguments) -> int:
    """Print what was added, changed and deleted since the container was made."""
    from pier.engine import snapshot

    for kind, path in snapshot.diff(session.engine, arguments.positionals[0]):
        sys.stdout.write(f"{kind} {path}\n")
    return 0


def export(session: Session, arguments: Arguments) -> int:
    """Write the container's root file system as a tar archive."""
    from pier.engine import snapshot

    engine, name = session.engine, arguments.positionals[0]
    write_archive(arguments.text("output"), lambda sink: snapshot.export(engine, name, sink))
    return 0


def write_archive(path: str, write: Callable[[BinaryIO], None]) -> None:
    """Have *write* fill the file at *path*, which holds all of the archive or stays as it was; "" is stdout."""
    if not path:
        if sys.stdout.isatty():
            raise Invalid("cowardly refusing to save to a terminal. Use the -o flag or redirect")
        write(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    temporary = f"{os.path.abspath(path)}.{os.getpid()}~"
    try:
        stream = open(temporary, "xb")  # noqa: SIM115 (closed below, where a failure also removes it)
    except FileNotFoundError as exc:
        raise NotFound(f'invalid output path: directory "{os.path.dirname(temporary)}" does not exist') from exc
    except PermissionError as exc:
        raise Denied(f"cannot write {path}", why=str(exc)) from exc
    except OSError as exc:
        raise PierError(f"cannot write {path}", why=str(exc)) from exc
    try:
        with stream:
            write(stream)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def commit(session: Session, arguments: Arguments) -> int:
    """Print the id of the image made of the container."""
    from pier.build import changes
    from pier.engine import snapshot

    name, *target = arguments.positionals
    engine = session.engine
    config = changes.apply(snapshot.image_config(engine, name), arguments.texts("change"))
    image = snapshot.commit(
        engine,
        name,
        config,
        tags=target,
        author=arguments.text("author"),
        message=arguments.text("message"),
        pause=arguments.flag("pause"),
    )
    sys.stdout.write(image.id + "\n")
    return 0


DIFF = Command(run=diff, usage="CONTAINER", arguments=(1, 1))
EXPORT = Command(
    run=export,
    usage="[OPTIONS] CONTAINER",
    arguments=(1, 1),
    options=(value("output", "o", "Write to a file, instead of STDOUT"),),
)
COMMIT = Command(
    run=commit,
    usage="[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
    arguments=(1, 2),
    options=(
        value("author", "a", 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")'),
        values("change", "c", "Apply Dockerfile instruction to the created image"),
        value("message", "m", "Commit message"),
        flag("pause", "p", "Pause container during commit", default=True),
    ),
)
