"""`pier cp`: files between a container and this machine."""

from __future__ import annotations

import os
import sys

from pier.cli.options import Command, flag
from pier.engine import tarstream, treecopy
from pier.engine.rootview import root_of
from pier.engine.treecopy import Place
from pier.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.cli.options import Arguments
    from pier.cli.session import Session

_HOST = "this machine"


def copy(session: Session, arguments: Arguments) -> int:
    """Copy in the direction that the container's name tells."""
    source, target = arguments.positionals
    from_container, to_container = _split(source), _split(target)
    if from_container and to_container:
        raise Invalid("copying between containers is not supported", hint="copy to this machine first")
    if from_container:
        _out(session, arguments, *from_container, target)
    elif to_container:
        _in(session, arguments, source, *to_container)
    else:
        raise Invalid("must specify at least one container source", hint="pier cp CONTAINER:SRC_PATH DEST_PATH")
    return 0


def _split(text: str) -> tuple[str, str] | None:
    """(container, path) of `CONTAINER:PATH`; None for a path of this machine, which may hold a colon behind a slash."""
    name, colon, path = text.partition(":")
    if not colon or not name or name.startswith((".", "/")):
        return None
    return name, path if path.startswith("/") else "/" + path


def _out(session: Session, arguments: Arguments, name: str, path: str, target: str) -> None:
    # Host paths are opened first: a stopped container's root is mounted in a mount namespace of our own.
    host = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with root_of(session.engine, name) as root:
            source = Place(root=root, path=path, spoken=f"container {name}")
            if target == "-":
                _refuse_terminal()
                tarstream.write(source, sys.stdout.buffer, follow=arguments.flag("follow-link"))
                return
            owner = None if arguments.flag("archive") else (os.geteuid(), os.getegid())
            local = Place(root=host, path=_absolute(target), spoken=_HOST)
            treecopy.copy(source, local, follow=arguments.flag("follow-link"), owner=owner)
    finally:
        os.close(host)
    _tell(arguments, f"Successfully copied {name}:{path} to {target}")


def _in(session: Session, arguments: Arguments, source: str, name: str, path: str) -> None:
    host = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    owner = None if arguments.flag("archive") else (0, 0)
    try:
        with root_of(session.engine, name) as root:
            target = Place(root=root, path=path, spoken=f"container {name}")
            if source == "-":
                tarstream.read(sys.stdin.buffer, target)
                return
            local = Place(root=host, path=_absolute(source), spoken=_HOST)
            treecopy.copy(local, target, follow=arguments.flag("follow-link"), owner=owner)
    finally:
        os.close(host)
    _tell(arguments, f"Successfully copied {source} to {name}:{path}")


def _absolute(path: str) -> str:
    """*path* from the root; a slash or `/.` at its end keeps its meaning."""
    ending = "/." if path.endswith("/.") or path == "." else "/" if path.endswith("/") else ""
    return os.path.abspath(path).rstrip("/") + ending or "/"


def _refuse_terminal() -> None:
    if sys.stdout.isatty():
        raise Invalid("refusing to write an archive to a terminal", hint="pier cp CONTAINER:PATH - > a.tar")


def _tell(arguments: Arguments, text: str) -> None:
    if not arguments.flag("quiet") and sys.stderr.isatty():
        sys.stderr.write(text + "\n")


COPY = Command(
    run=copy,
    usage="[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n[OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
    arguments=(2, 2),
    options=(
        flag("archive", "a", "Archive mode (copy all uid/gid information)"),
        flag("follow-link", "L", "Always follow symbol link in SRC_PATH"),
        flag("quiet", "q", "Suppress progress output during copy"),
    ),
    notes=(
        "Use '-' as the source to read a tar archive from stdin\n"
        "and extract it to a directory destination in a container.\n"
        "Use '-' as the destination to stream a tar archive of a\ncontainer source to stdout."
    ),
)
