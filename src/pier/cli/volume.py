"""`pier volume create`, `ls` and `rm`."""

from __future__ import annotations

import sys

from pier.cli.options import Command, filters, flag, list_format, refused, value, values
from pier.errors import Invalid
from pier.ui.listing import Fields, listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pier.cli.options import Arguments
    from pier.cli.session import Session
    from pier.engine.context import Engine
    from pier.volumes.store import Volume

HEADERS = {
    "Name": "VOLUME NAME",
    "Driver": "DRIVER",
    "Scope": "SCOPE",
    "Mountpoint": "MOUNTPOINT",
    "Labels": "LABELS",
    "Links": "LINKS",
    "Size": "SIZE",
    "Availability": "AVAILABILITY",
    "Group": "GROUP",
    "Status": "STATUS",
}


def create(session: Session, arguments: Arguments) -> int:
    """Make a volume and print its name."""
    from pier.engine import volumes

    made = volumes.create(
        session.engine,
        arguments.positionals[0] if arguments.positionals else arguments.text("name"),
        driver=arguments.text("driver"),
        labels=arguments.pairs("label"),
        options=arguments.pairs("opt"),
    )
    sys.stdout.write(made.name + "\n")
    return 0


def remove(session: Session, arguments: Arguments) -> int:
    """Remove each volume that no container uses."""
    from pier.engine import volumes

    engine, force = session.engine, arguments.flag("force")

    def act(name: str) -> str:
        volumes.remove(engine, name, force=force)
        return name

    return session.each(arguments.positionals, act)


def volume_list(session: Session, arguments: Arguments) -> int:
    """Print the volumes asked for, by name."""
    from pier.engine import volumes

    engine = session.engine
    keep = _condition(engine, filters(arguments.texts("filter")))
    found = [item for item in volumes.list(engine) if keep(item)]
    chosen = arguments.text("format")
    if arguments.flag("quiet") and not chosen:
        sys.stdout.write("".join(item.name + "\n" for item in found))
        return 0
    rows = [Fields(_GETTERS, item) for item in found]
    sys.stdout.write(
        listing(rows, chosen, headers=HEADERS, columns=("Driver", "Name"), type_name="*formatter.volumeContext")
    )
    return 0


_GETTERS: dict[str, Callable[[Volume], Any]] = {
    "Availability": lambda item: "N/A",
    "Driver": lambda item: item.driver,
    "Group": lambda item: "N/A",
    "Label": lambda item: lambda label: item.labels.get(label, ""),
    "Labels": lambda item: ",".join(f"{key}={text}" for key, text in sorted(item.labels.items())),
    "Links": lambda item: "N/A",
    "Mountpoint": lambda item: item.mount_point,
    "Name": lambda item: item.name,
    "Scope": lambda item: "local",
    "Size": lambda item: "N/A",
    "Status": lambda item: "N/A",
}


def _condition(engine: Engine, wanted: dict[str, tuple[str, ...]]) -> Callable[[Volume], bool]:
    checks = [_check(engine, key, texts) for key, texts in wanted.items()]
    return lambda item: all(check(item) for check in checks)


def _check(engine: Engine, key: str, texts: tuple[str, ...]) -> Callable[[Volume], bool]:
    from pier.engine.filters import has_labels, matches_text
    from pier.engine.listing import containers

    if key == "name":
        return lambda item: any(matches_text(text, item.name) for text in texts)
    if key == "label":
        return lambda item: has_labels(texts, item.labels)
    if key == "driver":
        return lambda item: item.driver in texts
    if key == "dangling":
        used = {mount.source for found in containers(engine, all=True) for mount in found.spec.mounts}
        idle = texts[-1].lower() in ("1", "t", "true")
        return lambda item: (item.name not in used) == idle
    raise Invalid(f"invalid filter '{key}'", hint="dangling, driver, label or name")


CREATE = Command(
    run=create,
    usage="[OPTIONS] [VOLUME]",
    arguments=(0, 1),
    options=(
        value("driver", "d", "Specify volume driver name", default="local"),
        values("label", help="Set metadata for a volume"),
        value("name", help="Older way to name the volume"),
        values("opt", "o", "Set driver specific options", kind="map"),
        *(
            refused(name, "pier has no cluster volumes")
            for name in ("availability", "group", "limit-bytes", "required-bytes", "scope", "secret", "sharing", "type")
        ),
        *(refused(name, "pier has no cluster volumes") for name in ("topology-preferred", "topology-required")),
    ),
)
REMOVE = Command(
    run=remove,
    usage="[OPTIONS] VOLUME [VOLUME...]",
    arguments=(1, None),
    options=(flag("force", "f", "Do not fail where the volume does not exist"),),
)
LIST = Command(
    run=volume_list,
    usage="[OPTIONS]",
    options=(
        values("filter", "f", 'Provide filter values (e.g. "dangling=true")', kind="filter"),
        list_format(),
        flag("quiet", "q", "Only display volume names"),
        refused("cluster", "pier has no cluster volumes", kind="bool"),
    ),
)
