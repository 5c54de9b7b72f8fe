"""What takes room on the disk, by kind of object, and how much of it nobody uses. Removes nothing."""

from __future__ import annotations

import os
import stat

from pier.errors import NotFound
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pier.engine.context import Engine
    from pier.model.container import Container
    from pier.model.image import Image
    from pier.volumes.store import Volume


class ImageUse(Record):
    """One image: *shared* bytes lie in layers that other images have too; *containers* use it."""

    image: Image
    shared: int
    unique: int
    containers: int


class ContainerUse(Record):
    """One container and the bytes it has written."""

    container: Container
    size: int


class VolumeUse(Record):
    """One volume, its bytes, and how many containers mount it."""

    volume: Volume
    size: int
    links: int


class CacheUse(Record):
    """One entry of the build cache: the bytes of its layers that no image has, and none of the entries before it."""

    name: str
    size: int


class Usage(Record):
    """The whole store. *layers* counts each layer once; *idle_layers* those of images that no container uses."""

    images: tuple[ImageUse, ...]
    containers: tuple[ContainerUse, ...]
    volumes: tuple[VolumeUse, ...]
    cache: tuple[CacheUse, ...]
    layers: int
    idle_layers: int


def usage(engine: Engine) -> Usage:
    """Measure everything; time is linear in the number of files of containers and volumes."""
    from pier.engine.listing import containers

    found = containers(engine, all=True)
    images = engine.images.list()
    used = {item.spec.image_id for item in found}
    sizes = _layer_sizes(engine, {diff_id for image in images for diff_id in image.diff_ids})
    active = {diff_id for image in images if image.id in used for diff_id in image.diff_ids}
    return Usage(
        images=tuple(_image_use(image, images, found, sizes) for image in images),
        containers=tuple(
            ContainerUse(container=item, size=tree_bytes(engine.paths.container(item.id) + "/upper")) for item in found
        ),
        volumes=_volumes(engine, found),
        cache=_cache(engine, set(sizes)),
        layers=sum(sizes.values()),
        idle_layers=sum(size for diff_id, size in sizes.items() if diff_id not in active),
    )


def _image_use(image: Image, images: Iterable[Image], found: Iterable[Container], sizes: dict[str, int]) -> ImageUse:
    others = {diff_id for other in images if other.id != image.id for diff_id in other.diff_ids}
    shared = sum(sizes[diff_id] for diff_id in set(image.diff_ids) & others)
    unique = sum(sizes[diff_id] for diff_id in set(image.diff_ids) - others)
    users = sum(item.spec.image_id == image.id for item in found)
    return ImageUse(image=image, shared=shared, unique=unique, containers=users)


def _volumes(engine: Engine, found: Iterable[Container]) -> tuple[VolumeUse, ...]:
    from pier.volumes import store

    mounted = [mount.source for item in found for mount in item.spec.mounts if mount.kind == "volume"]
    return tuple(
        VolumeUse(volume=volume, size=tree_bytes(volume.mount_point), links=mounted.count(volume.name))
        for volume in store.list(engine.paths)
    )


def _cache(engine: Engine, of_images: set[str]) -> tuple[CacheUse, ...]:
    from pier.images.collect import pinned

    counted = set(of_images)
    entries = []
    for name, diff_ids in sorted(pinned(engine.images).items()):
        fresh = set(diff_ids) - counted
        counted |= fresh
        entries.append(CacheUse(name=name, size=sum(_layer_sizes(engine, fresh).values())))
    return tuple(entries)


def _layer_sizes(engine: Engine, diff_ids: Iterable[str]) -> dict[str, int]:
    sizes = {}
    for diff_id in diff_ids:
        try:
            sizes[diff_id] = engine.images.layer(diff_id).unpacked_size
        except NotFound:
            # Another tool put the image here, and nobody has unpacked it yet.
            sizes[diff_id] = 0
    return sizes


def tree_bytes(path: str) -> int:
    """Bytes of the regular files at and below *path*, hard links once; 0 where there is nothing."""
    total = 0
    seen: set[tuple[int, int]] = set()
    for _, _, names, folder_fd in os.fwalk(path, follow_symlinks=False):
        for name in names:
            try:
                status = os.lstat(name, dir_fd=folder_fd)
            except FileNotFoundError:
                # A running container works here while it is measured.
                continue
            if not stat.S_ISREG(status.st_mode) or (status.st_dev, status.st_ino) in seen:
                continue
            if status.st_nlink > 1:
                seen.add((status.st_dev, status.st_ino))
            total += status.st_size
    return total
