"""What a container takes from the host or from another container: namespaces, devices, names. Makes none of it."""

from __future__ import annotations

import os
import stat

from pier.engine import listing
from pier.errors import Conflict, Invalid, NotFound, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.engine.context import Engine
    from pier.engine.request import CreateRequest
    from pier.model.container import Container, ContainerSpec

_CONTAINER = "container:"
_ALL_RIGHTS = frozenset("rwm")


def settled(engine: Engine, request: CreateRequest) -> CreateRequest:
    """*request* with ids in place of containers' names and one entry for each device. NotFound, Invalid, Conflict."""
    if request.uts_mode == "host" and (request.hostname or request.domainname):
        raise Invalid("conflicting options: hostname and the UTS mode")
    if request.pid_mode == "host" and engine.place.ids.nested:
        # user_namespaces(7), mounting: proc of a PID namespace needs CAP_SYS_ADMIN in the namespace that owns that one.
        raise Unsupported("--pid host: only root can share the host's processes", hint="run the command as root")
    _check_sysctls(request)
    if request.extra_hosts:
        from pier.network import resolvconf

        for entry in request.extra_hosts:
            resolvconf.parse_extra_host(entry)
    ipc = _settle(engine, request.ipc_mode)
    if ipc.startswith(_CONTAINER):
        donor = listing.find(engine, ipc.removeprefix(_CONTAINER))
        if donor.spec.ipc_mode not in ("shareable", "host") and not donor.spec.ipc_mode.startswith(_CONTAINER):
            raise Conflict(
                f"can't join IPC of container {donor.id}: non-shareable IPC",
                hint="start that container with --ipc shareable",
            )
    devices = tuple(entry for text in request.security.devices for entry in _devices(text))
    return request.replace(
        pid_mode=_settle(engine, request.pid_mode),
        ipc_mode=ipc,
        security=request.security.replace(devices=devices),
    )


def _check_sysctls(request: CreateRequest) -> None:
    """A namespace that is not the container's own has its parameters set elsewhere."""
    for key in request.security.sysctls:
        of_ipc = key.startswith(("kernel.msg", "kernel.sem", "kernel.shm", "fs.mqueue."))
        foreign = request.ipc_mode == "host" or request.ipc_mode.startswith(_CONTAINER)
        if of_ipc and foreign or key == "kernel.domainname" and request.uts_mode == "host":
            raise Invalid(f"sysctl {key} is not allowed here", why="the container shares the namespace it belongs to")


def _settle(engine: Engine, mode: str) -> str:
    if not mode.startswith(_CONTAINER):
        return mode
    return _CONTAINER + listing.find(engine, mode.removeprefix(_CONTAINER)).id


def _devices(text: str) -> list[str]:
    """`host`, `host:inside`, `host:rwm` or `host:inside:rwm` as `host:inside:rwm`; a folder as all devices in it."""
    host, _, rest = text.partition(":")
    inside, _, rights = rest.partition(":")
    if inside and not rights and set(inside) <= _ALL_RIGHTS:
        inside, rights = "", inside
    if not set(rights) <= _ALL_RIGHTS:
        raise Invalid(f"invalid device mode: {rights}", hint="some of r, w and m")
    if rights and not {"r", "w"} <= set(rights):
        raise Unsupported(
            f"--device {text}: the rights {rights} cannot be enforced",
            why="pier keeps devices apart by mounts, and a mount cannot forbid reading or writing alone",
            hint=f"--device {host}:{inside or host}:rwm",
        )
    inside = inside or host
    if not host.startswith("/") or not inside.startswith("/"):
        raise Invalid(f"bad format for path: {text}", hint="--device /dev/NAME[:/dev/NAME_INSIDE[:rwm]]")
    try:
        mode = os.stat(host).st_mode
    except OSError as exc:
        raise NotFound(f'error gathering device information while adding custom device "{host}": no such file') from exc
    if stat.S_ISDIR(mode):
        found = _devices_below(host, inside)
    else:
        found = [f"{host}:{inside}:rwm"] if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) else []
    if not found:
        raise Invalid(f'error gathering device information while adding custom device "{host}": not a device node')
    return found


def _devices_below(folder: str, inside: str) -> list[str]:
    found = []
    for parent, _, names in os.walk(folder):
        for name in sorted(names):
            path = f"{parent}/{name}"
            mode = os.lstat(path).st_mode
            if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
                found.append(f"{path}:{inside}{path[len(folder) :]}:rwm")
    return found


def donor(engine: Engine, mode: str, kind: str) -> Container:
    """The running container whose *kind* of namespace is to be shared. NotFound; Conflict when it does not run."""
    found = listing.find(engine, mode.removeprefix(_CONTAINER))
    if not found.state.running:
        raise Conflict(
            f"cannot join {kind} of a non running container: {found.id}", hint=f"pier start {found.name}"
        )
    return found


def namespace_files(engine: Engine, spec: ContainerSpec) -> dict[str, str]:
    """The files of the namespaces that the container joins, by kind; of a donor of IPC also its mounts ("shm")."""
    found: dict[str, str] = {}
    if spec.pid_mode.startswith(_CONTAINER):
        found["pid"] = f"/proc/{donor(engine, spec.pid_mode, 'PID namespace').state.pid}/ns/pid"
    if spec.ipc_mode.startswith(_CONTAINER):
        pid = donor(engine, spec.ipc_mode, "IPC").state.pid
        found["ipc"], found["shm"] = f"/proc/{pid}/ns/ipc", f"/proc/{pid}/ns/mnt"
    return found
