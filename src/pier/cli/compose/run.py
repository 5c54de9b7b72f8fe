"""`compose run`: one command in a container of its own, beside the service's."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING

from pier.cli.compose.images import Wishes, provide
from pier.cli.options import Command, flag, value, values
from pier.compose import contents, creation, observe, plan
from pier.compose.execute import Executor, Material, gather
from pier.compose.model import ServiceMount
from pier.engine import create, lifecycle
from pier.engine import start as starting
from pier.errors import Invalid
from pier.model.container import RestartPolicy
from pier.model.ports import parse_publish

if TYPE_CHECKING:
    from pier.cli.compose.context import Context
    from pier.cli.options import Arguments
    from pier.compose.model import Project, Service
    from pier.model.container import Container


def run(context: Context, arguments: Arguments) -> int:
    """The program's exit code; with --detach the container's name on stdout, at once."""
    name, *words = arguments.positionals
    project = context.project()
    services = context.services(project, [name], dependencies=not arguments.flag("no-deps"))
    everything = {**project.services, **project.disabled}
    service = _changed(everything[name], tuple(words), arguments, context)
    if context.dry_run:
        sys.stdout.write(f"Container {project.name}-{name}-run  Creating\n")
        return 0
    _bring_dependencies(context, project, services, name, arguments)
    wishes = Wishes(
        build=arguments.flag("build"), pull=arguments.text("pull") or "policy", quiet=arguments.flag("quiet-pull")
    )
    images = provide(context, project, {name: service}, wishes)
    material = gather(project, {name: service}, images)
    container = _make(context, project, service, material, arguments)
    context.progress.end()
    return _attend(context, container, service, arguments)


def _changed(service: Service, words: tuple[str, ...], arguments: Arguments, context: Context) -> Service:
    """The service as the flags change it for this one container."""
    environment: dict[str, str | None] = dict(service.environment)
    for word in arguments.texts("env"):
        variable, equals, text = word.partition("=")
        environment[variable] = text if equals else context.session.environ.get(variable)
    changes: dict[str, object] = {
        "environment": environment,
        "restart": RestartPolicy(),
        "tty": not arguments.flag("no-TTY") and not arguments.flag("detach") and os.isatty(0) and os.isatty(1),
        "stdin_open": arguments.flag("interactive") and not arguments.flag("detach"),
        "container_name": "",
        "ports": service.ports if arguments.flag("service-ports") else (),
    }
    if arguments.texts("publish"):
        changes["ports"] = tuple(item for text in arguments.texts("publish") for item in parse_publish(text))
    if arguments.given("entrypoint"):
        changes["entrypoint"] = tuple(shlex.split(arguments.text("entrypoint")))
        changes["command"] = words
    if words:
        changes["command"] = words
    for option, field in (("user", "user"), ("workdir", "working_dir")):
        if arguments.text(option):
            changes[field] = arguments.text(option)
    changes["cap_add"] = (*service.cap_add, *arguments.texts("cap-add"))
    changes["cap_drop"] = (*service.cap_drop, *arguments.texts("cap-drop"))
    changes["labels"] = {**service.labels, **arguments.pairs("label")}
    changes["mounts"] = (*service.mounts, *(_mount(text) for text in arguments.texts("volume")))
    return service.replace(**changes)


def _mount(text: str) -> ServiceMount:
    source, colon, rest = text.partition(":")
    target, _, mode = rest.partition(":")
    if not colon:
        return ServiceMount(kind="volume", target=source)
    if not source.startswith(("/", ".", "~")):
        raise Invalid(f"--volume {text}: a volume of the project is mounted through the compose file")
    path = os.path.abspath(os.path.expanduser(source))
    return ServiceMount(kind="bind", source=path, target=target, read_only="ro" in mode.split(","))


def _bring_dependencies(
    context: Context, project: Project, services: dict[str, Service], name: str, arguments: Arguments
) -> None:
    """Networks and volumes exist; what the service depends on runs and is as ready as it asks."""
    others = {key: item for key, item in services.items() if key != name}
    images = provide(context, project, others, Wishes(quiet=arguments.flag("quiet-pull")))
    material = gather(project, others, images)
    observed = observe.observe(context.engine, project.name)
    wanted = plan.Wanted(hashes=material.hashes, images={key: image.id for key, image in images.items()})
    options = plan.UpOptions(remove_orphans=arguments.flag("remove-orphans"))
    operations = [
        item
        for item in plan.up(project, services, observed, wanted, options)
        if item.service != name or item.verb in ("create-network", "create-volume")
    ]
    gate = plan.gate(services[name], services)
    executor = Executor(context.engine, project, material, context.progress.show)
    executor.run(operations)
    if not arguments.flag("no-deps"):
        executor.wait_for(gate)


def _make(context: Context, project: Project, service: Service, material: Material, arguments: Arguments) -> Container:
    engine = context.engine
    name = arguments.text("name") or f"{project.name}-{service.name}-run-{os.urandom(6).hex()}"
    placement = creation.Placement(
        name=name,
        number=1,
        config_hash=material.hashes[service.name],
        image_id=material.images[service.name].id,
        one_off=True,
    )
    request = creation.request(project, service, placement)
    files = contents.lay(material.contents[service.name], contents.folder_of(engine.paths, project.name))
    request = request.replace(
        mounts=request.mounts + files,
        ports=service.ports,
        auto_remove=arguments.flag("rm"),
        stdin_once=service.stdin_open,
        no_healthcheck=request.no_healthcheck,
    )
    if arguments.flag("use-aliases"):
        aliases = creation.request(project, service, placement.replace(one_off=False)).networks
        request = request.replace(networks=aliases)
    return create.create(engine, request, material.images[service.name])


def _attend(context: Context, container: Container, service: Service, arguments: Arguments) -> int:
    """Start *container*; unless detached, lend it this terminal until it ends."""
    engine, detached = context.engine, arguments.flag("detach")
    session = starting.Session(
        terminal=service.tty,
        stdin=service.stdin_open,
        output=not detached,
    )
    try:
        relay = starting.begin(engine, container, session)
    except BaseException:
        lifecycle.remove(engine, container.id, force=True, volumes=True)
        raise
    try:
        relay.wait_started()
        if detached:
            sys.stdout.write(container.name + "\n")
            return 0
        return relay.run().exit_code
    finally:
        relay.close()


RUN = Command(
    run=run,
    usage="[OPTIONS] SERVICE [COMMAND] [ARGS...]",
    arguments=(1, None),
    interspersed=False,
    options=(
        flag("build", help="Build image before starting container"),
        values("cap-add", help="Add Linux capabilities"),
        values("cap-drop", help="Drop Linux capabilities"),
        flag("detach", "d", "Run container in background and print container name"),
        value("entrypoint", help="Override the entrypoint of the image"),
        values("env", "e", "Set environment variables"),
        flag("interactive", "i", "Keep STDIN open even if not attached", default=True),
        values("label", "l", "Add or override a label", kind="map"),
        value("name", help="Assign a name to the container"),
        flag("no-TTY", "T", "Disable pseudo-TTY allocation"),
        flag("no-deps", help="Don't start linked services"),
        values("publish", "p", "Publish a container's port(s) to the host"),
        value("pull", help='Pull image before running ("always"|"missing"|"never")', default="policy"),
        flag("quiet-pull", help="Pull without printing progress information"),
        flag("remove-orphans", help="Remove containers for services not defined in the Compose file"),
        flag("rm", help="Automatically remove the container when it exits"),
        flag("service-ports", "P", "Run command with all service's ports enabled and mapped to the host"),
        flag("tty", "t", "Allocate a pseudo-TTY", default=True),
        flag("use-aliases", help="Use the service's network useAliases in the network(s) the container connects to"),
        value("user", "u", "Run as specified username or uid"),
        values("volume", "v", "Bind mount a volume"),
        value("workdir", "w", "Working directory inside the container"),
    ),
)
