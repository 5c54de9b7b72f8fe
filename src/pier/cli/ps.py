"""`pier ps`: containers as a list. On the hot path; changes nothing."""

from __future__ import annotations

import sys
import time

from pier.cli.options import Command, filters, flag, list_format, value, values
from pier.engine.listing import containers
from pier.errors import NotFound
from pier.model.ports import format_ports
from pier.model.quantities import decimal_size
from pier.ui import times
from pier.ui.listing import Fields, listing
from pier.ui.trimming import ellipsis, short_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pier.cli.options import Arguments
    from pier.cli.session import Session
    from pier.engine.context import Engine
    from pier.model.container import Container

_COMMAND_WIDTH = 20
_MOUNT_WIDTH = 15
HEADERS = {
    "ID": "CONTAINER ID",
    "Names": "NAMES",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "CreatedAt": "CREATED AT",
    "RunningFor": "CREATED",
    "Ports": "PORTS",
    "State": "STATE",
    "Status": "STATUS",
    "HealthStatus": "HEALTH STATUS",
    "Size": "SIZE",
    "Labels": "LABELS",
    "Mounts": "MOUNTS",
    "LocalVolumes": "LOCAL VOLUMES",
    "Networks": "NETWORKS",
    "Platform": "PLATFORM",
}
_COLUMNS = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names")


def ps(session: Session, arguments: Arguments) -> int:
    """Print the containers asked for, newest first."""
    engine = session.engine
    found = _chosen(engine, arguments)
    chosen = arguments.text("format")
    if arguments.flag("quiet") and not chosen:
        whole = arguments.flag("no-trunc")
        sys.stdout.write("".join((item.id if whole else item.short_id) + "\n" for item in found))
        return 0
    with_size = arguments.flag("size") or ".Size" in chosen
    getters = _getters(engine, time.time(), no_trunc=arguments.flag("no-trunc"), with_size=with_size)
    columns = (*_COLUMNS, "Size") if arguments.flag("size") else _COLUMNS
    rows = [Fields(getters, item) for item in found]
    text = listing(rows, chosen, headers=HEADERS, columns=columns, type_name="*formatter.ContainerContext")
    sys.stdout.write(text)
    return 0


def _chosen(engine: Engine, arguments: Arguments) -> list[Container]:
    wanted = filters(arguments.texts("filter"))
    last = 1 if arguments.flag("latest") else arguments.number("last") or -1
    everything = bool(wanted) or last > 0 or arguments.flag("all")
    found = containers(engine, all=everything)
    if wanted:
        from pier.engine.filters import SHOWS_STOPPED, condition

        keep = condition(engine, wanted, found)
        found = [item for item in found if keep(item)]
        if not (arguments.flag("all") or last > 0 or any(key in wanted for key in SHOWS_STOPPED)):
            found = [item for item in found if item.state.running or item.state.status == "restarting"]
    found = sorted(found, key=lambda item: item.spec.created, reverse=True)
    return found[:last] if last > 0 else found


def _getters(engine: Engine, now: float, *, no_trunc: bool, with_size: bool) -> dict[str, Callable[[Container], Any]]:
    """How each field is worked out, in the order of `{{json .}}`."""
    names = _ImageNames(engine)

    def cut(text: str, width: int) -> str:
        return text if no_trunc else ellipsis(text, width)

    return {
        "Command": lambda item: f'"{cut(" ".join(item.spec.argv), _COMMAND_WIDTH)}"',
        "CreatedAt": lambda item: times.local(times.epoch(item.spec.created)),
        "HealthStatus": lambda item: item.state.health.status if item.state.health else "none",
        "ID": lambda item: item.id if no_trunc else item.short_id,
        "Image": names.name_of,
        "Label": lambda item: lambda label: item.spec.labels.get(label, ""),
        "Labels": lambda item: ",".join(f"{key}={text}" for key, text in sorted(item.spec.labels.items())),
        "LocalVolumes": lambda item: str(sum(mount.kind == "volume" for mount in item.spec.mounts)),
        "Mounts": lambda item: ",".join(cut(mount.source, _MOUNT_WIDTH) for mount in item.spec.mounts if mount.source),
        "Names": lambda item: item.name,
        "Networks": lambda item: networks_of(item),
        "Platform": lambda item: "linux",
        "Ports": lambda item: ports_of(item),
        "RunningFor": lambda item: times.ago(times.epoch(item.spec.created), now),
        "Size": lambda item: _size(engine, item) if with_size else "0B",
        "State": lambda item: item.state.status,
        "Status": lambda item: times.status(item.state, now),
    }


def networks_of(item: Container) -> str:
    """The NETWORKS column."""
    return ",".join(attachment.network for attachment in item.spec.networks) or item.spec.network_mode


def ports_of(item: Container) -> str:
    """The PORTS column: nothing is published while the container is down."""
    return format_ports(item.state.ports, item.spec.exposed) if item.state.running else ""


def _size(engine: Engine, item: Container) -> str:
    from pier.engine.inspect import sizes

    own, whole = sizes(engine, item)
    return f"{decimal_size(own, 3)} (virtual {decimal_size(whole, 3)})"


class _ImageNames:
    """The IMAGE column: the name as typed while it still means the container's image, its id from then on."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ids: dict[str, str] = {}

    def name_of(self, item: Container) -> str:
        name, image_id = item.spec.image, item.spec.image_id
        if name not in self._ids:
            try:
                self._ids[name] = self._engine.images.resolve(name).id
            except NotFound:
                self._ids[name] = ""
        return name if self._ids[name] == image_id else short_id(image_id)


PS = Command(
    run=ps,
    usage="[OPTIONS]",
    options=(
        flag("all", "a", "Show all containers (default shows just running)"),
        values("filter", "f", "Filter output based on conditions provided", kind="filter"),
        list_format(),
        value("last", "n", "Show n last created containers (includes all states)", kind="int", default=-1),
        flag("latest", "l", "Show the latest created container (includes all states)"),
        flag("no-trunc", help="Don't truncate output"),
        flag("quiet", "q", "Only display container IDs"),
        flag("size", "s", "Display total file sizes"),
    ),
)
