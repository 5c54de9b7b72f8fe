"""Every key of a compose service, and what pier does with it (Compose specification, "Services")."""

from __future__ import annotations

from pier.compose.grammar_deploy import DEPLOY, DEVELOP, GPUS
from pier.compose.kinds import (
    BYTES,
    DURATION,
    FLAG,
    INT,
    NUMBER,
    PAIRS,
    SCALAR,
    TEXT,
    TEXT_OR_TEXTS,
    TEXTS,
    Choice,
    Either,
    Fields,
    Key,
    ListOf,
    MapOf,
    done,
    refused,
    warned,
)

_WINDOWS = "it exists on Windows only"
_OPTIONS = MapOf(value=SCALAR)
COMMAND = Either(kinds=(TEXT, TEXTS))
_HOSTS = Either(kinds=(MapOf(value=TEXT_OR_TEXTS), TEXTS))
_LIMIT = "block I/O limits are not set"
_BUILDKIT = "the builder here makes one image for this machine and keeps its own cache"

_ULIMITS = MapOf(
    value=Either(
        kinds=(INT, Fields(what="ulimit", keys={"hard": done(INT), "soft": done(INT)}, required=("soft", "hard")))
    )
)

_FILE_GRANT = ListOf(
    item=Either(
        kinds=(
            TEXT,
            Fields(
                what="file grant",
                keys={
                    "source": done(TEXT),
                    "target": done(TEXT),
                    "uid": done(TEXT),
                    "gid": done(TEXT),
                    "mode": done(SCALAR),
                },
            ),
        )
    )
)

BUILD = Fields(
    what="build",
    keys={
        "context": done(TEXT),
        "dockerfile": done(TEXT),
        "dockerfile_inline": done(TEXT),
        "entitlements": refused(TEXTS, "privileged build steps are not supported"),
        "args": done(PAIRS),
        "ssh": refused(Either(kinds=(TEXT, MapOf(value=SCALAR), TEXTS)), "the builder forwards no SSH agent"),
        "labels": done(PAIRS),
        "cache_from": warned(TEXTS, _BUILDKIT),
        "cache_to": warned(TEXTS, _BUILDKIT),
        "no_cache": done(FLAG),
        "additional_contexts": refused(PAIRS, "the builder knows one context; copy the files into it"),
        "network": done(TEXT),
        "provenance": warned(SCALAR, "attestations are not made"),
        "sbom": warned(SCALAR, "attestations are not made"),
        "pull": done(FLAG),
        "target": done(TEXT),
        "shm_size": warned(BYTES, "build steps have /dev/shm at its default size"),
        "extra_hosts": done(_HOSTS),
        "isolation": warned(TEXT, _WINDOWS),
        "privileged": refused(FLAG, "privileged build steps are not supported"),
        "secrets": done(_FILE_GRANT),
        "tags": done(TEXTS),
        "ulimits": warned(_ULIMITS, "build steps run with the caller's limits"),
        "platforms": warned(TEXTS, _BUILDKIT),
    },
)

_BLKIO_LIMITS = ListOf(item=Fields(what="limit", keys={"path": done(TEXT), "rate": done(BYTES)}, closed=True))
_BLKIO = Fields(
    what="blkio_config",
    keys={
        "device_read_bps": done(_BLKIO_LIMITS),
        "device_read_iops": done(_BLKIO_LIMITS),
        "device_write_bps": done(_BLKIO_LIMITS),
        "device_write_iops": done(_BLKIO_LIMITS),
        "weight": done(INT),
        "weight_device": done(
            ListOf(item=Fields(what="weight", keys={"path": done(TEXT), "weight": done(INT)}, closed=True))
        ),
    },
    closed=True,
)

DEPENDS_ON = Either(
    kinds=(
        TEXTS,
        MapOf(
            value=Fields(
                what="dependency",
                keys={
                    "restart": done(FLAG),
                    "required": done(FLAG),
                    "condition": done(
                        Choice(values=("service_started", "service_healthy", "service_completed_successfully"))
                    ),
                },
            )
        ),
    )
)

_DEVICES = ListOf(
    item=Either(
        kinds=(
            TEXT,
            Fields(
                what="device",
                keys={"source": done(TEXT), "target": done(TEXT), "permissions": done(TEXT)},
                required=("source",),
            ),
        )
    )
)

_ENV_FILE = Either(
    kinds=(
        TEXT,
        ListOf(
            item=Either(
                kinds=(
                    TEXT,
                    Fields(
                        what="env_file",
                        keys={"path": done(TEXT), "format": done(TEXT), "required": done(FLAG)},
                        required=("path",),
                        closed=True,
                    ),
                )
            )
        ),
    )
)

HEALTHCHECK = Fields(
    what="healthcheck",
    keys={
        "disable": done(FLAG),
        "interval": done(DURATION),
        "retries": done(INT),
        "test": done(COMMAND),
        "timeout": done(DURATION),
        "start_period": done(DURATION),
        "start_interval": done(DURATION),
    },
)

_HOOK = Fields(
    what="hook",
    keys={
        "command": done(COMMAND),
        "user": done(TEXT),
        "privileged": done(FLAG),
        "working_dir": done(TEXT),
        "environment": done(PAIRS),
    },
    required=("command",),
)

_NETWORK_USE = Fields(
    what="network attachment",
    keys={
        "aliases": done(TEXTS),
        "interface_name": warned(TEXT, "interfaces are named eth0, eth1, …"),
        "ipv4_address": done(TEXT),
        "ipv6_address": warned(TEXT, "networks have IPv4 only"),
        "link_local_ips": warned(TEXTS, "link-local addresses are not given"),
        "mac_address": done(TEXT),
        "driver_opts": warned(_OPTIONS, "bridge options are not read"),
        "priority": done(NUMBER),
        "gw_priority": done(NUMBER),
    },
)

_PORT = Fields(
    what="port",
    keys={
        "name": done(TEXT),
        "mode": done(TEXT),
        "host_ip": done(TEXT),
        "target": done(INT),
        "published": done(SCALAR),
        "protocol": done(TEXT),
        "app_protocol": done(TEXT),
    },
)

_MOUNT = Fields(
    what="volume mount",
    keys={
        "type": done(Choice(values=("bind", "volume", "tmpfs", "cluster", "npipe", "image"))),
        "source": done(TEXT),
        "target": done(TEXT),
        "read_only": done(FLAG),
        "consistency": done(TEXT),
        "bind": done(
            Fields(
                what="bind",
                keys={
                    "propagation": done(Choice(values=("private", "rprivate", "shared", "rshared", "slave", "rslave"))),
                    "create_host_path": done(FLAG),
                    "recursive": warned(
                        Choice(values=("enabled", "disabled", "writable", "readonly")), "bind mounts are recursive"
                    ),
                    "selinux": warned(Choice(values=("z", "Z")), "files are not relabelled"),
                },
            )
        ),
        "volume": done(
            Fields(what="volume", keys={"labels": done(PAIRS), "nocopy": done(FLAG), "subpath": done(TEXT)})
        ),
        "tmpfs": done(Fields(what="tmpfs", keys={"size": done(BYTES), "mode": done(SCALAR)})),
        "image": refused(Fields(what="image", keys={"subpath": done(TEXT)}), "images cannot be mounted"),
    },
    required=("type",),
)

_SERVICE_KEYS: dict[str, Key] = {
    "annotations": warned(PAIRS, "containers carry labels only"),
    "attach": done(FLAG),
    "blkio_config": warned(_BLKIO, _LIMIT),
    "build": done(Either(kinds=(TEXT, BUILD))),
    "cap_add": done(TEXTS),
    "cap_drop": done(TEXTS),
    "cgroup": warned(Choice(values=("host", "private")), "the cgroup namespace is the engine's choice"),
    "cgroup_parent": warned(TEXT, "the cgroup is the engine's choice"),
    "command": done(COMMAND),
    "configs": done(_FILE_GRANT),
    "container_name": done(TEXT),
    "cpu_count": warned(INT, _WINDOWS),
    "cpu_percent": warned(NUMBER, _WINDOWS),
    "cpu_period": done(INT),
    "cpu_quota": done(INT),
    "cpu_rt_period": warned(SCALAR, "real-time CPU limits are not set"),
    "cpu_rt_runtime": warned(SCALAR, "real-time CPU limits are not set"),
    "cpu_shares": done(INT),
    "cpus": done(NUMBER),
    "cpuset": done(TEXT),
    "credential_spec": refused(
        Fields(what="credential_spec", keys={"config": done(TEXT), "file": done(TEXT), "registry": done(TEXT)}),
        _WINDOWS,
    ),
    "depends_on": done(DEPENDS_ON),
    "deploy": done(DEPLOY),
    "develop": warned(DEVELOP, "`watch` is not there yet; `up --build` takes changes in"),
    "device_cgroup_rules": warned(TEXTS, "device access follows `devices:`"),
    "devices": done(_DEVICES),
    "dns": done(TEXT_OR_TEXTS),
    "dns_opt": done(TEXTS),
    "dns_search": done(TEXT_OR_TEXTS),
    "domainname": done(TEXT),
    "entrypoint": done(COMMAND),
    "env_file": done(_ENV_FILE),
    "environment": done(PAIRS),
    "expose": done(ListOf(item=SCALAR)),
    "extends": done(
        Either(
            kinds=(
                TEXT,
                Fields(
                    what="extends",
                    keys={"service": done(TEXT), "file": done(TEXT)},
                    required=("service",),
                    closed=True,
                ),
            )
        )
    ),
    "external_links": refused(TEXTS, "join the other project's network instead (`networks:` with `external: true`)"),
    "extra_hosts": done(_HOSTS),
    "gpus": refused(GPUS, "GPUs are not passed into containers yet"),
    "group_add": done(ListOf(item=SCALAR)),
    "healthcheck": done(HEALTHCHECK),
    "hostname": done(TEXT),
    "image": done(TEXT),
    "init": done(FLAG),
    "ipc": refused(TEXT, "every container has its own IPC namespace"),
    "isolation": warned(TEXT, _WINDOWS),
    "label_file": done(TEXT_OR_TEXTS),
    "labels": done(PAIRS),
    "links": done(TEXTS),
    "logging": warned(
        Fields(what="logging", keys={"driver": done(TEXT), "options": done(_OPTIONS)}),
        "logs are always kept in JSON files and read with `pier compose logs`",
    ),
    "mac_address": done(TEXT),
    "mem_limit": done(BYTES),
    "mem_reservation": done(BYTES),
    "mem_swappiness": warned(INT, "swappiness is not set"),
    "memswap_limit": done(BYTES),
    "models": refused(
        Either(
            kinds=(
                TEXTS,
                MapOf(value=Fields(what="model use", keys={"endpoint_var": done(TEXT), "model_var": done(TEXT)})),
            )
        ),
        "pier runs no language models; point the service at a model server instead",
    ),
    "network_mode": done(TEXT),
    "networks": done(Either(kinds=(TEXTS, MapOf(value=_NETWORK_USE)))),
    "oom_kill_disable": warned(FLAG, "the out-of-memory killer stays on"),
    "oom_score_adj": done(INT),
    "pid": refused(TEXT, "every container has its own PID namespace"),
    "pids_limit": done(INT),
    "platform": done(TEXT),
    "ports": done(ListOf(item=Either(kinds=(SCALAR, _PORT)))),
    "post_start": refused(ListOf(item=_HOOK), "hooks are not run; put the step into the entrypoint"),
    "pre_stop": refused(ListOf(item=_HOOK), "hooks are not run; handle the stop signal in the program"),
    "privileged": done(FLAG),
    "profiles": done(TEXTS),
    "provider": refused(
        Fields(what="provider", keys={"type": done(TEXT), "options": done(MapOf(value=TEXT_OR_TEXTS))}),
        "external providers are not called",
    ),
    "pull_policy": done(TEXT),
    "pull_refresh_after": warned(TEXT, "images are pulled when missing or with `pull_policy: always`"),
    "read_only": done(FLAG),
    "restart": done(TEXT),
    "runtime": warned(TEXT, "pier is the runtime"),
    "scale": done(INT),
    "secrets": done(_FILE_GRANT),
    "security_opt": done(TEXTS),
    "shm_size": done(BYTES),
    "stdin_open": done(FLAG),
    "stop_grace_period": done(DURATION),
    "stop_signal": done(TEXT),
    "storage_opt": warned(_OPTIONS, "the store has no quota"),
    "sysctls": done(PAIRS),
    "tmpfs": done(TEXT_OR_TEXTS),
    "tty": done(FLAG),
    "ulimits": done(_ULIMITS),
    "use_api_socket": refused(FLAG, "there is no Docker socket to hand in"),
    "user": done(TEXT),
    "userns_mode": warned(TEXT, "the user namespace is the engine's choice"),
    "uts": refused(TEXT, "every container has its own hostname"),
    "volumes": done(ListOf(item=Either(kinds=(TEXT, _MOUNT)))),
    "volumes_from": done(TEXTS),
    "working_dir": done(TEXT),
}

SERVICE = Fields(what="service", keys=_SERVICE_KEYS)
