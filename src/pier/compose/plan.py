"""Observed state and wanted project into ordered operations. Pure: decides everything, does nothing.

Operations carry what they wait for; the executor starts each as soon as that has come true.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from pier.compose import graph
from pier.compose.model import COMPLETED, HEALTHY, STARTED, Project, Service
from pier.compose.observed import Observed, ObservedContainer
from pier.errors import NotFound
from pier.model.record import Record


class Condition(Record):
    """*service* must have reached *condition* first; a dependency that is not *required* only warns when it has not."""

    service: str
    condition: str
    required: bool = True


class Operation(Record):
    """One step. *verb*: create-network, create-volume, create, recreate, start, restart, stop, remove,
    remove-network, remove-volume or remove-image. *target* is the engine's name of the object, *container* the id of
    the one that exists. Neighbours with equal *level* do not depend on each other."""

    NESTED: ClassVar[dict[str, type[Record]]] = {"after": Condition}

    verb: str
    target: str
    service: str = ""
    key: str = ""
    number: int = 0
    container: str = ""
    after: tuple[Condition, ...] = ()
    reason: str = ""
    level: int = 0

    def describe(self) -> str:
        """One line for `--dry-run`."""
        waits = [f"{item.service} is {_SPOKEN[item.condition]}" for item in self.after if item.condition != STARTED]
        words = [f"{_SUBJECTS[self.verb]} {self.target}  {_DOING[self.verb]}"]
        words += [f"({self.reason})"] if self.reason else []
        words += [f"once {' and '.join(waits)}"] if waits else []
        return " ".join(words)


_SPOKEN = {STARTED: "started", HEALTHY: "healthy", COMPLETED: "done"}
_SUBJECTS = {
    "create-network": "Network",
    "create-volume": "Volume",
    "remove-network": "Network",
    "remove-volume": "Volume",
    "remove-image": "Image",
    **dict.fromkeys(("create", "recreate", "start", "restart", "stop", "remove"), "Container"),
}
_DOING = {
    "create-network": "Creating",
    "create-volume": "Creating",
    "create": "Creating",
    "recreate": "Recreate",
    "start": "Starting",
    "restart": "Restarting",
    "stop": "Stopping",
    "remove": "Removing",
    "remove-network": "Removing",
    "remove-volume": "Removing",
    "remove-image": "Removing",
}


class UpOptions(Record):
    """What `up` and `create` were told. *named* are the services typed; *scales* override the file's."""

    named: tuple[str, ...] = ()
    force_recreate: bool = False
    no_recreate: bool = False
    always_recreate_dependencies: bool = False
    remove_orphans: bool = False
    start: bool = True
    wait_for_dependencies: bool = True
    scales: dict[str, int] = {}


class Wanted(Record):
    """For each service: the hash its containers should carry and the id of the image they should run."""

    hashes: dict[str, str] = {}
    images: dict[str, str] = {}


def up(
    project: Project, services: Mapping[str, Service], observed: Observed, wanted: Wanted, options: UpOptions
) -> list[Operation]:
    """The steps from *observed* to every one of *services* running as *wanted*."""
    operations = [*_networks(project, services, observed), *_volumes(project, services, observed)]
    if options.remove_orphans:
        for orphan in observed.orphans([*project.services, *project.disabled]):
            operations += _taken_down(orphan)
    order = graph.ordered({name: tuple(item.depends_on) for name, item in services.items()})
    starts: list[Operation] = []
    recreated: set[str] = set()
    for name in order:
        service = services[name]
        creates, begins = _converge(project, service, observed, wanted, options, recreated)
        operations += creates
        if any(item.verb == "recreate" for item in creates):
            recreated.add(name)
        after = _conditions(service, services) if options.wait_for_dependencies else ()
        starts += [item.replace(after=after) for item in begins]
    return [*operations, *starts] if options.start else operations


def container_name(project: str, service: Service, number: int) -> str:
    """`project-service-1`, or the name the file gives."""
    return service.container_name or f"{project}-{service.name}-{number}"


def _networks(project: Project, services: Mapping[str, Service], observed: Observed) -> list[Operation]:
    known = {item.name for item in observed.networks}
    operations = []
    for key in sorted({use.network for service in services.values() for use in service.networks}):
        network = project.networks[key]
        if network.name in known:
            continue
        if network.external:
            raise NotFound(
                f"network {network.name} declared as external, but could not be found",
                hint=f"pier network create {network.name}",
            )
        operations.append(Operation(verb="create-network", target=network.name, key=key))
    return operations


def _volumes(project: Project, services: Mapping[str, Service], observed: Observed) -> list[Operation]:
    known = {item.name for item in observed.volumes}
    used = {
        mount.source
        for service in services.values()
        for mount in service.mounts
        if mount.kind == "volume" and mount.source
    }
    operations = []
    for key in sorted(used):
        volume = project.volumes[key]
        if volume.name in known:
            continue
        if volume.external:
            raise NotFound(f'external volume "{volume.name}" not found', hint=f"pier volume create {volume.name}")
        operations.append(Operation(verb="create-volume", target=volume.name, key=key))
    return operations


def gate(service: Service, services: Mapping[str, Service]) -> Operation:
    """A step that does nothing but wait for what *service* depends on."""
    return Operation(verb="start", target=service.name, service=service.name, after=_conditions(service, services))


def _conditions(service: Service, services: Mapping[str, Service]) -> tuple[Condition, ...]:
    return tuple(
        Condition(service=name, condition=item.condition, required=item.required)
        for name, item in sorted(service.depends_on.items())
        if name in services
    )


def _converge(
    project: Project,
    service: Service,
    observed: Observed,
    wanted: Wanted,
    options: UpOptions,
    recreated: set[str],
) -> tuple[list[Operation], list[Operation]]:
    """The creating and the starting steps of one service."""
    scale = options.scales.get(service.name, service.scale)
    existing = observed.of(service.name)
    kept, surplus = _kept(existing, scale)
    creates = [step for item in surplus for step in _taken_down(item)]
    begins: list[Operation] = []
    for item in kept:
        reason = _recreate_reason(service, item, wanted, options, recreated)
        if reason:
            name = container_name(project.name, service, item.number)
            change = Operation(
                verb="recreate",
                target=name,
                service=service.name,
                number=item.number,
                container=item.id,
                reason=reason,
            )
            creates.append(change)
            begins.append(_start(service, name, item.number))
        elif not item.running:
            begins.append(_start(service, item.name, item.number, item.id))
        elif _follows_restart(service, recreated):
            begins.append(_start(service, item.name, item.number, item.id).replace(verb="restart"))
    for number in _free_numbers(kept, scale - len(kept)):
        name = container_name(project.name, service, number)
        creates.append(Operation(verb="create", target=name, service=service.name, number=number))
        begins.append(_start(service, name, number))
    return creates, begins


def _kept(existing: list[ObservedContainer], scale: int) -> tuple[list[ObservedContainer], list[ObservedContainer]]:
    """Running ones are kept first, then the lowest numbers."""
    ranked = sorted(existing, key=lambda item: (not item.running, item.number))
    kept = sorted(ranked[:scale], key=lambda item: item.number)
    return kept, ranked[scale:]


def _recreate_reason(
    service: Service, item: ObservedContainer, wanted: Wanted, options: UpOptions, recreated: set[str]
) -> str:
    if options.no_recreate:
        return ""
    named = not options.named or service.name in options.named
    if options.force_recreate and (named or options.always_recreate_dependencies):
        return "forced"
    if not named and options.always_recreate_dependencies:
        return "dependencies too"
    if item.config_hash != wanted.hashes.get(service.name, item.config_hash):
        return "configuration changed"
    if item.image_id != wanted.images.get(service.name, item.image_id):
        return "image changed"
    shared = service.network_mode.removeprefix("service:")
    if shared != service.network_mode and shared in recreated:
        return f"shares the network of {shared}"
    return ""


def _follows_restart(service: Service, recreated: set[str]) -> bool:
    return any(item.restart and name in recreated for name, item in service.depends_on.items())


def _start(service: Service, name: str, number: int, container: str = "") -> Operation:
    return Operation(verb="start", target=name, service=service.name, number=number, container=container)


def _free_numbers(kept: list[ObservedContainer], count: int) -> list[int]:
    taken = {item.number for item in kept}
    numbers: list[int] = []
    candidate = 1
    while len(numbers) < count:
        if candidate not in taken:
            numbers.append(candidate)
        candidate += 1
    return numbers


def _taken_down(item: ObservedContainer, level: int = 0) -> list[Operation]:
    stop = Operation(verb="stop", target=item.name, service=item.service, container=item.id, level=level)
    return [stop, stop.replace(verb="remove")] if item.running else [stop.replace(verb="remove")]


class DownOptions(Record):
    """What `down` was told. *images*: "", "local" or "all"."""

    named: tuple[str, ...] = ()
    volumes: bool = False
    images: str = ""
    remove_orphans: bool = False


def stop_levels(project: Project, containers: Iterable[ObservedContainer]) -> list[list[ObservedContainer]]:
    """*containers* in groups: each group may stop at once, after the groups before it.

    Dependencies are the compose file's; a service it does not know is placed by the labels of its containers.
    """
    found = list(containers)
    everything = {**project.services, **project.disabled}
    depends = {name: tuple(item.depends_on) for name, item in everything.items()}
    for item in found:
        depends[item.service] = depends.get(item.service) or item.depends_on
    depths = graph.depths(depends)
    groups: dict[int, list[ObservedContainer]] = {}
    for item in sorted(found, key=lambda item: (item.service, -item.number)):
        groups.setdefault(depths[item.service], []).append(item)
    return [groups[depth] for depth in sorted(groups, reverse=True)]


def down(project: Project, observed: Observed, options: DownOptions) -> list[Operation]:
    """The steps that leave nothing of the project but its volumes (with *volumes*, not even these)."""
    known = [*project.services, *project.disabled]
    targets = [item for item in observed.containers if _goes_down(item, known, options)]
    levels = stop_levels(project, targets)
    operations = [step for level, group in enumerate(levels) for item in group for step in _taken_down(item, level)]
    if options.named:
        return operations
    if options.volumes:
        declared = {volume.name for volume in project.volumes.values() if not volume.external}
        external = {volume.name for volume in project.volumes.values() if volume.external}
        for resource in observed.volumes:
            mine = resource.name in declared or resource.project == project.name
            if mine and resource.name not in external:
                operations.append(Operation(verb="remove-volume", target=resource.name, key=resource.key))
    if options.images:
        for name, service in project.services.items():
            if options.images == "all" or not service.config.get("image"):
                operations.append(Operation(verb="remove-image", target=service.image, service=name))
    external = {network.name for network in project.networks.values() if network.external}
    for resource in observed.networks:
        if resource.project == project.name and resource.name not in external:
            operations.append(Operation(verb="remove-network", target=resource.name, key=resource.key))
    return operations


def _goes_down(item: ObservedContainer, known: list[str], options: DownOptions) -> bool:
    if options.named:
        return item.service in options.named
    return not known or item.service in known or options.remove_orphans
