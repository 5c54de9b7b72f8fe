"""Take a stopped container's files away: first out of sight in one rename, then from the disk."""

from __future__ import annotations

import os
import time

from pier.engine import records
from pier.kernel import lifetime
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.engine.context import Engine
    from pier.model.container import Container
    from pier.state.paths import Paths

HALF_MADE = ".new"
HALF_REMOVED = ".removed"
_CLOCK_SLACK = 2.0


def remove_files(engine: Engine, container: Container, *, volumes: bool) -> None:
    """The container, its name, addresses and, when asked, anonymous *volumes* are gone. Idempotent."""
    from pier.network import store as networks

    paths = engine.paths
    doomed = f"{paths.tmp}/{container.id}.{os.getpid()}{HALF_REMOVED}"
    with records.names_lock(paths):
        try:
            os.rename(paths.container(container.id), doomed)
        except FileNotFoundError:
            return
        if records.id_of_name(paths, container.name) == container.id:
            files.unlink_quietly(f"{paths.names}/{container.name}")
    networks.release_all(paths, container.id)
    files.remove_tree(paths.container_run(container.id))
    files.remove_tree(doomed)
    if volumes:
        _remove_anonymous_volumes(engine, container)
    engine.record("container", "destroy", container.id, name=container.name, image=container.spec.image)


class trace:
    """Below tmp lies something while the `with` block runs, for `sweep` to see when this process is killed in it."""

    def __init__(self, paths: Paths, container_id: str) -> None:
        self._path = f"{paths.tmp}/{container_id}.{os.getpid()}{HALF_MADE}"

    def __enter__(self) -> None:
        os.mkdir(self._path, 0o700)

    def __exit__(self, *_: object) -> None:
        os.rmdir(self._path)


def sweep(engine: Engine) -> None:
    """Take away what commands that were killed left half-made or half-removed.

    Whoever takes or gives up a name has something below tmp meanwhile, so that names are looked through only then.
    """
    paths = engine.paths
    left = [name for name in files.list_dir(paths.tmp) if _is_orphaned(paths, name)]
    if not left:
        return
    _sweep_names(paths)
    _sweep_networks(engine)
    for name in left:
        files.remove_tree(f"{paths.tmp}/{name}")


def _is_orphaned(paths: Paths, name: str) -> bool:
    """Whether *name* below tmp is of ours, and its maker, whose pid it tells, has ended."""
    if not name.endswith((HALF_MADE, HALF_REMOVED)):
        return False
    started = lifetime.start_time(int(name.split(".")[-2]))
    if not started:
        return True
    try:
        touched = os.stat(f"{paths.tmp}/{name}").st_ctime
    except FileNotFoundError:
        return False
    # A process that began later, as after a reboot, has only come by the number.
    return touched + _CLOCK_SLACK < time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + started / lifetime.TICKS


def _sweep_names(paths: Paths) -> None:
    with records.names_lock(paths):
        for name in files.list_dir(paths.names):
            if not name.startswith(".") and not records.holder_of_name(paths, name):
                files.unlink_quietly(f"{paths.names}/{name}")


def _sweep_networks(engine: Engine) -> None:
    from pier.network import orphans, store

    store.sweep(engine.paths)
    engine.place.on_network(orphans.sweep)


def _remove_anonymous_volumes(engine: Engine, container: Container) -> None:
    own = {mount.source for mount in container.spec.mounts if mount.kind == "volume" and mount.anonymous}
    if not own:
        return
    from pier.volumes import store as volume_store

    used = set()
    for other in records.ids(engine.paths):
        try:
            spec = records.read(engine.paths, other).spec
        except FileNotFoundError:
            continue
        used |= {mount.source for mount in spec.mounts if mount.kind == "volume"}
    for name in own - used:
        volume_store.remove(engine.paths, name)
