"""One canonical service mapping into a `Service` record. Pure; the mapping has been checked."""

from __future__ import annotations

from typing import Any

from pier.compose import portspecs
from pier.compose.model import (
    Build,
    Dependency,
    FileGrant,
    Limits,
    NetworkUse,
    Service,
    ServiceMount,
)
from pier.compose.source import MarkedMap, plain
from pier.model.container import Healthcheck, RestartPolicy, Ulimit
from pier.model.quantities import parse_duration


def build_service(key: str, tree: MarkedMap, project: str) -> Service:
    """The record of service *key* of *project*."""
    build = _build(tree.get("build"))
    grace = tree.get("stop_grace_period")
    return Service(
        name=key,
        image=tree.get("image") or f"{project}-{key}",
        build=build,
        pull_policy=tree.get("pull_policy") or "",
        platform=tree.get("platform") or "",
        command=_words(tree, "command"),
        entrypoint=_words(tree, "entrypoint"),
        environment=dict(tree.get("environment") or {}),
        labels=dict(tree.get("labels") or {}),
        ports=tuple(portspecs.binding(entry) for entry in tree.get("ports") or ()),
        expose=tuple(tree.get("expose") or ()),
        mounts=(*map(_mount, tree.get("volumes") or ()), *map(_tmpfs, tree.get("tmpfs") or ())),
        volumes_from=_texts(tree, "volumes_from"),
        secrets=_grants(tree.get("secrets")),
        configs=_grants(tree.get("configs")),
        networks=_networks(tree),
        network_mode=tree.get("network_mode") or "",
        links=_texts(tree, "links"),
        depends_on={name: _dependency(item) for name, item in (tree.get("depends_on") or {}).items()},
        healthcheck=_healthcheck(tree.get("healthcheck")),
        restart=_restart(tree),
        scale=_scale(tree, key),
        container_name=tree.get("container_name") or "",
        hostname=tree.get("hostname") or "",
        domainname=tree.get("domainname") or "",
        user=tree.get("user") or "",
        working_dir=tree.get("working_dir") or "",
        stop_signal=tree.get("stop_signal") or "",
        stop_grace=None if grace is None else parse_duration(grace),
        init=bool(tree.get("init")),
        tty=bool(tree.get("tty")),
        stdin_open=bool(tree.get("stdin_open")),
        attach=tree.get("attach") is not False,
        privileged=bool(tree.get("privileged")),
        read_only=bool(tree.get("read_only")),
        cap_add=_texts(tree, "cap_add"),
        cap_drop=_texts(tree, "cap_drop"),
        security_opt=_texts(tree, "security_opt"),
        devices=tuple(":".join(item[part] for part in _DEVICE) for item in tree.get("devices") or ()),
        group_add=_texts(tree, "group_add"),
        sysctls=dict(tree.get("sysctls") or {}),
        dns=_texts(tree, "dns"),
        dns_search=_texts(tree, "dns_search"),
        dns_options=_texts(tree, "dns_opt"),
        extra_hosts=_extra_hosts(tree),
        limits=_limits(tree),
        profiles=_texts(tree, "profiles"),
        config=plain(tree),
    )


_DEVICE = ("source", "target", "permissions")


def _texts(tree: MarkedMap, key: str) -> tuple[str, ...]:
    return tuple(str(item) for item in tree.get(key) or ())


def _words(tree: MarkedMap, key: str) -> tuple[str, ...] | None:
    value = tree.get(key)
    return None if value is None else tuple(value)


def _build(tree: Any) -> Build | None:
    if tree is None:
        return None
    return Build(
        context=tree["context"],
        dockerfile=tree.get("dockerfile") or "Dockerfile",
        inline=tree.get("dockerfile_inline") or "",
        args=dict(tree.get("args") or {}),
        labels=dict(tree.get("labels") or {}),
        target=tree.get("target") or "",
        network=tree.get("network") or "",
        no_cache=bool(tree.get("no_cache")),
        pull=bool(tree.get("pull")),
        tags=tuple(tree.get("tags") or ()),
        secrets=_grants(tree.get("secrets")),
        extra_hosts=_extra_hosts(tree),
    )


def _grants(items: Any) -> tuple[FileGrant, ...]:
    return tuple(
        FileGrant(
            source=item["source"],
            target=item.get("target") or "/" + item["source"],
            uid=item.get("uid") or "",
            gid=item.get("gid") or "",
            mode=item.get("mode"),
        )
        for item in items or ()
    )


def _networks(tree: MarkedMap) -> tuple[NetworkUse, ...]:
    uses = [
        NetworkUse(
            network=name,
            aliases=tuple(item.get("aliases") or ()),
            ip=item.get("ipv4_address") or "",
            mac=item.get("mac_address") or tree.get("mac_address") or "",
            priority=item.get("gw_priority") or item.get("priority") or 0,
        )
        for name, item in ((name, value or {}) for name, value in (tree.get("networks") or {}).items())
    ]
    return tuple(sorted(uses, key=lambda use: (-use.priority, use.network)))


def _dependency(item: dict[str, Any]) -> Dependency:
    return Dependency(
        condition=item["condition"], required=item.get("required", True), restart=bool(item.get("restart"))
    )


def _mount(item: dict[str, Any]) -> ServiceMount:
    kind = item["type"]
    details = item.get(kind) or {}
    options: list[str] = []
    if kind == "tmpfs":
        options += [f"size={details['size']}"] if details.get("size") else []
        options += [f"mode={details['mode']:o}"] if details.get("mode") else []
    return ServiceMount(
        kind=kind,
        source=item.get("source") or "",
        target=item["target"],
        read_only=bool(item.get("read_only")),
        propagation=details.get("propagation") or "",
        create_host_path=details.get("create_host_path", True),
        copy_up=not details.get("nocopy"),
        subpath=details.get("subpath") or "",
        labels=dict(details.get("labels") or {}),
        options=tuple(options),
    )


def _tmpfs(text: str) -> ServiceMount:
    target, _, options = text.partition(":")
    return ServiceMount(kind="tmpfs", target=target, options=tuple(filter(None, options.split(","))))


def _healthcheck(tree: Any) -> Healthcheck | None:
    if tree is None:
        return None
    if tree.get("disable"):
        return Healthcheck(test=("NONE",))
    return Healthcheck(
        test=tuple(tree.get("test") or ()),
        interval=_nanoseconds(tree.get("interval")),
        timeout=_nanoseconds(tree.get("timeout")),
        start_period=_nanoseconds(tree.get("start_period")),
        start_interval=_nanoseconds(tree.get("start_interval")),
        retries=int(tree.get("retries") or 0),
    )


def _nanoseconds(text: Any) -> int:
    return 0 if text is None else round(parse_duration(str(text)) * 1e9)


_RESTARTS = ("no", "always", "on-failure", "unless-stopped")
_CONDITIONS = {"none": "no", "on-failure": "on-failure", "any": "always"}


def _restart(tree: MarkedMap) -> RestartPolicy:
    policy = (tree.get("deploy") or {}).get("restart_policy")
    if policy is not None and not tree.get("restart"):
        name = _CONDITIONS[policy.get("condition") or "any"]
        return RestartPolicy(name=name, maximum=int(policy.get("max_attempts") or 0) if name == "on-failure" else 0)
    text = tree.get("restart") or "no"
    name, _, maximum = text.partition(":")
    if name not in _RESTARTS or (maximum and not (name == "on-failure" and maximum.isdigit())):
        raise tree.value_at("restart").problem(f'invalid restart policy "{text}"', hint="write " + ", ".join(_RESTARTS))
    return RestartPolicy(name=name, maximum=int(maximum or 0))


def _scale(tree: MarkedMap, key: str) -> int:
    deploy = tree.get("deploy") or {}
    scale, replicas = tree.get("scale"), deploy.get("replicas")
    if deploy.get("mode") in ("replicated-job", "global-job"):
        raise tree.value_at("deploy").problem(f'service "{key}": jobs need a swarm, and there is no swarm here')
    if scale is not None and replicas is not None and scale != replicas:
        raise tree.value_at("scale").problem(f'service "{key}" has `scale: {scale}` and `deploy.replicas: {replicas}`')
    found = scale if scale is not None else replicas if replicas is not None else 1
    if found < 0:
        raise tree.value_at("scale").problem(f'service "{key}" cannot have {found} containers')
    return int(found)


def _extra_hosts(tree: dict[str, Any]) -> tuple[str, ...]:
    hosts = tree.get("extra_hosts") or {}
    return tuple(f"{name}:{address}" for name, addresses in hosts.items() for address in addresses)


def _limits(tree: MarkedMap) -> Limits:
    resources = (tree.get("deploy") or {}).get("resources") or {}
    most, least = resources.get("limits") or {}, resources.get("reservations") or {}
    cpus = tree.get("cpus") or most.get("cpus") or 0
    if not cpus and tree.get("cpu_quota"):
        cpus = tree["cpu_quota"] / (tree.get("cpu_period") or 100_000)
    return Limits(
        memory=tree.get("mem_limit") or most.get("memory") or 0,
        memory_swap=tree.get("memswap_limit") or 0,
        memory_reservation=tree.get("mem_reservation") or least.get("memory") or 0,
        nano_cpus=round(cpus * 1e9),
        cpu_shares=tree.get("cpu_shares") or 0,
        cpuset=tree.get("cpuset") or "",
        pids=tree.get("pids_limit") or most.get("pids") or 0,
        oom_score_adj=tree.get("oom_score_adj") or 0,
        shm_bytes=tree.get("shm_size") or 0,
        ulimits=tuple(_ulimit(name, value) for name, value in (tree.get("ulimits") or {}).items()),
    )


def _ulimit(name: str, value: Any) -> Ulimit:
    if isinstance(value, dict):
        return Ulimit(name=name, soft=value["soft"], hard=value["hard"])
    return Ulimit(name=name, soft=value, hard=value)
