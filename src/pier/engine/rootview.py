"""A container's root file system as this process can reach it, running or not: for `cp`."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pier.engine import listing, records
from pier.errors import NotFound
from pier.kernel import lifetime, mount, namespaces
from pier.runtime import operations
from pier.volumes import store as volumes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pier.engine.context import Engine
    from pier.model.container import Container, Mount


@contextmanager
def root_of(engine: Engine, reference: str) -> Iterator[int]:
    """An O_PATH fd of the container's "/", its volumes and bind mounts in place, for the `with` block.

    A stopped container's root is mounted in a mount namespace of this process's own, which the process keeps; it cannot
    start meanwhile. NotFound. The caller has one thread.
    """
    found = listing.find(engine, reference)
    if found.state.running:
        with _running(found) as fd:
            yield fd
        return
    with records.lock(engine.paths, found.id), _mounted(engine, found) as fd:
        yield fd


@contextmanager
def _running(found: Container) -> Iterator[int]:
    try:
        fd = os.open(f"/proc/{found.state.pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError as exc:
        raise NotFound(f"container {found.name} has just ended", hint="try again") from exc
    try:
        # The number may have gone to another process before the open: it has not if ours is alive now.
        if not lifetime.is_alive(found.state.pid, found.state.pid_start):
            raise NotFound(f"container {found.name} has just ended", hint="try again")
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _mounted(engine: Engine, found: Container) -> Iterator[int]:
    folder = engine.paths.container(found.id)
    image = engine.images.resolve(found.spec.image_id)
    namespaces.unshare(namespaces.CLONE_NEWNS)
    site = operations.Site()
    operations.IsolateMounts().run(site)
    operations.MountOverlay(
        lower=engine.images.layer_dirs(image),
        upper=folder + "/upper",
        work=folder + "/work",
        target=folder + "/root",
        user_xattrs=engine.place.ids.nested,
    ).run(site)
    try:
        for item in sorted(found.spec.mounts, key=lambda item: item.target.count("/")):
            if item.kind != "tmpfs" and (source := _source(engine, item)):
                flags = mount.MS_RDONLY if item.read_only else 0
                operations.Bind(source=source, target=item.target, flags=flags).run(site)
        yield site.root
    finally:
        os.close(site.root)
        mount.umount(folder + "/root")


def _source(engine: Engine, item: Mount) -> str:
    """Where the mount's data lie on the host; "" where they are gone."""
    source = item.source
    if item.kind == "volume":
        known = volumes.exists(engine.paths, item.source)
        source = volumes.find(engine.paths, item.source).mount_point if known else ""
    return source if source and os.path.exists(source) else ""
