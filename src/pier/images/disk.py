"""What images cost on disk, and what pruning them gives back. Which images containers use, the caller says."""

from __future__ import annotations

from pier.errors import NotFound
from pier.images.collect import collect, pinned
from pier.images.store import Removed
from pier.model.image import Image
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from pier.images.store import ImageStore


class ImageUsage(Record):
    """One image's unpacked bytes: *unique* ones go with it, *shared* ones serve other images too."""

    NESTED = {"image": Image}

    image: Image
    shared: int
    unique: int


class DiskUsage(Record):
    """The store's bytes on disk, blobs and unpacked layers together, each layer once.

    *reclaimable*: what removing every unused image would give back. *cached*: layers that no image has, kept by pins.
    """

    NESTED = {"images": ImageUsage}

    images: tuple[ImageUsage, ...]
    total: int
    reclaimable: int
    cached: int


def usage(store: ImageStore, used_ids: Collection[str]) -> DiskUsage:
    """The bytes of all images, of which containers use those with *used_ids*."""
    images = store.list()
    layers = {image.id: {layer.diff_id: layer for layer in store.layers(image)} for image in images if image.diff_ids}
    holders: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for held in layers.values():
        for diff_id, layer in held.items():
            holders[diff_id] = holders.get(diff_id, 0) + 1
            sizes[diff_id] = layer.unpacked_size + layer.size
    used = {diff_id for image_id in used_ids for diff_id in layers.get(image_id, ())}
    rows = []
    for image in images:
        held = layers.get(image.id, {})
        unique = sum(layer.unpacked_size for layer in held.values() if holders[layer.diff_id] == 1)
        rows.append(ImageUsage(image=image, unique=unique, shared=image.size - unique))
    cached = _pinned_sizes(store, sizes.keys())
    return DiskUsage(
        images=tuple(rows),
        total=sum(sizes.values()) + cached,
        reclaimable=sum(size for diff_id, size in sizes.items() if diff_id not in used),
        cached=cached,
    )


def prune(
    store: ImageStore,
    used_ids: Collection[str],
    *,
    unused: bool = False,
    wanted: Callable[[Image], bool] = lambda _: True,
) -> Removed:
    """Remove dangling images (with *unused*, tagged ones too) that *wanted* accepts and no container uses.

    Layers and blobs left behind by earlier removals go with them.
    """
    doomed = [
        image for image in store.list() if image.id not in used_ids and (unused or image.dangling) and wanted(image)
    ]
    untagged: list[str] = []
    deleted: list[str] = []
    freed = 0
    for image in doomed:
        try:
            removed = store.remove(image.id)
        except NotFound:  # another command was faster
            continue
        untagged += removed.untagged
        deleted += removed.deleted
        freed += removed.bytes
    rest = collect(store)
    return Removed(untagged=tuple(untagged), deleted=(*deleted, *rest.deleted), bytes=freed + rest.bytes)


def _pinned_sizes(store: ImageStore, counted: Collection[str]) -> int:
    diff_ids = {diff_id for held in pinned(store).values() for diff_id in held} - set(counted)
    total = 0
    for diff_id in diff_ids:
        try:
            layer = store.layer(diff_id)
        except NotFound:
            continue
        total += layer.size + layer.unpacked_size
    return total
