"""Take a stopped container's files away: first out of sight in one rename, then from the disk."""

from __future__ import annotations

import os

from pier.engine import records
from pier.kernel import lifetime
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.engine.context import Engine
    from pier.model.container import Container

HALF_MADE = ".new"
HALF_REMOVED = ".removed"


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


def sweep(engine: Engine) -> None:
    """Take away what commands that were killed left half-made or half-removed."""
    for name in files.list_dir(engine.paths.tmp):
        if name.endswith((HALF_MADE, HALF_REMOVED)) and not lifetime.start_time(int(name.split(".")[-2])):
            files.remove_tree(f"{engine.paths.tmp}/{name}")


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
