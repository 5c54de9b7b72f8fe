"""The build cache: which layer a step made last time, and which image a whole build ended in.

Keyed by content (`StepPlan.key`), so a hit is never stale. A record whose layer was collected meanwhile is a miss.
Layers that no image holds yet are pinned, so that a build that failed goes on where it stopped; `forget` releases
them.
"""

from __future__ import annotations

from pier.errors import NotFound
from pier.images import collect
from pier.model.image import Layer
from pier.model.record import Record
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pier.images.store import ImageStore
    from pier.model.image import Image

_PIN = "build-"


class CachedLayer(Record):
    """A layer and when it was made."""

    layer: Layer
    created: str


class BuildCache:
    """The records of one store. With *read* off (`--no-cache`) nothing is found; new results are kept all the same."""

    def __init__(self, store: ImageStore, *, read: bool = True) -> None:
        self._store = store
        self._read = read
        self._steps = store.paths.cache + "/build/steps"
        self._images = store.paths.cache + "/build/images"

    def find(self, key: str) -> CachedLayer | None:
        """What the step *key* made, if its layer is still here."""
        if not self._read:
            return None
        try:
            record = files.read_json(f"{self._steps}/{key}.json")
            return CachedLayer(layer=self._store.layer(record["layer"]), created=record["created"])
        except (FileNotFoundError, NotFound):
            return None
        except (
            ValueError,
            KeyError,
        ):  # written by another version, or cut short by a full disk: a miss costs only time
            return None

    def keep(self, key: str, layer: Layer, created: str) -> None:
        """The step *key* made *layer*, which stays until an image holds it or the cache is pruned."""
        files.ensure_dir(self._steps)
        collect.pin(self._store, _PIN + key, [layer.diff_id])
        files.write_json(f"{self._steps}/{key}.json", {"layer": layer.diff_id, "created": created})

    def release(self, keys: Iterable[str]) -> None:
        """An image holds the layers of *keys* now: they go when it goes."""
        for key in keys:
            collect.unpin(self._store, _PIN + key)

    def image(self, key: str) -> Image | None:
        """The image that the build *key* ended in, if it is still here."""
        if not self._read:
            return None
        try:
            image = self._store.resolve(files.read_json(f"{self._images}/{key}.json")["image"])
        except (FileNotFoundError, NotFound, ValueError, KeyError):
            return None
        return image

    def keep_image(self, key: str, image: Image) -> None:
        """The build *key* ended in *image*."""
        files.ensure_dir(self._images)
        files.write_json(f"{self._images}/{key}.json", {"image": image.id})


def forget(store: ImageStore) -> None:
    """Drop all records, pins, downloads and cache mounts of builds. The next collection gives their layers back."""
    for name in collect.pinned(store):
        if name.startswith(_PIN):
            collect.unpin(store, name)
    files.remove_tree(store.paths.cache + "/build")
