"""Make a container: merge request and image, take the name, lay the files. It is all there or not at all."""

from __future__ import annotations

import os
import time

from pier.engine import listing, records, removal, sharing
from pier.errors import Conflict, Invalid, NotFound
from pier.kernel import signals
from pier.model import names, timestamps
from pier.model.container import (
    DEFAULT_SHM_BYTES,
    DEFAULT_STOP_SECONDS,
    DEFAULT_STOP_SIGNAL,
    Container,
    ContainerSettings,
    ContainerSpec,
    ContainerState,
    Healthcheck,
    Mount,
    NetworkAttachment,
)
from pier.model.environment import merge_env
from pier.model.network import DEFAULT_NETWORK
from pier.model.ports import PortBinding
from pier.runtime import limits
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pier.engine.context import Engine
    from pier.engine.request import CreateRequest
    from pier.model.image import Image

_NAME_START = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_NAME_CHARACTERS = _NAME_START | frozenset("_.-")
_HOSTNAME_BYTES = 64
_ATTEMPTS = 100


def create(engine: Engine, request: CreateRequest, image: Image) -> Container:
    """The new container, with its volumes made and its name taken. Conflict when the name is in use; Invalid."""
    if request.name:
        check_name(request.name)
    _check_security(request)
    limits.check(request.resources, cpus=os.cpu_count() or 1)
    request = sharing.settled(engine, request)
    if request.runtime:
        from pier.engine import oci

        oci.find(request.runtime)
    container_id = os.urandom(32).hex()
    spec = merge(engine, request, image, container_id)
    _check_networks(engine, spec)
    spec = spec.replace(mounts=tuple(_ready(engine, mount) for mount in spec.mounts))
    container = _lay(engine, spec, ContainerState())
    engine.record("container", "create", container_id, name=container.name, image=spec.image)
    return container


def _check_security(request: CreateRequest) -> None:
    """Invalid for a capability nobody knows or a kernel parameter of the host's; loads nothing when none is asked."""
    asked = request.security
    if asked.cap_add or asked.cap_drop or asked.sysctls:
        from pier.runtime import security

        security.capabilities(asked)
        security.check_sysctls(asked.sysctls, own_network=request.network_mode in ("bridge", "none"))


def _check_networks(engine: Engine, spec: ContainerSpec) -> None:
    """NotFound when a network is missing. The default one is made by the first container on it."""
    named = [attachment.network for attachment in spec.networks if attachment.network != DEFAULT_NETWORK]
    if named:
        from pier.network import store

        for name in named:
            store.find(engine.paths, name)


def merge(engine: Engine, request: CreateRequest, image: Image, container_id: str) -> ContainerSpec:
    """The spec: what was asked for over what the image says. Invalid where neither gives a command."""
    config = image.config
    entrypoint = config.entrypoint if request.entrypoint is None else request.entrypoint
    command = request.command or (config.cmd if request.entrypoint is None else ())
    if not entrypoint + command:
        raise Invalid(
            "no command specified", why=f"the image {request.image} names neither CMD nor ENTRYPOINT",
            hint="type the command after the image's name",
        )  # fmt: skip
    exposed = tuple(dict.fromkeys((*config.exposed_ports, *request.exposed)))
    mode, attachments = _networks(engine, request)
    common = {name: request.__dict__[name] for name in ContainerSettings.FIELDS}
    common |= {
        "command": command,
        "env": merge_env(config.env, request.env),
        "user": request.user or config.user,
        "hostname": _hostname(request, container_id),
        "labels": {**config.labels, **request.labels},
        "mounts": _mounts(engine, request, config.volumes),
        "ports": request.ports + _published(request, exposed),
        "exposed": exposed,
        "network_mode": mode,
        "networks": attachments,
        "healthcheck": _healthcheck(request, config.healthcheck),
    }
    return ContainerSpec(
        id=container_id,
        name=request.name,
        created=timestamps.rfc3339(time.time_ns()),
        image=request.image,
        image_id=image.id,
        entrypoint=entrypoint,
        working_dir=_absolute(request.working_dir or config.working_dir or "/"),
        stop_signal=_stop_signal(request.stop_signal or config.stop_signal or DEFAULT_STOP_SIGNAL),
        stop_timeout=DEFAULT_STOP_SECONDS if request.stop_timeout < 0 else request.stop_timeout,
        shm_bytes=request.shm_bytes or DEFAULT_SHM_BYTES,
        ipc_mode=request.ipc_mode or "private",
        **common,
    )


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise Invalid(f"the working directory '{path}' is invalid, it needs to be an absolute path")
    return os.path.normpath(path)


def _hostname(request: CreateRequest, container_id: str) -> str:
    # Without a UTS namespace of its own, or of the host's network, it goes by the host's name, as in Docker.
    shares_name = request.uts_mode == "host" or request.network_mode == "host"
    hostname = request.hostname or (os.uname().nodename if shares_name else container_id[:12])
    if len(hostname.encode()) > _HOSTNAME_BYTES or "/" in hostname or any(c.isspace() for c in hostname):
        raise Invalid(f"invalid hostname: {hostname}", why=f"at most {_HOSTNAME_BYTES} bytes, no space and no /")
    return hostname


def _stop_signal(text: str) -> str:
    try:
        signals.parse(text)
    except ValueError as exc:
        raise Invalid(f"invalid stop signal: {text}", hint="signal(7) lists them, for example SIGINT") from exc
    return text


def _published(request: CreateRequest, exposed: tuple[str, ...]) -> tuple[PortBinding, ...]:
    """With -P, each exposed port that no -p names gets a host port of the kernel's choice."""
    if not request.publish_all:
        return ()
    named = {f"{binding.container_port}/{binding.protocol}" for binding in request.ports}
    ports = []
    for text in exposed:
        number, _, protocol = text.partition("/")
        if f"{number}/{protocol or 'tcp'}" not in named:
            ports.append(PortBinding(container_port=int(number), protocol=protocol or "tcp"))
    return tuple(ports)


def _networks(engine: Engine, request: CreateRequest) -> tuple[str, tuple[NetworkAttachment, ...]]:
    mode = request.network_mode
    if mode.startswith("container:"):
        return f"container:{listing.find(engine, mode.partition(':')[2]).id}", ()
    if mode in ("host", "none"):
        if request.networks:
            raise Invalid(f"a container on network {mode} cannot join others")
        return mode, ()
    attachments = request.networks or (NetworkAttachment(network=DEFAULT_NETWORK),)
    for attachment in attachments:
        if attachment.aliases and attachment.network == DEFAULT_NETWORK:
            raise Invalid(
                "network-scoped aliases are only supported for user-defined networks",
                hint="pier network create NAME, then --network NAME",
            )
    return "bridge", attachments


def _healthcheck(request: CreateRequest, image: dict[str, Any] | None) -> Healthcheck | None:
    """The image's check with what was asked for over it; `--no-healthcheck` switches it off."""
    if request.no_healthcheck:
        return Healthcheck(test=("NONE",))
    asked = request.healthcheck
    if not image:
        return asked
    base = Healthcheck(
        test=tuple(image.get("Test") or ()),
        interval=image.get("Interval") or 0,
        timeout=image.get("Timeout") or 0,
        start_period=image.get("StartPeriod") or 0,
        start_interval=image.get("StartInterval") or 0,
        retries=image.get("Retries") or 0,
    )
    if asked is None:
        return base
    return base.replace(**{name: value for name, value in asked.__dict__.items() if value})


def _mounts(engine: Engine, request: CreateRequest, image_volumes: tuple[str, ...]) -> tuple[Mount, ...]:
    """The mounts asked for, those of other containers, and an anonymous volume for each VOLUME without one."""
    by_target: dict[str, Mount] = {}
    for target in image_volumes:
        target = _mount_target("/" + target)
        by_target[target] = Mount(kind="volume", target=target, anonymous=True)
    for reference in request.volumes_from:
        name, _, mode = reference.partition(":")
        for mount in listing.find(engine, name).spec.mounts:
            if mount.kind != "tmpfs":
                by_target[mount.target] = mount.replace(read_only=mount.read_only or mode == "ro", anonymous=False)
    seen = set()
    for mount in request.mounts:
        target = _mount_target(mount.target)
        if target in seen:
            raise Invalid(f"Duplicate mount point: {target}")
        seen.add(target)
        by_target[target] = mount.replace(target=target)
    return tuple(by_target.values())


def _mount_target(path: str) -> str:
    if not path.startswith("/"):
        raise Invalid(f"invalid mount target {path!r}: it must be an absolute path")
    target = os.path.normpath("/" + path.lstrip("/"))
    if target == "/":
        raise Invalid("invalid specification: destination can't be '/'")
    return target


def _ready(engine: Engine, mount: Mount) -> Mount:
    """Volumes exist, and bound folders too where the short syntax asks for it."""
    if mount.kind == "volume":
        from pier.volumes import store as volumes

        volume = volumes.create(engine.paths, mount.source, driver=mount.driver or "local", labels=mount.labels)
        return mount.replace(source=volume.name, anonymous=mount.anonymous or not mount.source)
    if mount.kind == "bind" and not files.exists(mount.source):
        if not mount.create_source:
            raise NotFound(
                f"invalid mount config for type \"bind\": bind source path does not exist: {mount.source}",
                hint=f"mkdir -p {mount.source}",
            )
        files.ensure_dir(mount.source, 0o755)
    return mount


def check_name(name: str) -> None:
    """Invalid when no container can be called *name*."""
    if len(name) < 2 or name[0] not in _NAME_START or not _NAME_CHARACTERS.issuperset(name):
        raise Invalid(
            f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
            why="a name has two characters or more, and begins with a letter or a digit",
        )


def _lay(engine: Engine, spec: ContainerSpec, state: ContainerState) -> Container:
    """Write the container below tmp, take its name, and move it to its place."""
    paths = engine.paths
    removal.sweep(engine)
    half_made = f"{paths.tmp}/{spec.id}.{os.getpid()}{removal.HALF_MADE}"
    os.mkdir(half_made, 0o710)
    try:
        for name in ("upper", "work", "root"):
            os.mkdir(f"{half_made}/{name}", 0o755)
        files.write_json(half_made + "/state.json", state.to_dict())
        with records.names_lock(paths):
            spec = spec.replace(name=_take_name(engine, spec))
            try:
                files.write_json(half_made + "/config.json", spec.to_dict())
                os.rename(half_made, paths.container(spec.id))
            except BaseException:
                files.unlink_quietly(f"{paths.names}/{spec.name}")
                raise
    except BaseException:
        files.remove_tree(half_made)
        raise
    return Container(spec=spec, state=state)


def _take_name(engine: Engine, spec: ContainerSpec) -> str:
    """The name now belongs to the spec's id. The caller holds the lock, so that a name without a container is stale."""
    paths = engine.paths
    for attempt in range(_ATTEMPTS):
        name = spec.name or names.random_name(os.urandom(8), attempt)
        try:
            files.create_exclusive(f"{paths.names}/{name}", spec.id)
            return name
        except FileExistsError:
            holder = records.holder_of_name(paths, name)
            if not holder:
                records.replace_name(paths, name, spec.id)
                return name
            if spec.name:
                raise name_conflict(name, holder) from None
    raise Conflict("every random name that was tried is taken", hint="choose one with --name")


def name_conflict(name: str, holder: str) -> Conflict:
    """Docker's words for a name in use."""
    return Conflict(
        f'Conflict. The container name "/{name}" is already in use by container "{holder}".'
        " You have to remove (or rename) that container to be able to reuse that name.",
        hint=f"pier rm -f {name}    or another --name",
    )
