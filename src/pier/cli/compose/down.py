"""`compose down`, `stop`, `kill` and `rm`: dependents go first, independent containers go together."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pier.cli.options import Command, flag, value
from pier.cli.session import confirm
from pier.compose import contents, observe, parallel, plan
from pier.compose.execute import Executor, Material
from pier.compose.steps import Step
from pier.engine import lifecycle
from pier.errors import Conflict, Invalid, NotFound, PierError
from pier.state import files

if TYPE_CHECKING:
    from pier.cli.compose.context import Context
    from pier.cli.options import Arguments
    from pier.compose.model import Project
    from pier.compose.observed import ObservedContainer
    from pier.model.container import Container


def down(context: Context, arguments: Arguments) -> int:
    """Containers and networks are gone; volumes stay unless -v, images unless --rmi."""
    images = arguments.text("rmi")
    if images not in ("", "all", "local"):
        raise Invalid(f"invalid value for --rmi: {images}", hint="all or local")
    project = context.known_project()
    for name in arguments.positionals:
        context.services(project, [name])
    remove_orphans = arguments.flag("remove-orphans") or _set(context, "COMPOSE_REMOVE_ORPHANS")
    options = plan.DownOptions(
        named=arguments.positionals,
        volumes=arguments.flag("volumes"),
        images=images,
        remove_orphans=remove_orphans,
    )
    observed = observe.observe(context.engine, project.name)
    operations = plan.down(project, observed, options)
    if context.dry_run:
        sys.stdout.write("".join(f"{operation.describe()}\n" for operation in operations))
        return 0
    if not operations:
        context.session.warn(f"No resource found to remove for project {project.name!r}.")
    executor = Executor(
        context.engine, project, Material(), context.progress.show, timeout=arguments.decimal("timeout")
    )
    executor.remove_volumes = options.volumes
    executor.run(operations)
    if not options.named:
        files.remove_tree(contents.folder_of(context.engine.paths, project.name))
    return 0


def _set(context: Context, name: str) -> bool:
    return context.session.environ.get(name, "").lower() in ("1", "true", "yes", "on")


def stop(context: Context, arguments: Arguments) -> int:
    """The containers have stopped, and are all still there."""
    project = context.known_project()
    found = context.containers(project, arguments.positionals, running=True)
    stop_all(context, project, found, timeout=arguments.decimal("timeout"))
    return 0


def stop_all(context: Context, project: Project, found: list[Container], *, timeout: float | None) -> None:
    """Stop *found*, dependents before what they depend on."""
    show = context.progress.show
    views = [observe.observed_container(item) for item in found]
    levels = plan.stop_levels(project, views)
    if context.dry_run:
        sys.stdout.write("".join(f"Container {item.name}  Stopping\n" for level in levels for item in level))
        return

    def finished(item: ObservedContainer, error: PierError | None) -> None:
        if error is not None:
            show(Step(subject=f"Container {item.name}", text="Error", state="error"))
            raise error
        show(Step(subject=f"Container {item.name}", text="Stopped", state="done"))

    for level in levels:
        for item in level:
            show(Step(subject=f"Container {item.name}", text="Stopping"))
        parallel.each(level, lambda item: lifecycle.stop(context.engine, item.id, grace=timeout), finished=finished)


def kill(context: Context, arguments: Arguments) -> int:
    """Send a signal to every running container."""
    project = context.known_project()
    found = context.containers(project, arguments.positionals, running=True)
    if not found:
        raise NotFound("no container to kill", hint="pier compose ps -a")
    for item in found:
        if context.dry_run:
            sys.stdout.write(f"Container {item.name}  Killing\n")
            continue
        context.progress.show(Step(subject=f"Container {item.name}", text="Killing"))
        try:
            lifecycle.kill(context.engine, item.id, arguments.text("signal"))
        except (NotFound, Conflict):
            # It ended between the look and the signal.
            continue
        context.progress.show(Step(subject=f"Container {item.name}", text="Killed", state="done"))
    if arguments.flag("remove-orphans"):
        _remove_orphans(context, project)
    return 0


def _remove_orphans(context: Context, project: Project) -> None:
    observed = observe.observe(context.engine, project.name)
    for item in observed.orphans([*project.services, *project.disabled]):
        lifecycle.remove(context.engine, item.id, force=True)
        context.progress.show(Step(subject=f"Container {item.name}", text="Removed", state="done"))


def remove(context: Context, arguments: Arguments) -> int:
    """Stopped containers are gone; with --stop running ones are stopped first."""
    project = context.known_project()
    found = context.containers(project, arguments.positionals, one_off=True)
    if arguments.flag("stop"):
        running = [item for item in found if item.state.running or item.state.status == "restarting"]
        stop_all(context, project, running, timeout=None)
        doomed = found
    else:
        doomed = [item for item in found if not item.state.running and item.state.status != "restarting"]
    if not doomed:
        sys.stderr.write("No stopped containers\n")
        return 0
    names = ", ".join(item.name for item in doomed)
    if context.dry_run:
        sys.stdout.write("".join(f"Container {item.name}  Removing\n" for item in doomed))
        return 0
    if not arguments.flag("force") and not confirm(f"? Going to remove {names} (y/N) "):
        return 0
    for item in doomed:
        context.progress.show(Step(subject=f"Container {item.name}", text="Removing"))
        lifecycle.remove(context.engine, item.id, volumes=arguments.flag("volumes"))
        context.progress.show(Step(subject=f"Container {item.name}", text="Removed", state="done"))
    return 0


_TIMEOUT = value("timeout", "t", "Specify a shutdown timeout in seconds", kind="decimal", shown="int")

DOWN = Command(
    run=down,
    usage="[OPTIONS] [SERVICES]",
    arguments=(0, None),
    options=(
        flag("remove-orphans", help="Remove containers for services not defined in the Compose file"),
        value("rmi", help='Remove images used by services. "local" remove only images that don\'t have a custom tag'),
        _TIMEOUT,
        flag("volumes", "v", 'Remove named volumes declared in the "volumes" section and anonymous volumes'),
    ),
)

STOP = Command(run=stop, usage="[OPTIONS] [SERVICE...]", arguments=(0, None), options=(_TIMEOUT,))

KILL = Command(
    run=kill,
    usage="[OPTIONS] [SERVICE...]",
    arguments=(0, None),
    options=(
        flag("remove-orphans", help="Remove containers for services not defined in the Compose file"),
        value("signal", "s", "SIGNAL to send to the container", default="SIGKILL"),
    ),
)

REMOVE = Command(
    run=remove,
    usage="[OPTIONS] [SERVICE...]",
    arguments=(0, None),
    options=(
        flag("force", "f", "Don't ask to confirm removal"),
        flag("stop", "s", "Stop the containers, if required, before removing"),
        flag("volumes", "v", "Remove any anonymous volumes attached to containers"),
    ),
)
