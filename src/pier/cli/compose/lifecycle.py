"""`compose start`, `restart` and `wait`: the containers there are, none made, none removed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pier.cli.options import Command, flag, value
from pier.compose import graph, observe
from pier.compose.awaiting import Awaiting
from pier.compose.execute import Executor, Material
from pier.compose.plan import Condition, Operation
from pier.engine import lifecycle
from pier.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pier.cli.compose.context import Context
    from pier.cli.options import Arguments
    from pier.compose.model import Project
    from pier.model.container import Container


def start(context: Context, arguments: Arguments) -> int:
    """The stopped containers run again, in the order of their dependencies."""
    project = context.known_project()
    found = context.containers(project, arguments.positionals)
    if not found:
        wanted = f"service {arguments.positionals[0]!r}" if arguments.positionals else f"project {project.name!r}"
        raise NotFound(f"{wanted} has no container to start", hint="pier compose up -d")
    stopped = [item for item in found if not item.state.running]
    _begin(context, project, stopped, "start", None)
    if arguments.flag("wait") and not context.dry_run:
        Awaiting(context.engine, project, context.progress.show).until_ready(
            found, float(arguments.number("wait-timeout") or 0)
        )
    return 0


def restart(context: Context, arguments: Arguments) -> int:
    """Every container has been stopped and started; the same containers, no new ones."""
    project = context.known_project()
    found = context.containers(project, arguments.positionals)
    if not found:
        raise NotFound(f"project {project.name!r} has no container to restart", hint="pier compose up -d")
    followers = () if arguments.flag("no-deps") else _followers(project, arguments.positionals)
    if arguments.positionals and followers:
        found += context.containers(project, followers)
    _begin(context, project, found, "restart", arguments.decimal("timeout"))
    return 0


def _followers(project: Project, names: Sequence[str]) -> tuple[str, ...]:
    """Services that asked, with `restart: true`, to follow the restarts of *names*."""
    return tuple(
        name
        for name, service in project.services.items()
        if name not in names and any(item.restart and other in names for other, item in service.depends_on.items())
    )


def _begin(context: Context, project: Project, found: list[Container], verb: str, timeout: float | None) -> None:
    services = {**project.services, **project.disabled}
    order = graph.ordered({name: tuple(item.depends_on) for name, item in services.items()})
    rank = {name: index for index, name in enumerate(order)}
    views = [observe.observed_container(item) for item in found]
    operations = []
    for view in sorted(views, key=lambda view: (rank.get(view.service, len(rank)), view.number)):
        service = services.get(view.service)
        waits = service.depends_on.items() if service and verb == "start" else ()
        after = tuple(Condition(service=name, condition=item.condition, required=item.required) for name, item in waits)
        operations.append(Operation(verb=verb, target=view.name, service=view.service, container=view.id, after=after))
    if context.dry_run:
        sys.stdout.write("".join(f"{operation.describe()}\n" for operation in operations))
        return
    executor = Executor(context.engine, project, Material(), context.progress.show, timeout=timeout)
    executor.run(operations)


def wait(context: Context, arguments: Arguments) -> int:
    """Print each container's exit code as it stops; the last one's is the command's own."""
    project = context.known_project()
    found = context.containers(project, arguments.positionals)
    if not found:
        raise NotFound(f"no containers for project {project.name!r}", hint="pier compose up -d")
    code = 0
    for item in found:
        code = lifecycle.wait(context.engine, item.id)
        sys.stdout.write(f'container "{item.name}" exited with status code {code}\n')
        sys.stdout.flush()
        if arguments.flag("down-project"):
            break
    if arguments.flag("down-project"):
        from pier.cli.compose.down import DOWN, down
        from pier.cli.options import parse

        down(context, parse(DOWN, context.session.spoken, []))
    return code


START = Command(
    run=start,
    usage="[OPTIONS] [SERVICE...]",
    arguments=(0, None),
    options=(
        flag("wait", help="Wait for services to be running|healthy. Implies detached mode."),
        value("wait-timeout", help="Maximum duration in seconds to wait", kind="int"),
    ),
)

RESTART = Command(
    run=restart,
    usage="[OPTIONS] [SERVICE...]",
    arguments=(0, None),
    options=(
        flag("no-deps", help="Don't restart dependent services"),
        value("timeout", "t", "Specify a shutdown timeout in seconds", kind="decimal", shown="int"),
    ),
)

WAIT = Command(
    run=wait,
    usage="[OPTIONS] SERVICE [SERVICE...]",
    arguments=(1, None),
    options=(flag("down-project", help="Drops project when the first container stops"),),
)
