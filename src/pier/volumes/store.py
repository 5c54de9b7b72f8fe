"""Volumes on disk: `volumes/<name>/volume.json` beside the data folder `_data`, as in Docker."""

from __future__ import annotations

import os
import time

from pier.errors import Conflict, Invalid, NotFound, Unsupported
from pier.model import timestamps
from pier.model.record import Record
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from pier.state.paths import Paths

_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
ANONYMOUS_LABEL = "com.docker.volume.anonymous"


class Volume(Record):
    """A named folder that outlives its containers. *mount_point* is where its data lies on the host."""

    name: str
    created: str
    mount_point: str
    driver: str = "local"
    labels: dict[str, str] = {}
    options: dict[str, str] = {}

    @property
    def anonymous(self) -> bool:
        return ANONYMOUS_LABEL in self.labels


def create(
    paths: Paths,
    name: str = "",
    *,
    driver: str = "local",
    labels: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
) -> Volume:
    """The volume *name*, made when absent (a random name when empty). Invalid; Unsupported for foreign drivers."""
    if driver not in ("", "local"):
        raise Unsupported(f"no volume driver {driver!r}", why="pier keeps volumes in folders of its store")
    if options:
        raise Unsupported(
            f"volume options are not supported: {', '.join(sorted(options))}",
            hint="bind a host folder instead: -v /folder:/target",
        )
    tags = dict(labels or {})
    if not name:
        name = os.urandom(32).hex()
        tags[ANONYMOUS_LABEL] = ""
    _check_name(name)
    with _lock(paths):
        try:
            return _read(paths, name)
        except FileNotFoundError:
            return _lay(paths, name, tags)


def _lay(paths: Paths, name: str, labels: dict[str, str]) -> Volume:
    """Made below tmp and moved to its place: a volume is all there or not at all."""
    folder = f"{paths.volumes}/{name}"
    half_made = f"{files.ensure_dir(paths.tmp)}/{name[:64]}.{os.getpid()}.new"
    made = Volume(name=name, created=timestamps.rfc3339(time.time_ns()), mount_point=folder + "/_data", labels=labels)
    try:
        # Traversable by all, so that a container's unprivileged user reaches its data through the bind mount.
        files.ensure_dir(half_made, 0o701)
        files.ensure_dir(half_made + "/_data", 0o755)
        os.chmod(half_made + "/_data", 0o755)
        files.write_json(half_made + "/volume.json", made.to_dict())
        os.rename(half_made, folder)
    except BaseException:
        files.remove_tree(half_made)
        raise
    return made


def find(paths: Paths, name: str) -> Volume:
    """The volume of that name. NotFound."""
    try:
        _check_name(name)
        return _read(paths, name)
    except (FileNotFoundError, Invalid) as exc:
        raise NotFound(f"get {name}: no such volume", hint="`pier volume ls` lists the volumes there are") from exc


def exists(paths: Paths, name: str) -> bool:
    return files.exists(f"{paths.volumes}/{name}/volume.json")


def list(paths: Paths) -> tuple[Volume, ...]:
    """Every volume, by name."""
    found = []
    for name in files.list_dir(paths.volumes):
        try:
            found.append(_read(paths, name))
        except (FileNotFoundError, NotADirectoryError):
            continue
    return tuple(found)


def remove(paths: Paths, name: str) -> bool:
    """The volume and its data are gone. False when it was not there. The caller knows that no container uses it."""
    with _lock(paths):
        folder = f"{paths.volumes}/{name}"
        doomed = f"{paths.tmp}/{name[:64]}.{os.getpid()}.removed"
        try:
            os.rename(folder, doomed)
        except FileNotFoundError:
            return False
    files.remove_tree(doomed)
    return True


def in_use(name: str, users: tuple[str, ...]) -> Conflict:
    """Docker's refusal to remove a volume that containers (ids) still use."""
    return Conflict(
        f"remove {name}: volume is in use - [{', '.join(users)}]",
        hint=f"remove the container first: pier rm {users[0][:12]}",
    )


def _read(paths: Paths, name: str) -> Volume:
    folder = f"{paths.volumes}/{name}"
    stored = Volume.from_dict(files.read_json(folder + "/volume.json"))
    return stored.replace(mount_point=folder + "/_data")


def _check_name(name: str) -> None:
    if len(name) < 2 or name[0] in "_.-" or not _NAME_CHARACTERS.issuperset(name) or len(name) > 255:
        raise Invalid(
            f'"{name}" includes invalid characters for a local volume name,'
            ' only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed',
            hint="to mount a host folder, use its absolute path",
        )


def _lock(paths: Paths) -> files.FileLock:
    return files.FileLock(files.ensure_dir(paths.volumes) + "/.lock")
