"""A service's wishes as the engine's `CreateRequest`, labelled so that every compose finds its containers. Pure."""

from __future__ import annotations

import math

from pier.compose import observed
from pier.compose.model import Project, Service, ServiceMount
from pier.engine.request import CreateRequest
from pier.errors import Unsupported
from pier.model.container import Mount, NetworkAttachment, Resources, Security
from pier.model.record import Record


class Placement(Record):
    """What only the moment of creation knows: the container's *name* and *number*, the hash, the image it is made of,
    and the anonymous volumes (by target) it takes over from the container it replaces."""

    name: str
    number: int
    config_hash: str
    image_id: str
    inherited: dict[str, str] = {}
    one_off: bool = False


def request(project: Project, service: Service, placement: Placement) -> CreateRequest:
    """What the engine is asked for. Unsupported for an option it does not have."""
    disabled = service.healthcheck is not None and service.healthcheck.test[:1] == ("NONE",)
    return CreateRequest(
        image=service.image,
        name=placement.name,
        command=service.command or (),
        entrypoint=service.entrypoint,
        env=tuple(name if value is None else f"{name}={value}" for name, value in service.environment.items()),
        working_dir=service.working_dir,
        user=service.user,
        hostname=service.hostname,
        domainname=service.domainname,
        tty=service.tty,
        stdin_open=service.stdin_open,
        init=service.init,
        labels=labels(project, service, placement),
        mounts=_mounts(project, service, placement),
        volumes_from=tuple(_volumes_from(project, text) for text in service.volumes_from),
        ports=() if placement.one_off else service.ports,
        exposed=tuple(text if "/" in text else f"{text}/tcp" for text in service.expose),
        network_mode=_network_mode(project, service),
        networks=_networks(project, service, placement),
        dns=service.dns,
        dns_search=service.dns_search,
        dns_options=service.dns_options,
        extra_hosts=service.extra_hosts,
        restart=service.restart,
        healthcheck=None if disabled else service.healthcheck,
        no_healthcheck=disabled,
        stop_signal=service.stop_signal,
        stop_timeout=-1 if service.stop_grace is None else math.ceil(service.stop_grace),
        shm_bytes=service.limits.shm_bytes,
        resources=_resources(service),
        security=_security(service),
    )


def labels(project: Project, service: Service, placement: Placement) -> dict[str, str]:
    """The service's labels under Docker Compose's own."""
    depends = (f"{name}:{item.condition}:{str(item.restart).lower()}" for name, item in service.depends_on.items())
    return {
        **service.labels,
        observed.PROJECT: project.name,
        observed.SERVICE: service.name,
        observed.NUMBER: str(placement.number),
        observed.ONE_OFF: str(placement.one_off),
        observed.CONFIG_HASH: placement.config_hash,
        observed.IMAGE: placement.image_id,
        observed.DEPENDS_ON: ",".join(depends),
        observed.FILES: ",".join(project.files),
        observed.DIRECTORY: project.directory,
        observed.VERSION: observed.SPOKEN_VERSION,
    }


def _mounts(project: Project, service: Service, placement: Placement) -> tuple[Mount, ...]:
    found = [_mount(project, item, placement) for item in service.mounts]
    covered = {mount.target for mount in found}
    found += [
        Mount(kind="volume", source=name, target=target, anonymous=True)
        for target, name in placement.inherited.items()
        if target not in covered
    ]
    return tuple(found)


def _mount(project: Project, item: ServiceMount, placement: Placement) -> Mount:
    if item.kind == "bind":
        return Mount(
            kind="bind",
            source=item.source,
            target=item.target,
            read_only=item.read_only,
            propagation=item.propagation or "rprivate",
            create_source=item.create_host_path,
        )
    if item.kind == "tmpfs":
        return Mount(kind="tmpfs", target=item.target, read_only=item.read_only, options=item.options)
    name = project.volumes[item.source].name if item.source else placement.inherited.get(item.target, "")
    return Mount(
        kind="volume",
        source=name,
        target=item.target,
        read_only=item.read_only,
        anonymous=not item.source,
        copy_up=item.copy_up,
        subpath=item.subpath,
        labels=item.labels,
    )


def _volumes_from(project: Project, text: str) -> str:
    """The name of the container that `service[:mode]` or `container:name[:mode]` means."""
    if text.startswith("container:"):
        return text.removeprefix("container:")
    name, colon, mode = text.partition(":")
    return f"{first_container(project, name)}{colon}{mode}"


def first_container(project: Project, service: str) -> str:
    """The name of the service's first container."""
    known = {**project.services, **project.disabled}
    return known[service].container_name or f"{project.name}-{service}-1"


def _network_mode(project: Project, service: Service) -> str:
    mode = service.network_mode
    if mode.startswith("service:"):
        return "container:" + first_container(project, mode.removeprefix("service:"))
    if mode in ("", "bridge", "host", "none") or mode.startswith("container:"):
        return mode or "bridge"
    raise Unsupported(
        f"service {service.name}: network_mode {mode} is not supported",
        hint="use host, none, bridge, service:NAME or container:NAME, or join a network with `networks:`",
    )


def _networks(project: Project, service: Service, placement: Placement) -> tuple[NetworkAttachment, ...]:
    everything = {**project.services, **project.disabled}
    linked = tuple(
        alias
        for other in everything.values()
        for name, _, alias in (link.partition(":") for link in other.links)
        if name == service.name and alias
    )
    aliases = () if placement.one_off else (service.name, *linked)
    return tuple(
        NetworkAttachment(
            network=project.networks[use.network].name,
            aliases=tuple(dict.fromkeys((*aliases, *use.aliases))),
            ip=use.ip,
            mac=use.mac,
        )
        for use in service.networks
    )


def _resources(service: Service) -> Resources:
    limits = service.limits
    return Resources(
        memory=max(limits.memory, 0),
        memory_swap=limits.memory_swap,
        memory_reservation=limits.memory_reservation,
        nano_cpus=limits.nano_cpus,
        cpu_shares=limits.cpu_shares,
        cpuset_cpus=limits.cpuset,
        pids_limit=max(limits.pids, 0),
        oom_score_adj=limits.oom_score_adj,
        ulimits=limits.ulimits,
    )


def _security(service: Service) -> Security:
    no_new_privileges, seccomp = False, ""
    for text in service.security_opt:
        name, _, value = text.replace("=", ":", 1).partition(":")
        if name == "no-new-privileges" and value in ("", "true", "false"):
            no_new_privileges = value != "false"
        elif name == "seccomp" and value:
            seccomp = value
        elif (name, value) not in (("apparmor", "unconfined"), ("label", "disable"), ("systempaths", "")):
            raise Unsupported(
                f"service {service.name}: security_opt {text} is not supported",
                why="there is no SELinux or AppArmor profile to choose here",
                hint="no-new-privileges:true and seccomp:unconfined are known",
            )
    return Security(
        cap_add=service.cap_add,
        cap_drop=service.cap_drop,
        privileged=service.privileged,
        no_new_privileges=no_new_privileges,
        seccomp=seccomp,
        devices=service.devices,
        group_add=service.group_add,
        sysctls=service.sysctls,
        read_only=service.read_only,
    )
