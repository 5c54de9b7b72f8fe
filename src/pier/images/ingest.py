"""New layers and images into the store. Stub of the interface; the body follows."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, BinaryIO

    from pier.images.store import ImageStore
    from pier.model.image import Image, Layer


def add_layer_from_dir(store: ImageStore, directory: str) -> Layer:
    """*directory*, an overlay upper, becomes a layer; it is moved, not copied. Hold `store.layout.ingesting()`."""
    raise NotImplementedError


def add_layer_from_tar(store: ImageStore, stream: BinaryIO) -> Layer:
    """A layer from an archive (plain, gzip or zstd) that is not trusted. Hold `store.layout.ingesting()`."""
    raise NotImplementedError


def add_image(store: ImageStore, config: dict[str, Any], layers: Sequence[Layer], *, tags: Iterable[str] = ()) -> Image:
    """An image of *layers*, bottom first, under *tags*. `rootfs` of *config* (the OCI object) is filled in here."""
    raise NotImplementedError


def restore_layers(store: ImageStore, image: Image) -> None:
    """Unpack the layers of *image* whose directories are missing."""
    raise NotImplementedError
