"""Control groups, version 1 and 2: where they are mounted, making, joining, reading and removing one (cgroups(7))."""

from __future__ import annotations

import errno
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WANTED = ("memory", "cpu", "cpuacct", "pids", "freezer", "blkio", "cpuset")
_CPUSET = ("cpuset.cpus", "cpuset.mems")
_FREEZE_SECONDS = 2.0
_MOMENT = 0.002


def hierarchies(mountinfo: str) -> dict[str, str]:
    """Mount point of each controller in the text of /proc/self/mountinfo; "" is the version 2 hierarchy."""
    found: dict[str, str] = {}
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        kind, options = right.split(" ")[0], right.rpartition(" ")[2]
        if kind not in ("cgroup", "cgroup2"):
            continue
        target = left.split(" ")[4]
        if kind == "cgroup2":
            found.setdefault("", target)
            continue
        for option in options.split(","):
            if option in WANTED:
                found.setdefault(option, target)
    return found


def unified_controllers(mount_point: str) -> tuple[str, ...]:
    """Controllers that children of the version 2 root may use."""
    try:
        return tuple(read(f"{mount_point}/cgroup.subtree_control").split())
    except OSError:
        return ()


def own_unified(text: str) -> str:
    """The caller's version 2 cgroup in the text of /proc/self/cgroup; "" where there is none."""
    for line in text.splitlines():
        if line.startswith("0::"):
            return line[3:]
    return ""


def enable(path: str, controllers: Iterable[str]) -> None:
    """Children of the version 2 group *path* may use *controllers*; those this host refuses are left out."""
    enabled = set(unified_controllers(path))
    for name in controllers:
        if name in enabled:
            continue
        try:
            write(f"{path}/cgroup.subtree_control", "+" + name)
        except OSError as error:
            # EBUSY: processes live in *path* itself (cgroups(7), "no internal processes"). EINVAL, ENOENT: not offered.
            refusals = (errno.EBUSY, errno.EINVAL, errno.ENOENT, errno.EACCES, errno.EPERM, errno.EOPNOTSUPP)
            if error.errno not in refusals:
                raise


def fill_cpuset(path: str) -> None:
    """A new version 1 cpuset gets its parent's cpus and mems: without them it takes no process (cpuset(7))."""
    for name in _CPUSET:
        if not read(f"{path}/{name}").strip():
            parent = os.path.dirname(path)
            if not read(f"{parent}/{name}").strip():
                fill_cpuset(parent)
            write(f"{path}/{name}", read(f"{parent}/{name}").strip())


def adopt(path: str, pids: Iterable[int]) -> None:
    """Move the processes *pids* into the cgroup; those that have ended are skipped."""
    for pid in pids:
        try:
            write(path + "/cgroup.procs", str(pid))
        except ProcessLookupError:
            continue


def freeze(paths: Iterable[str]) -> bool:
    """No process of these cgroups runs any more. False where the host has no freezer among them."""
    return _set_frozen(paths, frozen=True)


def thaw(paths: Iterable[str]) -> bool:
    """The processes run again. Idempotent."""
    return _set_frozen(paths, frozen=False)


def _set_frozen(paths: Iterable[str], *, frozen: bool) -> bool:
    for path in paths:
        if os.path.exists(path + "/freezer.state"):
            wanted = "FROZEN" if frozen else "THAWED"
            deadline = time.monotonic() + _FREEZE_SECONDS
            while True:
                write(path + "/freezer.state", wanted)
                # cgroup-v1/freezer-subsystem.rst: FREEZING until the last task stands still; writing again retries.
                if read(path + "/freezer.state").strip() == wanted or time.monotonic() > deadline:
                    return True
                time.sleep(_MOMENT)
        if os.path.exists(path + "/cgroup.freeze"):
            write(path + "/cgroup.freeze", "1" if frozen else "0")
            return True
    return False


def create(paths: Iterable[str]) -> tuple[str, ...]:
    """Make each cgroup directory (and its parent); those this host refuses are left out of the result."""
    made = []
    for path in paths:
        try:
            _make(path)
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOSPC):
                raise
            continue
        made.append(path)
    return tuple(made)


def _make(path: str) -> None:
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        return
    except FileNotFoundError:
        os.makedirs(path, 0o755, exist_ok=True)


def enter(paths: Iterable[str]) -> None:
    """Move the calling process, which must have one thread, into each version 1 cgroup.

    A thread that moves itself ("0" into `tasks`) needs no lock against forks; every other way waits 10 to 20 ms for
    one (cgroup_procs_write_start in kernel/cgroup/cgroup.c). Version 2 has clone3(2) for this.
    """
    for path in paths:
        write(path + "/tasks", "0")


def split(paths: Iterable[str]) -> tuple[tuple[str, ...], str]:
    """(version 1 directories, the version 2 directory or "") of *paths*."""
    legacy = tuple(path for path in paths if os.path.exists(path + "/tasks"))
    unified = [path for path in paths if path not in legacy]
    return legacy, unified[0] if unified else ""


def write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def read(path: str) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 1 << 16).decode()
    finally:
        os.close(fd)


def read_number(path: str) -> int | None:
    """The number in *path*; None for "max" or where the kernel offers no such file."""
    try:
        text = read(path).strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def processes(path: str) -> tuple[int, ...]:
    try:
        return tuple(int(line) for line in read(path + "/cgroup.procs").split())
    except FileNotFoundError:
        return ()


def remove(paths: Iterable[str]) -> bool:
    """Remove empty cgroups, and their parents once those are empty too; True when none is left.

    A cgroup whose processes are still dying stays (EBUSY).
    """
    removed = [_remove(path) and (_remove(os.path.dirname(path)) or True) for path in paths]
    return all(removed)


def _remove(path: str) -> bool:
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.ENOTEMPTY):
            raise
        return False
    return True


def flat_keyed(path: str) -> Mapping[str, int]:
    """A "key value" file such as memory.stat; empty where there is none."""
    try:
        text = read(path)
    except OSError:
        return {}
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
