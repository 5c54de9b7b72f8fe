"""A compose project as the plan and the engine need it: typed, complete, immutable. Pure.

`config` and `model` hold the canonical mappings behind the records: what `config` prints and what is hashed.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pier.model.container import Healthcheck, RestartPolicy, Ulimit
from pier.model.ports import PortBinding
from pier.model.record import Record

STARTED = "service_started"
HEALTHY = "service_healthy"
COMPLETED = "service_completed_successfully"


class Dependency(Record):
    """`depends_on` of one service: *restart* follows the dependency's restarts, not *required* lets it be absent."""

    condition: str = STARTED
    required: bool = True
    restart: bool = False


class NetworkUse(Record):
    """A service's place in the network with key *network*."""

    network: str
    aliases: tuple[str, ...] = ()
    ip: str = ""
    mac: str = ""
    priority: float = 0


class ServiceMount(Record):
    """*kind*: bind, volume or tmpfs. *source*: absolute path, volume key, or "" for an anonymous volume and tmpfs."""

    kind: str
    source: str = ""
    target: str
    read_only: bool = False
    propagation: str = ""
    create_host_path: bool = True
    copy_up: bool = True
    subpath: str = ""
    labels: dict[str, str] = {}
    options: tuple[str, ...] = ()


class FileGrant(Record):
    """A secret or config file at *target* inside the container. *source* is its key."""

    source: str
    target: str
    uid: str = ""
    gid: str = ""
    mode: int | None = None


class Build(Record):
    """How the service's image is built. *context* is a folder or a URL."""

    context: str
    dockerfile: str = "Dockerfile"
    inline: str = ""
    args: dict[str, str | None] = {}
    labels: dict[str, str] = {}
    target: str = ""
    network: str = ""
    no_cache: bool = False
    pull: bool = False
    tags: tuple[str, ...] = ()
    secrets: tuple[FileGrant, ...] = ()
    extra_hosts: tuple[str, ...] = ()


class Limits(Record):
    """Resource limits; 0 means none."""

    memory: int = 0
    memory_swap: int = 0
    memory_reservation: int = 0
    nano_cpus: int = 0
    cpu_shares: int = 0
    cpuset: str = ""
    pids: int = 0
    oom_score_adj: int = 0
    shm_bytes: int = 0
    ulimits: tuple[Ulimit, ...] = ()


class Service(Record):
    """One service. *command* and *entrypoint* None: the image's own. *stop_grace* in seconds, None: the default."""

    NESTED: ClassVar[dict[str, type[Record]]] = {}

    name: str
    image: str
    build: Build | None = None
    pull_policy: str = ""
    platform: str = ""
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: dict[str, str | None] = {}
    labels: dict[str, str] = {}
    ports: tuple[PortBinding, ...] = ()
    expose: tuple[str, ...] = ()
    mounts: tuple[ServiceMount, ...] = ()
    volumes_from: tuple[str, ...] = ()
    secrets: tuple[FileGrant, ...] = ()
    configs: tuple[FileGrant, ...] = ()
    networks: tuple[NetworkUse, ...] = ()
    network_mode: str = ""
    links: tuple[str, ...] = ()
    depends_on: dict[str, Dependency] = {}
    healthcheck: Healthcheck | None = None
    restart: RestartPolicy = RestartPolicy()
    scale: int = 1
    container_name: str = ""
    hostname: str = ""
    domainname: str = ""
    user: str = ""
    working_dir: str = ""
    stop_signal: str = ""
    stop_grace: float | None = None
    init: bool = False
    tty: bool = False
    stdin_open: bool = False
    attach: bool = True
    privileged: bool = False
    read_only: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    group_add: tuple[str, ...] = ()
    sysctls: dict[str, str] = {}
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    limits: Limits = Limits()
    profiles: tuple[str, ...] = ()
    config: dict[str, Any] = {}

    @property
    def builds(self) -> bool:
        return self.build is not None


class ProjectNetwork(Record):
    """*name* is the engine's name; *key* the compose file's."""

    key: str
    name: str
    driver: str = ""
    external: bool = False
    internal: bool = False
    attachable: bool = False
    subnet: str = ""
    gateway: str = ""
    options: dict[str, str] = {}
    labels: dict[str, str] = {}


class ProjectVolume(Record):
    """*name* is the engine's name; *key* the compose file's."""

    key: str
    name: str
    driver: str = ""
    external: bool = False
    labels: dict[str, str] = {}


class FileObject(Record):
    """A top-level secret or config: one of *file*, *environment*, *content* is set."""

    key: str
    name: str
    file: str = ""
    environment: str = ""
    content: str = ""


class Project(Record):
    """A loaded project. *services* are the enabled ones; *disabled* those whose profile is not active."""

    name: str
    directory: str
    files: tuple[str, ...] = ()
    services: dict[str, Service] = {}
    disabled: dict[str, Service] = {}
    networks: dict[str, ProjectNetwork] = {}
    volumes: dict[str, ProjectVolume] = {}
    secrets: dict[str, FileObject] = {}
    configs: dict[str, FileObject] = {}
    environment: dict[str, str] = {}
    model: dict[str, Any] = {}
