"""`compose exec` and `cp`: the plain commands, with a service's name for the container's."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from pier.cli.options import Arguments, Command, flag, refused, value, values
from pier.errors import Invalid

if TYPE_CHECKING:
    from pier.cli.compose.context import Context


def execute(context: Context, arguments: Arguments) -> int:
    """Run a program in the service's container: on a terminal by default when there is one, and with stdin."""
    from pier.cli import exec as plain

    service, *words = arguments.positionals
    container = context.one(context.known_project(), service, arguments.number("index") or 0)
    detached = arguments.flag("detach")
    terminal = not arguments.flag("no-tty") and not detached and os.isatty(0) and os.isatty(1)
    given: dict[str, Any] = {
        "interactive": arguments.flag("interactive") and not detached,
        "tty": terminal,
        "detach": detached,
        "privileged": arguments.flag("privileged"),
        "env": arguments.texts("env"),
        "user": arguments.text("user"),
        "workdir": arguments.text("workdir"),
    }
    if context.dry_run:
        sys.stdout.write(f"Container {container.name}  Exec {' '.join(words)}\n")
        return 0
    return plain.execute(context.session, Arguments(plain.EXEC, given, (container.id, *words)))


def copy(context: Context, arguments: Arguments) -> int:
    """Copy between a service's containers and this machine; to a service means to all its containers."""
    from pier.cli import copy as plain

    source, target = arguments.positionals
    project = context.known_project()
    given: dict[str, Any] = {
        "archive": arguments.flag("archive"),
        "follow-link": arguments.flag("follow-link"),
        "quiet": True,
    }
    from_service, from_path = _split(source)
    to_service, to_path = _split(target)
    if bool(from_service) == bool(to_service):
        raise Invalid(
            "copying needs one path of a service and one of this machine",
            hint="pier compose cp SERVICE:PATH DESTINATION, or SOURCE SERVICE:PATH",
        )
    index = arguments.number("index") or 0
    if from_service:
        container = context.one(project, from_service, index)
        pairs = [(f"{container.id}:{from_path}", target)]
    else:
        found = [context.one(project, to_service, index)] if index else context.containers(project, [to_service])
        pairs = [(source, f"{item.id}:{to_path}") for item in found]
        if not found:
            context.one(project, to_service, index)
    for pair in pairs:
        if context.dry_run:
            sys.stdout.write(f"Copy {pair[0]} to {pair[1]}\n")
            continue
        plain.COPY.run(context.session, Arguments(plain.COPY, given, pair))
    return 0


def _split(text: str) -> tuple[str, str]:
    """(service, path), or ("", path) for a path of this machine."""
    service, colon, path = text.partition(":")
    if not colon or "/" in service or service in ("", "."):
        return "", text
    return service, path


EXEC = Command(
    run=execute,
    usage="[OPTIONS] SERVICE COMMAND [ARGS...]",
    arguments=(2, None),
    interspersed=False,
    options=(
        flag("detach", "d", "Detached mode: Run command in the background"),
        values("env", "e", "Set environment variables"),
        value("index", help="Index of the container if service has multiple replicas", kind="int"),
        flag("interactive", "i", "Keep STDIN open even if not attached", default=True),
        flag("no-tty", "T", "Disable pseudo-TTY allocation"),
        flag("privileged", help="Give extended privileges to the process"),
        flag("tty", "t", "Allocate a pseudo-TTY", default=True),
        value("user", "u", "Run the command as this user"),
        value("workdir", "w", "Path to workdir directory for this command"),
    ),
)

COPY = Command(
    run=copy,
    usage="[OPTIONS] SERVICE:SRC_PATH DEST_PATH|-\nSRC_PATH|- SERVICE:DEST_PATH",
    arguments=(2, 2),
    options=(
        flag("archive", "a", "Archive mode (copy all uid/gid information)"),
        flag("follow-link", "L", "Always follow symbol link in SRC_PATH"),
        value("index", help="Index of the container if service has multiple replicas", kind="int"),
        refused("all", "name a service without --index to reach all its containers", kind="bool"),
    ),
)
