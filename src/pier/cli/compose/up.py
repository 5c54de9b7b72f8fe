"""`compose up`, `create` and `scale`: from what there is to what the file asks for."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pier.cli.compose.images import Wishes, provide
from pier.cli.options import Command, flag, refused, value, values
from pier.compose import observe, plan
from pier.compose.advice import advice
from pier.compose.awaiting import Awaiting
from pier.compose.execute import Executor, gather
from pier.compose.project import no_such_service
from pier.errors import Invalid
from pier.model.record import Record

if TYPE_CHECKING:
    from pier.cli.compose.context import Context
    from pier.cli.options import Arguments
    from pier.compose.model import Project, Service
    from pier.compose.observed import Observed
    from pier.model.container import Container

_WATCH_SECONDS = 3.0
_STARTS = ("start", "restart")


class Prepared(Record):
    """A project on its way up: the executor, and what it is to do."""

    project: Project
    services: dict[str, Service]
    operations: tuple[plan.Operation, ...]
    executor: Executor


def up(context: Context, arguments: Arguments) -> int:
    """Everything named runs; attached, the logs are shown until it ends."""
    _check(arguments)
    detached = arguments.flag("detach") or arguments.flag("wait")
    prepared = prepare(context, arguments, start=not arguments.flag("no-start"))
    if prepared is None:
        return 0
    if not detached and not arguments.flag("no-start"):
        from pier.cli.compose.attached import attached

        return attached(context, arguments, prepared)
    executor = prepared.executor
    executor.run(prepared.operations)
    if arguments.flag("no-start"):
        return 0
    awaiting = Awaiting(context.engine, prepared.project, context.progress.show, began=executor.began)
    if arguments.flag("wait"):
        awaiting.until_ready(containers(context, prepared), float(arguments.number("wait-timeout") or 0))
    awaiting.notice_deaths(executor.started, _WATCH_SECONDS)
    return 0


def containers(context: Context, prepared: Prepared) -> list[Container]:
    """The containers of the services that are being brought up."""
    return [
        item
        for item in observe.containers_of(context.engine, prepared.project.name)
        if (view := observe.observed_container(item)).service in prepared.services and not view.one_off
    ]


def prepare(context: Context, arguments: Arguments, *, start: bool) -> Prepared | None:
    """Images are there and the plan is made; None when the plan was only to be printed."""
    project = context.project()
    names = arguments.positionals
    services = context.services(project, names, dependencies=not arguments.flag("no-deps"))
    options = _options(context, project, arguments, start=start)
    if not services:
        raise Invalid("no service selected", why="every service belongs to a profile that is not active")
    wishes = Wishes(
        build=arguments.flag("build"),
        no_build=arguments.flag("no-build"),
        pull=arguments.text("pull") or "policy",
        quiet=arguments.flag("quiet-pull"),
    )
    for warning in advice(project):
        context.session.warn(warning)
    if context.dry_run:
        _print_plan(context, project, services, options)
        return None
    images = provide(context, project, services, wishes)
    material = gather(project, services, images)
    observed = observe.observe(context.engine, project.name)
    wanted = plan.Wanted(hashes=material.hashes, images={name: image.id for name, image in images.items()})
    operations = plan.up(project, services, observed, wanted, options)
    _mention_orphans(context, project, observed, options)
    executor = Executor(context.engine, project, material, context.progress.show, timeout=arguments.decimal("timeout"))
    executor.inherit_volumes = not arguments.flag("renew-anon-volumes")
    return Prepared(project=project, services=services, operations=tuple(operations), executor=executor)


def _options(context: Context, project: Project, arguments: Arguments, *, start: bool) -> plan.UpOptions:
    environ = context.session.environ
    remove = arguments.flag("remove-orphans")
    if not arguments.given("remove-orphans"):
        remove = environ.get("COMPOSE_REMOVE_ORPHANS", "").lower() in ("1", "true")
    return plan.UpOptions(
        named=arguments.positionals,
        force_recreate=arguments.flag("force-recreate"),
        no_recreate=arguments.flag("no-recreate"),
        always_recreate_dependencies=arguments.flag("always-recreate-deps"),
        remove_orphans=remove,
        start=start,
        wait_for_dependencies=not arguments.flag("no-deps"),
        scales=scales(project, arguments.texts("scale")),
    )


def scales(project: Project, words: tuple[str, ...]) -> dict[str, int]:
    """`SERVICE=NUMBER` words as a mapping. Invalid; NotFound."""
    found: dict[str, int] = {}
    known = {**project.services, **project.disabled}
    for word in words:
        name, _, number = word.partition("=")
        if not number.isdigit():
            raise Invalid(f"invalid scale: {word}", hint="write SERVICE=NUMBER, such as web=3")
        if name not in known:
            raise no_such_service(name, known)
        service = known[name]
        if service.container_name and int(number) > 1:
            raise Invalid(f'service "{name}" has a container_name and cannot have {number} containers')
        found[name] = int(number)
    return found


def _print_plan(context: Context, project: Project, services: dict[str, Service], options: plan.UpOptions) -> None:
    """Say what would be done. Images are taken as they are; those that are missing are named."""
    from pier.errors import NotFound

    images = {}
    for name, service in services.items():
        try:
            images[name] = context.engine.images.resolve(service.image)
        except NotFound:
            sys.stdout.write(f"Image {service.image}  {'Building' if service.builds else 'Pulling'}\n")
    material = gather(project, services, images)
    wanted = plan.Wanted(hashes=material.hashes, images={name: image.id for name, image in images.items()})
    observed = observe.observe(context.engine, project.name)
    for operation in plan.up(project, services, observed, wanted, options):
        sys.stdout.write(operation.describe() + "\n")


def _mention_orphans(context: Context, project: Project, observed: Observed, options: plan.UpOptions) -> None:
    orphans = observed.orphans([*project.services, *project.disabled])
    ignored = project.environment.get("COMPOSE_IGNORE_ORPHANS", "").lower() in ("1", "true")
    if orphans and not options.remove_orphans and not ignored:
        names = " ".join(item.name for item in orphans)
        context.session.warn(
            f"Found orphan containers ([{names}]) for this project. If you removed or renamed this service in your "
            "compose file, you can run this command with the --remove-orphans flag to clean it up."
        )


def _check(arguments: Arguments) -> None:
    """Refuse flags that contradict each other, in Docker Compose's words."""
    flag_of = arguments.flag
    aborts = flag_of("abort-on-container-exit") or bool(arguments.text("exit-code-from"))
    if aborts and flag_of("abort-on-container-failure") and not arguments.text("exit-code-from"):
        raise Invalid("--abort-on-container-failure cannot be combined with --abort-on-container-exit")
    attaching = flag_of("attach-dependencies") or bool(arguments.texts("attach"))
    if flag_of("wait") and (aborts or attaching):
        raise Invalid("--wait cannot be combined with --abort-on-container-exit, --attach or --attach-dependencies")
    if flag_of("detach") and (aborts or attaching or flag_of("abort-on-container-failure")):
        raise Invalid(
            "--detach cannot be combined with --abort-on-container-exit, --abort-on-container-failure, --attach or "
            "--attach-dependencies"
        )
    for left, right in _CONTRADICTIONS:
        if flag_of(left) and flag_of(right):
            raise Invalid(f"--{left} and --{right} are incompatible")


_CONTRADICTIONS = (
    ("build", "no-build"),
    ("no-recreate", "renew-anon-volumes"),
    ("force-recreate", "no-recreate"),
    ("always-recreate-deps", "no-recreate"),
)


def create(context: Context, arguments: Arguments) -> int:
    """Everything named exists, and nothing was started."""
    for left, right in _CONTRADICTIONS[:1] + _CONTRADICTIONS[2:3]:
        if arguments.flag(left) and arguments.flag(right):
            raise Invalid(f"--{left} and --{right} are incompatible")
    prepared = prepare(context, arguments, start=False)
    if prepared is not None:
        prepared.executor.run(prepared.operations)
    return 0


def scale(context: Context, arguments: Arguments) -> int:
    """Each SERVICE=NUMBER named has that many containers."""
    from pier.cli.options import parse

    words = [word for name in arguments.positionals for word in ("--scale", name)]
    words += [name.partition("=")[0] for name in arguments.positionals]
    words += ["--no-deps"] if arguments.flag("no-deps") else []
    return up(context, parse(UP, context.session.spoken, ["--detach", "--no-recreate", *words]))


_BRINGING = (
    flag("build", help="Build images before starting containers"),
    flag("force-recreate", help="Recreate containers even if their configuration and image haven't changed"),
    flag("no-build", help="Don't build an image, even if it's policy"),
    flag("no-recreate", help="If containers already exist, don't recreate them"),
    value("pull", help='Pull image before running ("always"|"missing"|"never"|"build")', default="policy"),
    flag("quiet-pull", help="Pull without printing progress information"),
    flag("remove-orphans", help="Remove containers for services not defined in the Compose file"),
    values("scale", help="Scale SERVICE to NUM instances, overriding the file"),
)
_ONLY_UP = (
    flag("always-recreate-deps", help="Recreate dependent containers. Incompatible with --no-recreate."),
    flag("no-deps", help="Don't start linked services"),
    flag(
        "renew-anon-volumes", "V", "Recreate anonymous volumes instead of retrieving data from the previous containers"
    ),
    value("timeout", "t", "Use this timeout in seconds for container shutdown", kind="decimal", shown="int"),
)

UP = Command(
    run=up,
    usage="[OPTIONS] [SERVICE...]",
    arguments=(0, None),
    options=(
        *_BRINGING,
        *_ONLY_UP,
        flag("abort-on-container-exit", help="Stops all containers if any container was stopped. Incompatible with -d"),
        flag("abort-on-container-failure", help="Stops all containers if any container exited with failure"),
        values("attach", help="Restrict attaching to the specified services"),
        flag("attach-dependencies", help="Automatically attach to log output of dependent services"),
        flag("detach", "d", "Detached mode: Run containers in the background"),
        value("exit-code-from", help="Return the exit code of the selected service container"),
        flag("menu", help="Accepted; there is no menu"),
        values("no-attach", help="Do not attach (stream logs) to the specified services"),
        flag("no-color", help="Produce monochrome output"),
        flag("no-log-prefix", help="Don't print prefix in logs"),
        flag("no-start", help="Don't start the services after creating them"),
        flag("timestamps", help="Show timestamps"),
        flag("wait", help="Wait for services to be running|healthy. Implies detached mode."),
        value(
            "wait-timeout", help="Maximum duration in seconds to wait for the project to be running|healthy", kind="int"
        ),
        flag("yes", "y", "Accepted; nothing is asked"),
        refused("watch", "pier does not watch files yet", short="w", kind="bool"),
    ),
)

CREATE = Command(
    run=create,
    usage="[OPTIONS] [SERVICE...]",
    arguments=(0, None),
    options=(*_BRINGING, *_ONLY_UP, flag("yes", "y", "Accepted; nothing is asked")),
)

SCALE = Command(
    run=scale,
    usage="[OPTIONS] [SERVICE=REPLICAS...]",
    arguments=(1, None),
    options=(flag("no-deps", help="Don't start linked services"),),
)
