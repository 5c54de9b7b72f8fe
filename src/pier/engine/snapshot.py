"""What a container's own layer holds: told (`diff`), written out with its image (`export`), kept as one (`commit`)."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pier.engine import adjusting, inspect, listing, records
from pier.errors import Unsupported
from pier.images import attributes
from pier.images.tar_writer import write_layer_tar
from pier.kernel import fs, mount, namespaces
from pier.model.container import DEFAULT_STOP_SIGNAL
from pier.model.image import History, ImageConfig
from pier.runtime import operations

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pier.engine.context import Engine
    from pier.images.tar_writer import Sink
    from pier.model.container import Container
    from pier.model.image import Image

ADDED, CHANGED, DELETED = "A", "C", "D"
# Mount points that pier makes; Docker's lie in a layer of their own below the container's.
_OURS = ("/dev", "/proc", "/sys", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf")


def diff(engine: Engine, reference: str) -> list[tuple[str, str]]:
    """(kind, path) of all that differs from the image, by path; kind A, C or D."""
    container = listing.find(engine, reference)
    layers = [os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for path in _layers(engine, container)]
    upper = os.open(engine.paths.container(container.id) + "/upper", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found: list[tuple[str, str]] = []
        _compare(upper, "", layers, found)
    finally:
        os.close(upper)
        for fd in layers:
            os.close(fd)
    return sorted(found, key=lambda item: item[1])


def _layers(engine: Engine, container: Container) -> tuple[str, ...]:
    return engine.images.layer_dirs(engine.images.resolve(container.spec.image_id))


def _compare(folder: int, path: str, layers: Sequence[int], found: list[tuple[str, str]]) -> int:
    """Add what differs below *path*; the number of entries that count as the container's own is returned."""
    own = 0
    for name in os.listdir(folder):
        child = f"{path}/{name}"
        status = os.lstat(name, dir_fd=folder)
        below = _status_in(layers, child)
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
            found.append((DELETED, child))
            own += 1
            continue
        if child in _OURS and (below is not None or _is_empty(folder, name, status)):
            continue
        kind = ADDED if below is None else CHANGED
        inside = -1
        if stat.S_ISDIR(status.st_mode):
            fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            try:
                inside = _compare(fd, child, () if _is_opaque(fd) else layers, found)
                touched = bool(os.listdir(fd)) and not inside
            finally:
                os.close(fd)
            # Copied up for nothing but pier's own mount points.
            if touched and below is not None and _same_owner(status, below):
                continue
        found.append((kind, child))
        own += 1
    return own


def _status_in(layers: Sequence[int], path: str) -> os.stat_result | None:
    """The entry that the topmost layer knowing *path* has there; None where that is a whiteout, or none knows it."""
    for layer in reversed(layers):
        try:
            fd = fs.open_in_root(layer, path, os.O_PATH | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            status = os.fstat(fd)
        finally:
            os.close(fd)
        return None if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0 else status
    return None


def _is_empty(folder: int, name: str, status: os.stat_result) -> bool:
    if stat.S_ISREG(status.st_mode):
        return status.st_size == 0
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        return not os.listdir(fd)
    finally:
        os.close(fd)


def _is_opaque(fd: int) -> bool:
    return any(attributes.is_opaque(name) and os.getxattr(fd, name) == b"y" for name in os.listxattr(fd))


def _same_owner(first: os.stat_result, second: os.stat_result) -> bool:
    return (first.st_mode, first.st_uid, first.st_gid) == (second.st_mode, second.st_uid, second.st_gid)


def export(engine: Engine, reference: str, sink: Sink) -> None:
    """The container's root file system, without its mounts, as a tar archive. The caller has one thread."""
    container = listing.find(engine, reference)
    with _root_of(engine, container) as folder:
        write_layer_tar(folder, sink)
    engine.record("container", "export", container.id, name=container.name, image=container.spec.image)


@contextmanager
def _root_of(engine: Engine, container: Container) -> Iterator[str]:
    """The image's layers and the container's own as one read-only tree, in a mount namespace of this process's own."""
    folder = engine.paths.container(container.id)
    layers = (*_layers(engine, container), folder + "/upper")
    if len(layers) == 1:
        yield layers[0]
        return
    namespaces.unshare(namespaces.CLONE_NEWNS)
    site = operations.Site()
    operations.IsolateMounts().run(site)
    nested = engine.place.ids.nested
    operations.MountOverlay(lower=layers, target=folder + "/root", user_xattrs=nested).run(site)
    try:
        yield folder + "/root"
    finally:
        os.close(site.root)
        mount.umount(folder + "/root")


def commit(
    engine: Engine,
    reference: str,
    config: ImageConfig,
    *,
    tags: Sequence[str] = (),
    author: str = "",
    message: str = "",
    pause: bool = True,
) -> Image:
    """An image of the container's present state, with *config*, under *tags*. It stands still meanwhile, if asked."""
    from pier.images import ingest

    container = listing.find(engine, reference)
    base = engine.images.resolve(container.spec.image_id)
    layers = engine.images.layers(base)
    with engine.images.layout.ingesting(), tempfile.TemporaryFile(dir=engine.paths.tmp) as archive:
        with _still(engine, container, pause=pause):
            write_layer_tar(engine.paths.container(container.id) + "/upper", archive)
        archive.seek(0)
        layer = ingest.add_layer_from_tar(engine.images, archive, lower=layers)
        step = History(created_by=" ".join(container.spec.argv), author=author, comment=message)
        history = _complete_history(base, len(layers))
        whole = {
            "architecture": base.architecture,
            "os": base.os,
            "author": author,
            "config": config.to_oci(),
            "history": [*(item.to_oci() for item in history), step.to_oci()],
        }
        image = ingest.add_image(engine.images, whole, (*layers, layer), tags=tags)
    engine.record(
        "container", "commit", container.id, name=container.name, imageID=image.id, imageRef=" ".join(tags),
        comment=message,
    )  # fmt: skip
    return image


def _complete_history(base: Image, layers: int) -> tuple[History, ...]:
    """The image's steps; made up where it tells none, because each layer needs one."""
    steps = [step for step in base.history if not step.empty_layer]
    return base.history if len(steps) == layers else (History(),) * layers


@contextmanager
def _still(engine: Engine, container: Container, *, pause: bool) -> Iterator[None]:
    if container.state.status == "running" and pause and _paused(engine, container):
        try:
            yield
        finally:
            adjusting.unpause(engine, container.id)
    elif container.state.running:
        yield
    else:
        with records.lock(engine.paths, container.id):
            yield


def _paused(engine: Engine, container: Container) -> bool:
    """Whether the container stands still now. Where the host has no freezer that is said, and the image made anyway."""
    try:
        adjusting.pause(engine, container.id)
    except Unsupported as exc:
        engine.warn(f"{container.name} runs on while its files are copied: {exc.why}")
        return False
    return True


def image_config(engine: Engine, reference: str) -> ImageConfig:
    """What an image made of the container starts with: the container's own settings."""
    spec = listing.find(engine, reference).spec
    base = engine.images.resolve(spec.image_id).config
    signal = "" if spec.stop_signal == DEFAULT_STOP_SIGNAL and not base.stop_signal else spec.stop_signal
    published = (f"{binding.container_port}/{binding.protocol}" for binding in spec.ports)
    check = spec.healthcheck
    return base.replace(
        entrypoint=spec.entrypoint,
        cmd=spec.command,
        env=spec.env,
        working_dir=spec.working_dir,
        user=spec.user,
        exposed_ports=tuple(sorted({*spec.exposed, *published})),
        volumes=tuple(sorted({*base.volumes, *(item.target for item in spec.mounts if item.anonymous)})),
        labels=spec.labels,
        stop_signal=signal,
        healthcheck=inspect.healthcheck(check) if check is not None else None,
    )
