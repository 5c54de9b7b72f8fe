"""`compose ps`, `images`, `port` and `top`: what the project's containers are. Changes nothing."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from pier.cli.options import Command, filters, flag, value, values
from pier.cli.port import addresses
from pier.cli.ps import ports_of
from pier.compose import observe, observed
from pier.errors import Invalid, NotFound
from pier.model import jsontext, reference
from pier.model.quantities import decimal_size
from pier.ui import tabular, times
from pier.ui.listing import listing
from pier.ui.trimming import ellipsis, short_id

if TYPE_CHECKING:
    from pier.cli.compose.context import Context
    from pier.cli.options import Arguments
    from pier.model.container import Container
    from pier.model.ports import PortBinding

_STATES = ("paused", "restarting", "removing", "running", "dead", "created", "exited")
_COLUMNS = ("Name", "Image", "Command", "Service", "RunningFor", "Status", "Ports")
_HEADERS = {
    "Name": "NAME",
    "Names": "NAMES",
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "Service": "SERVICE",
    "Project": "PROJECT",
    "CreatedAt": "CREATED AT",
    "RunningFor": "CREATED",
    "State": "STATE",
    "Health": "HEALTH",
    "ExitCode": "EXIT CODE",
    "Status": "STATUS",
    "Ports": "PORTS",
    "Publishers": "PUBLISHERS",
    "Labels": "LABELS",
    "LocalVolumes": "LOCAL VOLUMES",
    "Mounts": "MOUNTS",
    "Networks": "NETWORKS",
}


def ps(context: Context, arguments: Arguments) -> int:
    """Print the containers: the running ones, or with --all every one."""
    project = context.known_project()
    found = context.containers(project, arguments.positionals, one_off=True)
    states = [*arguments.texts("status"), *filters(arguments.texts("filter")).get("status", ())]
    for state in states:
        if state not in _STATES:
            raise Invalid(f"invalid status {state!r}", hint="one of " + ", ".join(_STATES))
    if states:
        found = [item for item in found if item.state.status in states]
    elif not arguments.flag("all"):
        found = [item for item in found if item.state.running or item.state.status == "restarting"]
    if not arguments.flag("orphans"):
        known = {*project.services, *project.disabled}
        found = [item for item in found if item.spec.labels.get(observed.SERVICE, "") in known]
    found.sort(key=lambda item: item.name)
    if arguments.flag("quiet"):
        sys.stdout.write("".join(f"{item.id}\n" for item in found))
    elif arguments.flag("services"):
        names = dict.fromkeys(item.spec.labels.get(observed.SERVICE, "") for item in found)
        sys.stdout.write("".join(f"{name}\n" for name in names))
    else:
        sys.stdout.write(_listed(found, arguments))
    return 0


def _listed(found: list[Container], arguments: Arguments) -> str:
    now, whole = time.time(), arguments.flag("no-trunc")
    chosen = arguments.text("format")
    rows = [_row(item, now, whole=whole or chosen == "json") for item in found]
    if chosen == "json":
        return "".join(jsontext.dumps({**row, "Names": row["Name"]}) + "\n" for row in rows)
    return listing(rows, chosen, headers=_HEADERS, columns=_COLUMNS, type_name="*formatter.ContainerContext")


def _row(item: Container, now: float, *, whole: bool) -> dict[str, Any]:
    labels = item.spec.labels
    command = " ".join(item.spec.argv)
    health = item.state.health.status if item.state.health else ""
    return {
        "Command": f'"{command if whole else ellipsis(command, 20)}"',
        "CreatedAt": times.local(times.epoch(item.spec.created)),
        "ExitCode": item.state.exit_code,
        "Health": health,
        "ID": item.id if whole else item.short_id,
        "Image": item.spec.image,
        "Labels": ",".join(f"{key}={text}" for key, text in sorted(labels.items())),
        "LocalVolumes": str(sum(mount.kind == "volume" for mount in item.spec.mounts)),
        "Mounts": ",".join(mount.source for mount in item.spec.mounts if mount.source),
        "Name": item.name,
        "Names": item.name,
        "Networks": ",".join(use.network for use in item.spec.networks) or item.spec.network_mode,
        "Ports": ports_of(item),
        "Project": labels.get(observed.PROJECT, ""),
        "Publishers": [_publisher(binding, host) for binding in item.state.ports for host in _hosts(binding)],
        "RunningFor": times.ago(times.epoch(item.spec.created), now),
        "Service": labels.get(observed.SERVICE, ""),
        "State": item.state.status,
        "Status": times.status(item.state, now),
    }


def _hosts(binding: PortBinding) -> tuple[str, ...]:
    return (binding.host_ip,) if binding.host_ip else ("0.0.0.0", "::")


def _publisher(binding: PortBinding, host: str) -> dict[str, Any]:
    return {
        "URL": host,
        "TargetPort": binding.container_port,
        "PublishedPort": binding.host_port,
        "Protocol": binding.protocol,
    }


def images(context: Context, arguments: Arguments) -> int:
    """Print the images the project's containers were made from."""
    project = context.known_project()
    found = context.containers(project, arguments.positionals)
    chosen = arguments.text("format")
    if arguments.flag("quiet"):
        sys.stdout.write("".join(f"{name}\n" for name in dict.fromkeys(short_id(item.spec.image_id) for item in found)))
        return 0
    rows = [_image_row(context, item) for item in found]
    if chosen == "json":
        sys.stdout.write(jsontext.dumps(rows) + "\n")
    elif chosen in ("", "table"):
        titles = ("CONTAINER", "REPOSITORY", "TAG", "PLATFORM", "IMAGE ID", "SIZE", "CREATED")
        table = [list(titles)]
        for row in rows:
            size = decimal_size(row["Size"], 3)
            cells = [row["ContainerName"], row["Repository"], row["Tag"], row["Platform"], row["ID"][7:19], size]
            table.append([*cells, row["Created"]])
        sys.stdout.write(tabular.table(table))
    else:
        raise Invalid(f"unsupported format {chosen!r}", hint="table or json")
    return 0


def _image_row(context: Context, item: Container) -> dict[str, Any]:
    name = reference.parse(item.spec.image)
    repository, _, tag = name.familiar().rpartition(":")
    row: dict[str, Any] = {
        "ID": item.spec.image_id,
        "ContainerName": item.name,
        "Repository": repository or name.familiar(),
        "Tag": tag if repository else "",
        "Platform": "",
        "Size": 0,
        "Created": "N/A",
    }
    try:
        image = context.engine.images.resolve(item.spec.image_id)
    except NotFound:
        # Removed by force while the container stayed.
        return row
    created = times.ago(times.epoch(image.created), time.time()) if image.created else "N/A"
    return {**row, "Platform": f"{image.os}/{image.architecture}", "Size": image.size, "Created": created}


def port(context: Context, arguments: Arguments) -> int:
    """Print where a port of the service is published."""
    service, wanted = arguments.positionals
    protocol = arguments.text("protocol")
    if "/" in wanted:
        wanted, _, protocol = wanted.partition("/")
    if not wanted.isdigit():
        raise Invalid(f"invalid port: {wanted}", hint="the port inside the container, such as 80")
    container = context.one(context.known_project(), service, arguments.number("index") or 0)
    for binding in container.state.ports:
        if binding.container_port == int(wanted) and binding.protocol == protocol:
            sys.stdout.write(addresses(binding)[0] + "\n")
            return 0
    published = ", ".join(f"{item.container_port}/{item.protocol}" for item in container.state.ports)
    raise NotFound(
        f"no port {wanted}/{protocol} for container {container.name}: {published or 'none is published'}",
        hint=f'publish it in the compose file: ports: ["{wanted}:{wanted}"]',
    )


def top(context: Context, arguments: Arguments) -> int:
    """Print the processes of each running container."""
    from pier.cli.top import TITLES, row
    from pier.engine import processes

    project = context.known_project()
    found = context.containers(project, arguments.positionals, running=True)
    now = time.time()
    table = [["SERVICE", "#", *TITLES]]
    for item in found:
        service, number = item.spec.labels.get(observed.SERVICE, ""), observe.number_of(item)
        table += [[service, str(number), *row(process, now)] for process in processes.listing(item)]
    sys.stdout.write(tabular.table(table))
    return 0


PS = Command(
    run=ps,
    usage="[OPTIONS] [SERVICE...]",
    arguments=(0, None),
    options=(
        flag("all", "a", "Show all stopped containers (including those created by the run command)"),
        values("filter", help="Filter services by a property (supported filters: status)", kind="filter"),
        value("format", help="Format output: 'table', 'table TEMPLATE', 'json' or a Go template"),
        flag("no-trunc", help="Don't truncate output"),
        flag("orphans", help="Include orphaned services (not declared by project)", default=True),
        flag("quiet", "q", "Only display IDs"),
        flag("services", help="Display services"),
        values("status", help="Filter services by status. Values: [" + " | ".join(_STATES) + "]"),
    ),
)

IMAGES = Command(
    run=images,
    usage="[OPTIONS] [SERVICE...]",
    arguments=(0, None),
    options=(
        value("format", help='Format the output. Values: [table | json] (default "table")'),
        flag("quiet", "q", "Only display IDs"),
    ),
)

PORT = Command(
    run=port,
    usage="[OPTIONS] SERVICE PRIVATE_PORT",
    arguments=(2, 2),
    options=(
        value("index", help="Index of the container if service has multiple replicas", kind="int"),
        value("protocol", help="tcp or udp", default="tcp"),
    ),
)

TOP = Command(run=top, usage="[SERVICES...]", arguments=(0, None))
