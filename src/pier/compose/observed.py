"""What the engine holds of a project: what Docker Compose's labels find. Pure records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from pier.model.record import Record

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
NUMBER = "com.docker.compose.container-number"
ONE_OFF = "com.docker.compose.oneoff"
CONFIG_HASH = "com.docker.compose.config-hash"
DEPENDS_ON = "com.docker.compose.depends_on"
IMAGE = "com.docker.compose.image"
FILES = "com.docker.compose.project.config_files"
DIRECTORY = "com.docker.compose.project.working_dir"
VERSION = "com.docker.compose.version"
NETWORK = "com.docker.compose.network"
VOLUME = "com.docker.compose.volume"
SPOKEN_VERSION = "2.40.3"


class ObservedContainer(Record):
    """One container of the project. *health* is "" without a health check."""

    id: str
    name: str
    service: str
    number: int = 1
    one_off: bool = False
    config_hash: str = ""
    image_id: str = ""
    status: str = "created"
    exit_code: int = 0
    health: str = ""
    depends_on: tuple[str, ...] = ()

    @property
    def running(self) -> bool:
        return self.status in ("running", "paused", "restarting")


class ObservedResource(Record):
    """A network or volume by its engine's name. *project*: the project it was made for, "" when by hand."""

    name: str
    key: str = ""
    project: str = ""
    config_hash: str = ""


class Observed(Record):
    """Everything of one project, and every network and volume name the engine knows."""

    NESTED: ClassVar[dict[str, type[Record]]] = {
        "containers": ObservedContainer,
        "networks": ObservedResource,
        "volumes": ObservedResource,
    }

    containers: tuple[ObservedContainer, ...] = ()
    networks: tuple[ObservedResource, ...] = ()
    volumes: tuple[ObservedResource, ...] = ()

    def of(self, service: str) -> list[ObservedContainer]:
        """The service's containers by number, without those `run` made."""
        found = [item for item in self.containers if item.service == service and not item.one_off]
        return sorted(found, key=lambda item: item.number)

    def orphans(self, services: Iterable[str]) -> list[ObservedContainer]:
        """Containers of services that the compose file no longer has."""
        known = set(services)
        return [item for item in self.containers if item.service not in known and not item.one_off]
