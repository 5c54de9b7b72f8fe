"""Control groups of a container run from a bundle: made, limited, emptied, removed. Decides no limit of its own."""

from __future__ import annotations

import errno
import os
import time

from pier.errors import PierError, Unsupported
from pier.kernel import cgroup, signals
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pier.runtime.oci_cgroup import DeviceRule, Write

_ATTEMPTS = 100
_MOMENT_SECONDS = 0.02
_PSEUDO = ("rw", "ro", "xattr", "nsdelegate", "memory_recursiveprot")


class Hierarchy(Record):
    """A mounted tree of control groups; version 2's has no *controllers* here."""

    mount_point: str
    controllers: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.mount_point.rpartition("/")[2]


def hierarchies(mountinfo: str) -> tuple[Hierarchy, ...]:
    """The trees in the text of /proc/self/mountinfo, each once; named ones, which limit nothing, are left out."""
    found: dict[tuple[str, ...], Hierarchy] = {}
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        kind, options = right.split(" ")[0], right.rpartition(" ")[2].split(",")
        if kind == "cgroup" and not any(option.startswith("name=") for option in options):
            controllers = tuple(option for option in options if option not in _PSEUDO and "=" not in option)
            found.setdefault(controllers, Hierarchy(mount_point=left.split(" ")[4], controllers=controllers))
        elif kind == "cgroup2":
            found.setdefault((), Hierarchy(mount_point=left.split(" ")[4]))
    return tuple(found.values())


def make(trees: tuple[Hierarchy, ...], group: str) -> tuple[str, ...]:
    """The directories of *group*: in each version 1 tree, or in the version 2 tree where there is no other."""
    legacy = [tree for tree in trees if tree.controllers]
    made: list[str] = []
    for tree in legacy or trees:
        path = tree.mount_point + group
        try:
            if tree.controllers:
                os.makedirs(path, 0o755, exist_ok=True)
            else:
                _make_unified(tree.mount_point, group)
            if "cpuset" in tree.controllers:
                _inherit_cpuset(tree.mount_point, group)
        except OSError as exc:
            if exc.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                remove((*made, path))
                raise
            continue
        made.append(path)
    return tuple(made)


def _make_unified(top: str, group: str) -> None:
    """Every controller there is works in the new group."""
    wanted = " ".join("+" + name for name in cgroup.read(top + "/cgroup.controllers").split())
    path = top
    for part in group.strip("/").split("/"):
        if wanted:
            try:
                cgroup.write(path + "/cgroup.subtree_control", wanted)
            except OSError as exc:
                # EBUSY: processes live in this group itself. The limits that need a controller say so when written.
                if exc.errno not in (errno.EBUSY, errno.EACCES, errno.EPERM, errno.ENOENT, errno.EOPNOTSUPP):
                    raise
        path = f"{path}/{part}"
        os.makedirs(path, 0o755, exist_ok=True)


def _inherit_cpuset(top: str, group: str) -> None:
    """cpuset(7): a new group takes no process before its cpus and mems are set."""
    path = top
    for part in group.strip("/").split("/"):
        above, path = path, f"{path}/{part}"
        for name in ("cpuset.cpus", "cpuset.mems"):
            if not cgroup.read(f"{path}/{name}").strip():
                cgroup.write(f"{path}/{name}", cgroup.read(f"{above}/{name}").strip())


def limit(paths: tuple[str, ...], trees: tuple[Hierarchy, ...], writes: Iterable[Write]) -> None:
    """Each write is done. Unsupported names the field whose controller this host lacks."""
    for item in writes:
        path = _directory(paths, trees, item.controller)
        if not path or not os.path.exists(f"{path}/{item.file}"):
            raise Unsupported(f"{item.field} cannot be in force", why=f"this machine offers no {item.file}")
        try:
            cgroup.write(f"{path}/{item.file}", item.text)
        except OSError as exc:
            raise PierError(f"{item.field} cannot be set to {item.text}", why=f"{item.file}: {exc.strerror}") from exc


def _directory(paths: tuple[str, ...], trees: tuple[Hierarchy, ...], controller: str) -> str:
    for tree in trees:
        for path in paths:
            if path.startswith(tree.mount_point + "/") and (controller in tree.controllers or not tree.controllers):
                return path
    return ""


def limit_devices(paths: tuple[str, ...], trees: tuple[Hierarchy, ...], rules: tuple[DeviceRule, ...]) -> None:
    """The device rules are in force. Unsupported where neither version of control groups can do it."""
    if not rules:
        return
    path = _directory(paths, tuple(tree for tree in trees if tree.controllers), "devices")
    if path:
        for rule in rules:
            cgroup.write(f"{path}/devices.{'allow' if rule.allow else 'deny'}", rule.text)
        return
    unified = [path for path in paths if os.path.exists(path + "/cgroup.events")]
    if not unified:
        raise Unsupported("linux.resources.devices cannot be in force", why="this machine offers no device controller")
    from pier.runtime import oci_devices

    oci_devices.attach(unified[0], rules)


def members(paths: Iterable[str]) -> tuple[int, ...]:
    """The processes of the container, its first one included."""
    return tuple(dict.fromkeys(pid for path in paths for pid in cgroup.processes(path)))


def signal_all(paths: tuple[str, ...], number: int) -> None:
    """Every process of the container gets the signal."""
    for pid in members(paths):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def remove(paths: tuple[str, ...]) -> None:
    """Kill what is left in the groups and remove them, and the folder `pier` when it is empty too."""
    left = list(paths)
    for _ in range(_ATTEMPTS):
        signal_all(paths, signals.SIGKILL)
        left = [path for path in paths if not _remove_tree(path)]
        if not left:
            break
        time.sleep(_MOMENT_SECONDS)
    else:
        raise PierError("the container's control groups are still in use", why=", ".join(left))
    for path in paths:
        parent = os.path.dirname(path)
        if os.path.basename(parent) == "pier":
            try:
                os.rmdir(parent)
            except OSError:
                # Other containers live there.
                continue


def _remove_tree(path: str) -> bool:
    """Whether *path* and the groups made below it are gone."""
    try:
        for entry in os.scandir(path):
            if entry.is_dir(follow_symlinks=False):
                _remove_tree(entry.path)
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError as exc:
        if exc.errno not in (errno.EBUSY, errno.ENOTEMPTY):
            raise
        return False
    return True


def freeze(paths: tuple[str, ...], *, frozen: bool) -> None:
    """Every process of the container stands still, or goes on."""
    for path in paths:
        if os.path.exists(path + "/freezer.state"):
            cgroup.write(path + "/freezer.state", "FROZEN" if frozen else "THAWED")
            return
        if os.path.exists(path + "/cgroup.freeze"):
            cgroup.write(path + "/cgroup.freeze", "1" if frozen else "0")
            return
    raise Unsupported("the container cannot be paused", why="this machine offers no freezer")


def is_frozen(paths: tuple[str, ...]) -> bool:
    """Whether the container stands still."""
    for path in paths:
        for name, word in (("freezer.state", "FROZEN"), ("cgroup.freeze", "1")):
            if os.path.exists(f"{path}/{name}"):
                return cgroup.read(f"{path}/{name}").strip() == word
    return False
