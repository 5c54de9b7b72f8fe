"""Garbage: blobs and layers that nothing names. What an image, a pin or a running pull or build needs is never touched.

Roots are the index entries and the *pins*: small files that keep layers without an image, as the build cache does.
"""

from __future__ import annotations

import os

from pier.errors import Corrupt, NotFound
from pier.images.layout import storage_error
from pier.images.scratch import sweep
from pier.images.store import Removed
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pier.images.store import ImageStore


def pin(store: ImageStore, name: str, diff_ids: Iterable[str]) -> None:
    """The layers *diff_ids*, with their blobs, survive collection until *name* is unpinned. Replaces the pin *name*."""
    files.write_json(f"{files.ensure_dir(_pins(store))}/{name}.json", {"layers": list(diff_ids)})


def unpin(store: ImageStore, name: str) -> None:
    """The pin *name* holds nothing any more. Idempotent."""
    files.unlink_quietly(f"{_pins(store)}/{name}.json")


def pinned(store: ImageStore) -> dict[str, tuple[str, ...]]:
    """Each pin's name and its diff_ids."""
    pins: dict[str, tuple[str, ...]] = {}
    for file_name in files.list_dir(_pins(store)):
        try:
            pins[file_name.removesuffix(".json")] = tuple(files.read_json(f"{_pins(store)}/{file_name}")["layers"])
        except FileNotFoundError:  # unpinned meanwhile
            continue
    return pins


def collect(store: ImageStore) -> Removed:
    """Delete what nothing needs: `deleted` names the layers, `bytes` counts blobs and unpacked files.

    While a pull or a build runs, everything stays, and the next collection takes it.
    """
    try:
        with store.layout.collecting():
            sweep(store.paths)
            return _collect(store)
    except BlockingIOError:
        return Removed()
    except OSError as exc:
        raise storage_error("cannot remove unused layers", exc, store.paths.root) from exc


def _collect(store: ImageStore) -> Removed:
    layout = store.layout
    blobs, layers = _needed(store)
    freed = 0
    deleted = []
    for name in files.list_dir(store.paths.layers):
        diff_hex = name.removesuffix(".json")
        if diff_hex in layers or name.endswith(".json"):
            continue
        path = f"{store.paths.layers}/{name}"
        freed += _recorded_size(path)
        # A layer leaves its name in one step: a directory half removed would look like a smaller layer.
        doomed = f"{store.paths.tmp}/removed-{os.getpid()}-{name}"
        os.rename(path, doomed)
        files.remove_tree(doomed)
        deleted.append("sha256:" + diff_hex)
    for name in files.list_dir(store.paths.layers):
        if name.endswith(".json") and name.removesuffix(".json") not in layers:
            files.unlink_quietly(f"{store.paths.layers}/{name}")
    blob_dir = os.path.dirname(layout.blob_path("sha256:" + "0" * 64))
    for name in os.listdir(blob_dir):
        if name not in blobs:
            freed += os.lstat(f"{blob_dir}/{name}").st_size
            files.unlink_quietly(f"{blob_dir}/{name}")
    return Removed(deleted=tuple(deleted), bytes=freed)


def _needed(store: ImageStore) -> tuple[set[str], set[str]]:
    """Hexadecimal digests of the blobs, and of the layers, that an image or a pin needs."""
    digests: set[str] = set()
    diff_ids: set[str] = set()
    for digest in {entry["digest"] for entry in store.layout.entries()}:
        digests.add(digest)
        try:
            manifest = store.layout.read_json_blob(digest)
            digests |= {manifest["config"]["digest"]} | {layer["digest"] for layer in manifest["layers"]}
            diff_ids |= set(store.layout.read_json_blob(manifest["config"]["digest"])["rootfs"]["diff_ids"])
        except (
            Corrupt,
            KeyError,
        ):  # what a damaged image needs cannot be known, and the others are cleaned all the same
            continue
    for layers in pinned(store).values():
        for diff_id in layers:
            try:
                digests.add(store.layer(diff_id).digest)
                diff_ids.add(diff_id)
            except NotFound:  # the pin outlived its layer: whoever looks for it makes it again
                continue
    return {digest.partition(":")[2] for digest in digests}, {diff_id.partition(":")[2] for diff_id in diff_ids}


def _recorded_size(layer_path: str) -> int:
    try:
        return int(files.read_json(layer_path + ".json")["unpacked_size"])
    except (FileNotFoundError, KeyError, ValueError):  # a layer of another version: its removal must still succeed
        return 0


def _pins(store: ImageStore) -> str:
    return store.paths.images + "/pins"
