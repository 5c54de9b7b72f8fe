"""A container's control groups: where they lie on this host, what they are told, and how they stand still.

A limit this host cannot enforce is named, never dropped in silence.
"""

from __future__ import annotations

import errno
import os
import time

from pier.errors import Invalid, Unsupported
from pier.kernel import cgroup, lifetime, signals
from pier.model.record import Record
from pier.runtime import limits
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pier.model.container import Container, Resources
    from pier.runtime.limits import Write

FOLDER = "pier"
_DYING_SECONDS = 5.0
_MOMENT_SECONDS = 0.005
_COUNTED = ("memory", "cpu", "pids", "io")


class Groups(Record):
    """The container's directory for each version 1 controller, or its one version 2 directory."""

    legacy: dict[str, str] = {}
    unified: str = ""

    @property
    def paths(self) -> tuple[str, ...]:
        """Each directory once."""
        return tuple(dict.fromkeys(self.legacy.values())) or ((self.unified,) if self.unified else ())

    def of(self, controller: str) -> str:
        """The directory in which *controller* has its files; "" where this host does not offer it."""
        return self.unified or self.legacy.get(controller, "")


def places(container_id: str, *, cpuset: bool = False) -> Groups:
    """Where the container's groups belong. Version 1's cpuset costs four writes a start, so only when asked for."""
    found = cgroup.hierarchies(files.read_text("/proc/self/mountinfo"))
    unified = found.pop("", "")
    if not cpuset:
        found.pop("cpuset", None)
    if found:
        return Groups(legacy={name: f"{mounted}/{FOLDER}/{container_id}" for name, mounted in found.items()})
    base = _base(unified) if unified else ""
    return Groups(unified=f"{base}/{FOLDER}/{container_id}") if base else Groups()


def _base(unified: str) -> str:
    """The version 2 group below which this user may make others: the root, or the highest one delegated to the user."""
    if os.access(unified, os.W_OK):
        return unified if cgroup.unified_controllers(unified) else ""
    own = unified + cgroup.own_unified(files.read_text("/proc/self/cgroup")).rstrip("/")
    if not os.access(own, os.W_OK):
        own = os.path.dirname(own)
    if not os.access(own, os.W_OK):
        return ""
    while own != unified and os.access(os.path.dirname(own), os.W_OK):
        own = os.path.dirname(own)
    return own


def create(groups: Groups) -> tuple[str, ...]:
    """The directories that could be made, ready to take a process."""
    made = cgroup.create(groups.paths)
    if groups.unified in made:
        folder = os.path.dirname(groups.unified)
        for path in (os.path.dirname(folder), folder):
            cgroup.enable(path, _COUNTED)
    cpuset = groups.legacy.get("cpuset", "")
    if cpuset in made:
        try:
            cgroup.fill_cpuset(cpuset)
        except OSError:
            # A group that could take no process is worse than none.
            cgroup.remove((cpuset,))
            return tuple(path for path in made if path != cpuset)
    return made


def needs_cpuset(wanted: Resources) -> bool:
    return bool(wanted.cpuset_cpus or wanted.cpuset_mems)


def apply(groups: Groups, made: tuple[str, ...], wanted: Resources) -> tuple[str, ...]:
    """Put the limits in force; the options that this host cannot enforce are returned. Invalid for a refused value."""
    if groups.unified in made and needs_cpuset(wanted):
        folder = os.path.dirname(groups.unified)
        for path in (os.path.dirname(folder), folder):
            cgroup.enable(path, ("cpuset",))
    return _write(groups, made, limits.writes(wanted, unified=bool(groups.unified)))


def _write(groups: Groups, made: Iterable[str], writes: Iterable[Write]) -> tuple[str, ...]:
    missing = []
    for item in writes:
        path = groups.of(item.controller)
        if path not in made or not path:
            missing.append(item.option)
            continue
        try:
            cgroup.write(f"{path}/{item.file}", item.value)
        except FileNotFoundError:
            # Swap is not counted, or the controller could not be enabled for this group.
            missing.append(item.option)
        except OSError as exc:
            if exc.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EOPNOTSUPP):
                missing.append(item.option)
                continue
            raise Invalid(
                f"the limit --{item.option} cannot be set", why=f"{item.file} takes no {item.value}: {exc.strerror}"
            ) from exc
    return tuple(missing)


def change(container: Container, wanted: Resources) -> tuple[str, ...]:
    """A running container's limits become *wanted*; the options that this host cannot enforce are returned."""
    groups = places(container.id, cpuset=needs_cpuset(wanted))
    known = container.state.cgroups
    cpuset = groups.legacy.get("cpuset", "")
    made = tuple(dict.fromkeys((*known, *create(groups))))
    if cpuset and cpuset not in known and cpuset in made and known:
        cgroup.adopt(cpuset, cgroup.processes(known[0]))
    return _write(groups, made, limits.changes(container.spec.resources, wanted, unified=bool(groups.unified)))


def freeze(paths: tuple[str, ...], name: str) -> None:
    """Every process of the container stands still. Unsupported where the host has no freezer to write to."""
    if not cgroup.freeze(paths):
        raise Unsupported(
            f"cannot pause container {name}",
            why="this machine offers no freezer control group that can be written",
            hint=f"pier kill -s STOP {name} stops its first process only",
        )


def clear(paths: Iterable[str]) -> None:
    """The groups are gone, and every process in them: those of a start whose monitor was killed are in no file."""
    present = [path for path in paths if os.path.isdir(path)]
    # A frozen process does not even die.
    cgroup.thaw(present)
    deadline = time.monotonic() + _DYING_SECONDS
    while not cgroup.remove(present) and time.monotonic() < deadline:
        for path in present:
            for pid in cgroup.processes(path):
                _kill_in(path, pid)
        time.sleep(_MOMENT_SECONDS)


def _kill_in(path: str, pid: int) -> None:
    """The process is killed, if the number still means one in the group once it is held by an fd."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if pid in cgroup.processes(path):
            lifetime.send_signal(pidfd, signals.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        os.close(pidfd)
