"""What a user may ask of `create`, before the image's defaults are merged in."""

from __future__ import annotations

from pier.model.container import (
    Healthcheck,
    LogPolicy,
    Mount,
    NetworkAttachment,
    Resources,
    RestartPolicy,
    Security,
)
from pier.model.ports import PortBinding
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar


class CreateRequest(Record):
    """Empty means "as the image says". *entrypoint* None keeps the image's, () clears it.

    *network_mode*: "bridge" (then *networks* names them; none means the default one), "host", "none" or
    "container:REFERENCE"; so do *pid_mode* and *ipc_mode* for theirs. *stop_timeout* in seconds, -1 for the default.
    *shm_bytes* 0 for the default.
    """

    NESTED: ClassVar[dict[str, type[Record]]] = {
        "mounts": Mount,
        "ports": PortBinding,
        "networks": NetworkAttachment,
        "restart": RestartPolicy,
        "healthcheck": Healthcheck,
        "resources": Resources,
        "security": Security,
        "log": LogPolicy,
    }

    image: str
    name: str = ""
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    env: tuple[str, ...] = ()
    working_dir: str = ""
    user: str = ""
    hostname: str = ""
    domainname: str = ""
    tty: bool = False
    stdin_open: bool = False
    stdin_once: bool = False
    init: bool = False
    runtime: str = ""
    auto_remove: bool = False
    labels: dict[str, str] = {}
    mounts: tuple[Mount, ...] = ()
    volumes_from: tuple[str, ...] = ()
    ports: tuple[PortBinding, ...] = ()
    exposed: tuple[str, ...] = ()
    publish_all: bool = False
    network_mode: str = "bridge"
    networks: tuple[NetworkAttachment, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    restart: RestartPolicy = RestartPolicy()
    healthcheck: Healthcheck | None = None
    no_healthcheck: bool = False
    stop_signal: str = ""
    stop_timeout: int = -1
    shm_bytes: int = 0
    resources: Resources = Resources()
    security: Security = Security()
    pid_mode: str = ""
    ipc_mode: str = ""
    uts_mode: str = ""
    annotations: dict[str, str] = {}
    attached: tuple[str, ...] = ()
    log: LogPolicy = LogPolicy()
