"""What a container was asked to be (`ContainerSpec`), what it is now (`ContainerState`), and both (`Container`).

A spec never changes after `create`, except for name and restart policy; everything that changes lives in the state.
"""

from __future__ import annotations

from pier.model.ports import PortBinding
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar, Literal

    Status = Literal["created", "running", "paused", "restarting", "removing", "exited", "dead"]
    MountKind = Literal["bind", "volume", "tmpfs"]

DEFAULT_STOP_SIGNAL = "SIGTERM"
DEFAULT_STOP_SECONDS = 10
DEFAULT_SHM_BYTES = 64 << 20


class Mount(Record):
    """One mount of the container. *source*: host path (bind), volume name ("" for anonymous), unused for tmpfs.

    *anonymous* volumes are removed with `rm -v`, `--rm` and `down -v`. *options*: mount(8) words (tmpfs size, mode).
    *recursive*: mounts below a bind's source come along.
    """

    kind: MountKind
    source: str = ""
    target: str
    read_only: bool = False
    propagation: str = "rprivate"
    anonymous: bool = False
    copy_up: bool = True
    subpath: str = ""
    driver: str = ""
    labels: dict[str, str] = {}
    options: tuple[str, ...] = ()
    create_source: bool = False
    recursive: bool = True


class RestartPolicy(Record):
    """*name*: no, always, on-failure or unless-stopped. *maximum* retries of on-failure; 0 is no limit."""

    name: str = "no"
    maximum: int = 0


class Healthcheck(Record):
    """*test* as in the image: ("CMD", …), ("CMD-SHELL", line) or ("NONE",). Durations in nanoseconds; 0: default."""

    test: tuple[str, ...] = ()
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0

    @property
    def enabled(self) -> bool:
        return bool(self.test) and self.test[0] != "NONE"


class Ulimit(Record):
    """A resource limit by its name in setrlimit(2), lower case without RLIMIT_; -1 is unlimited."""

    name: str
    soft: int
    hard: int


class Resources(Record):
    """Limits; 0 means none. *memory*, *memory_swap*, *memory_reservation* in bytes; *nano_cpus* in 1e-9 CPUs.

    -1 is "unlimited" for *memory_swap* and *pids_limit*, "as the kernel does" for *memory_swappiness*.
    """

    NESTED: ClassVar[dict[str, type[Record]]] = {"ulimits": Ulimit}

    memory: int = 0
    memory_swap: int = 0
    memory_reservation: int = 0
    nano_cpus: int = 0
    cpu_shares: int = 0
    cpu_period: int = 0
    cpu_quota: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    memory_swappiness: int = -1
    oom_kill_disable: bool = False
    pids_limit: int = 0
    oom_score_adj: int = 0
    ulimits: tuple[Ulimit, ...] = ()


class NetworkAttachment(Record):
    """A network the container joins: *network* is its name, *aliases* further names for it there."""

    network: str
    aliases: tuple[str, ...] = ()
    ip: str = ""
    mac: str = ""


class Security(Record):
    """Deviations from the default profile. *seccomp*: "" default, "unconfined", or a path to a profile."""

    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    privileged: bool = False
    no_new_privileges: bool = False
    seccomp: str = ""
    devices: tuple[str, ...] = ()
    group_add: tuple[str, ...] = ()
    sysctls: dict[str, str] = {}
    read_only: bool = False


class LogPolicy(Record):
    """*driver*: json-file or none. Rotation at *max_size* bytes (0: never) into *max_files* files in all."""

    driver: str = "json-file"
    max_size: int = 0
    max_files: int = 1


class ContainerSettings(Record):
    """What a request and a spec have in common.

    *attached*: the streams that `create -a` named; none means stdout and stderr. *runtime*: "" for pier's own, else the
    OCI runtime (crun, runc or a path) that runs the container.
    """

    NESTED: ClassVar[dict[str, type[Record]]] = {
        "mounts": Mount,
        "ports": PortBinding,
        "restart": RestartPolicy,
        "healthcheck": Healthcheck,
        "resources": Resources,
        "networks": NetworkAttachment,
        "security": Security,
        "log": LogPolicy,
    }

    command: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
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
    resources: Resources = Resources()
    security: Security = Security()
    pid_mode: str = ""
    uts_mode: str = ""
    annotations: dict[str, str] = {}
    attached: tuple[str, ...] = ()
    log: LogPolicy = LogPolicy()


class ContainerSpec(ContainerSettings):
    """What was asked for, with the image's defaults already merged in.

    *network_mode*: "bridge" (any bridge network, see *networks*), "host", "none" or "container:ID". *pid_mode* and
    *uts_mode*: "", "host" (or "container:ID" for pid). *ipc_mode*: private, shareable, none, host or "container:ID".
    *image* is the reference as typed, *image_id* the image's config digest. *created* is RFC 3339 UTC.
    """

    id: str
    name: str
    created: str
    image: str
    image_id: str
    entrypoint: tuple[str, ...] = ()
    working_dir: str = "/"
    stop_signal: str = DEFAULT_STOP_SIGNAL
    stop_timeout: int = DEFAULT_STOP_SECONDS
    shm_bytes: int = DEFAULT_SHM_BYTES
    ipc_mode: str = "private"

    @property
    def argv(self) -> tuple[str, ...]:
        return self.entrypoint + self.command

    @property
    def has_healthcheck(self) -> bool:
        return self.healthcheck is not None and self.healthcheck.enabled


class HealthProbe(Record):
    """One run of the health check. Times are RFC 3339 UTC."""

    start: str
    end: str
    exit_code: int
    output: str


class Health(Record):
    """*status*: starting, healthy or unhealthy. *log* holds the last five probes, oldest first."""

    NESTED: ClassVar[dict[str, type[Record]]] = {"log": HealthProbe}

    status: str = "starting"
    failing_streak: int = 0
    log: tuple[HealthProbe, ...] = ()


class ContainerState(Record):
    """What the monitor last wrote. *pid* and *monitor_pid* carry the start time (clock ticks since boot, proc(5) field
    22) that tells a process from a later one of the same number. Times are RFC 3339 UTC, "" when never."""

    NESTED: ClassVar[dict[str, type[Record]]] = {"health": Health, "ports": PortBinding}

    status: Status = "created"
    pid: int = 0
    pid_start: int = 0
    monitor_pid: int = 0
    monitor_start: int = 0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    started_at: str = ""
    finished_at: str = ""
    restart_count: int = 0
    stopped_by_user: bool = False
    health: Health | None = None
    ports: tuple[PortBinding, ...] = ()
    addresses: dict[str, dict[str, str]] = {}
    cgroups: tuple[str, ...] = ()

    @property
    def running(self) -> bool:
        return self.status in ("running", "paused")


class Container(Record):
    """A container as `ps` and `inspect` see it."""

    NESTED: ClassVar[dict[str, type[Record]]] = {"spec": ContainerSpec, "state": ContainerState}

    spec: ContainerSpec
    state: ContainerState

    @property
    def id(self) -> str:
        return self.spec.id

    @property
    def short_id(self) -> str:
        return self.spec.id[:12]

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def log_path_name(self) -> str:
        return f"{self.spec.id}-json.log"
