"""Ask the engine what there is of a project. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pier.compose import observed
from pier.compose.model import Project, Service
from pier.compose.observed import Observed, ObservedContainer, ObservedResource
from pier.engine.listing import containers
from pier.network import store as networks
from pier.volumes import store as volumes

if TYPE_CHECKING:
    from pier.engine.context import Engine
    from pier.model.container import Container


def observe(engine: Engine, project: str) -> Observed:
    """All containers of *project*, and every network and volume of the store."""
    return Observed(
        containers=tuple(map(observed_container, containers_of(engine, project))),
        networks=tuple(_resource(item.name, item.labels, observed.NETWORK) for item in networks.stored(engine.paths)),
        volumes=tuple(_resource(item.name, item.labels, observed.VOLUME) for item in volumes.list(engine.paths)),
    )


def containers_of(engine: Engine, project: str) -> list[Container]:
    """The project's containers, running or not, in order of service and number."""
    found = [item for item in containers(engine, all=True) if item.spec.labels.get(observed.PROJECT) == project]
    return sorted(found, key=lambda item: (item.spec.labels.get(observed.SERVICE, ""), number_of(item)))


def number_of(container: Container) -> int:
    """The container's number within its service."""
    text = container.spec.labels.get(observed.NUMBER, "1")
    return int(text) if text.isdigit() else 1


def observed_container(container: Container) -> ObservedContainer:
    """The plan's view of *container*."""
    found = container.spec.labels
    health = container.state.health
    return ObservedContainer(
        id=container.id,
        name=container.name,
        service=found.get(observed.SERVICE, ""),
        number=number_of(container),
        one_off=found.get(observed.ONE_OFF, "False").lower() == "true",
        config_hash=found.get(observed.CONFIG_HASH, ""),
        image_id=container.spec.image_id,
        status=container.state.status,
        exit_code=container.state.exit_code,
        health=health.status if health else "",
        depends_on=tuple(item.split(":", 1)[0] for item in found.get(observed.DEPENDS_ON, "").split(",") if item),
    )


def _resource(name: str, labels: Mapping[str, str], key: str) -> ObservedResource:
    return ObservedResource(
        name=name,
        key=labels.get(key, ""),
        project=labels.get(observed.PROJECT, ""),
        config_hash=labels.get(observed.CONFIG_HASH, ""),
    )


def remembered(engine: Engine, name: str) -> Project:
    """The project as its containers' labels tell it, for commands that are given a name and find no file."""
    found = containers_of(engine, name)
    services: dict[str, Service] = {}
    directory = ""
    files: tuple[str, ...] = ()
    for item in found:
        service = item.spec.labels.get(observed.SERVICE, "")
        services[service] = Service(name=service, image=item.spec.image)
        directory = item.spec.labels.get(observed.DIRECTORY, directory)
        files = tuple(filter(None, item.spec.labels.get(observed.FILES, "").split(","))) or files
    return Project(name=name, directory=directory, files=files, services=services)


def project_names(engine: Engine) -> Iterable[str]:
    """The names of all projects that have containers."""
    names = {item.spec.labels.get(observed.PROJECT, "") for item in containers(engine, all=True)}
    return sorted(names - {""})
