"""Remove what nobody uses any more. Which images containers use, the caller says."""

from __future__ import annotations

from pier.errors import NotFound
from pier.images.collect import collect
from pier.images.store import Removed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from pier.images.store import ImageStore
    from pier.model.image import Image


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

