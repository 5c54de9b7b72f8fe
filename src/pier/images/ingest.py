"""New content for the store: layers from directories and archives, images from layers.

Everything is made in a scratch folder and enters its place by rename(2); a killed process leaves nothing visible.
A caller that adds several things holds `store.layout.ingesting()` from the first layer until the image exists (or is
pinned), so that garbage collection does not take what nothing names yet.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
from typing import TYPE_CHECKING, Any, BinaryIO

from pier.errors import Bug, Corrupt, NotFound
from pier.images.attributes import adopt_parents
from pier.images.compression import gzip_compressor
from pier.images.layout import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST, descriptor, storage_error
from pier.images.scratch import Scratch
from pier.images.tar_writer import write_layer_tar
from pier.images.unpack import Unpacked, unpack
from pier.model import jsontext, reference
from pier.model.image import Image, Layer
from pier.state import files

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pier.images.store import ImageStore

_COPY = 1 << 20


def add_layer_from_dir(store: ImageStore, directory: str) -> Layer:
    """*directory*, the upper of an overlay that is no longer mounted, becomes a layer: it is moved into the store.

    An equal layer that is already there is used instead, and *directory* removed. Exhausted on a full disk, with
    *directory* still in place.
    """
    store.layout.prepare()
    try:
        with store.layout.ingesting(), Scratch(store.paths) as scratch:
            blob = scratch.path + "/blob"
            layer = _compress(directory, blob)
            known = _known_layer(store, layer.diff_id)
            if known is not None:
                files.remove_tree(directory)
                return known
            keep_blob(store, blob, layer.digest)
            tree = _on_same_device(directory, store, scratch.path + "/tree")
            return _keep_tree(store, tree, layer)
    except OSError as exc:
        raise storage_error(f"cannot make a layer of {directory}", exc, store.paths.root) from exc


def add_layer_from_tar(store: ImageStore, stream: BinaryIO, *, lower: Sequence[Layer] = ()) -> Layer:
    """A layer from an archive (plain, gzip or zstd) that is not trusted. *lower*: the layers it will lie on.

    Corrupt where the archive is damaged or hostile.
    """
    store.layout.prepare()
    try:
        with store.layout.ingesting(), Scratch(store.paths) as scratch:
            blob, tree = scratch.path + "/blob", scratch.path + "/tree"
            digest, size = _copy_hashed(stream, blob)
            unpacked = unpack_blob(blob, tree)
            return keep_layer(store, blob, tree, digest, size, unpacked, [layer.diff_id for layer in lower])
    except OSError as exc:
        raise storage_error("cannot store a layer", exc, store.paths.root) from exc


def add_image(store: ImageStore, config: dict[str, Any], layers: Sequence[Layer], *, tags: Iterable[str] = ()) -> Image:
    """An image of *layers*, bottom first, under *tags* (dangling without any). `rootfs` of *config* is filled in here.

    *config* is the OCI image configuration. The same configuration over the same layers is the same image.
    """
    steps = [step for step in config.get("history") or () if not step.get("empty_layer")]
    if steps and len(steps) != len(layers):
        raise Bug("an image's history does not match its layers", why=f"{len(steps)} steps, {len(layers)} layers")
    complete = {"created": _now(), **config}
    complete["rootfs"] = {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]}
    blobs = [descriptor(layer.digest, layer.size, media_type=layer.media_type) for layer in layers]
    names = tuple(reference.parse(tag).canonical() for tag in tags)
    with store.layout.ingesting():
        return keep_image(store, jsontext.dumps(complete).encode(), blobs, names)


def keep_image(store: ImageStore, config: bytes, layers: list[dict[str, Any]], names: tuple[str, ...]) -> Image:
    """The image of a configuration, kept byte by byte, over stored layer blobs; canonical *names* point to it."""
    try:
        config_digest = put_blob(store, config)
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(config_digest, len(config), media_type=OCI_CONFIG),
            "layers": layers,
        }
        manifest_digest = _known_manifest(store, config_digest) or put_blob(store, jsontext.dumps(manifest).encode())
        store.bind(manifest_digest, names)
    except OSError as exc:
        raise storage_error("cannot store an image", exc, store.paths.root) from exc
    return store.resolve(config_digest)


def restore_layers(store: ImageStore, image: Image) -> None:
    """Unpack the layers of *image* whose directories are missing, from their blobs."""
    manifest = store.layout.read_json_blob(image.manifest_digest)
    try:
        with store.layout.ingesting():
            for index, (diff_id, blob) in enumerate(zip(image.diff_ids, manifest["layers"], strict=True)):
                if not os.path.isdir(store.layout.layer_path(diff_id)):
                    _restore(store, blob, diff_id, image.diff_ids[:index])
    except OSError as exc:
        raise storage_error(f"cannot unpack image {reference.short_id(image.id)}", exc, store.paths.root) from exc


def unpack_blob(blob: str, tree: str) -> Unpacked:
    """The archive file *blob* unpacked into the new directory *tree*."""
    os.mkdir(tree, 0o755)
    with open(blob, "rb") as stream:
        return unpack(stream, tree, compressed_size=os.fstat(stream.fileno()).st_size)


def keep_layer(
    store: ImageStore, blob: str, tree: str, digest: str, size: int, unpacked: Unpacked, lower: Sequence[str]
) -> Layer:
    """Move a verified *blob* and its unpacked *tree* to their places. *lower*: diff_ids of the layers below."""
    keep_blob(store, blob, digest)
    store.tell_disowned(unpacked.disowned)
    layer = Layer(
        digest=digest,
        diff_id=unpacked.diff_id,
        size=size,
        unpacked_size=unpacked.size,
        media_type=unpacked.media_type,
    )
    adopt_parents(tree, unpacked.implied, tuple(store.layout.layer_path(diff_id) for diff_id in lower))
    return _keep_tree(store, tree, layer)


def put_blob(store: ImageStore, data: bytes) -> str:
    """The digest under which *data* is now stored."""
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    path = store.layout.blob_path(digest)
    if not os.path.exists(path):
        with Scratch(store.paths) as scratch:
            temporary = scratch.path + "/blob"
            with open(temporary, "wb") as stream:
                stream.write(data)
            keep_blob(store, temporary, digest)
    return digest


class _GzipSink:
    """Bytes into a gzip file, hashed on both sides of the compressor in the same pass."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._compressor = gzip_compressor()
        self._plain = hashlib.sha256()
        self._packed = hashlib.sha256()
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self.size = 0

    def write(self, data: bytes) -> None:
        self._waiting.append(data)
        self._waiting_size += len(data)
        if self._waiting_size >= _COPY:
            self._flush()

    def finish(self) -> tuple[str, str]:
        """The digests of the plain and of the compressed bytes."""
        self._flush()
        self._emit(self._compressor.flush())
        return "sha256:" + self._plain.hexdigest(), "sha256:" + self._packed.hexdigest()

    def _flush(self) -> None:
        data = b"".join(self._waiting)
        self._waiting.clear()
        self._waiting_size = 0
        self._plain.update(data)
        self._emit(self._compressor.compress(data))

    def _emit(self, packed: bytes) -> None:
        self._packed.update(packed)
        self._stream.write(packed)
        self.size += len(packed)


def _compress(directory: str, blob: str) -> Layer:
    with open(blob, "wb") as stream:
        sink = _GzipSink(stream)
        unpacked_size = write_layer_tar(directory, sink, strip_overlay=True)
        diff_id, digest = sink.finish()
    return Layer(digest=digest, diff_id=diff_id, size=sink.size, unpacked_size=unpacked_size, media_type=OCI_LAYER_GZIP)


def _copy_hashed(stream: BinaryIO, path: str) -> tuple[str, int]:
    digest = hashlib.sha256()
    size = 0
    with open(path, "wb") as copy:
        while chunk := stream.read(_COPY):
            digest.update(chunk)
            copy.write(chunk)
            size += len(chunk)
    return "sha256:" + digest.hexdigest(), size


def _on_same_device(directory: str, store: ImageStore, spare: str) -> str:
    """*directory*, or a copy of it at *spare* where it cannot be renamed into the store."""
    if os.stat(directory).st_dev == os.stat(store.paths.layers).st_dev:
        return directory
    os.mkdir(spare, 0o755)
    with open(spare + ".tar", "w+b") as archive:
        write_layer_tar(directory, archive)
        archive.seek(0)
        unpack(archive, spare, compressed_size=os.fstat(archive.fileno()).st_size)
    shutil.rmtree(directory)
    return spare


def keep_blob(store: ImageStore, blob: str, digest: str) -> None:
    os.chmod(blob, 0o644)
    os.rename(blob, store.layout.blob_path(digest))


def _keep_tree(store: ImageStore, tree: str, layer: Layer) -> Layer:
    path = store.layout.layer_path(layer.diff_id)
    # The record first: a layer counts as present from the moment its directory is. Where another blob unpacked to the
    # same directory, the record names the newer blob.
    files.write_json(path + ".json", layer.to_dict())
    try:
        os.rename(tree, path)
    except OSError as exc:
        if exc.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        files.remove_tree(tree)  # another process was first with the same layer
    return layer


def _restore(store: ImageStore, blob: dict[str, Any], diff_id: str, lower: tuple[str, ...]) -> None:
    path = store.layout.blob_path(blob["digest"])
    if not os.path.exists(path):
        raise Corrupt(
            f"layer {reference.short_id(diff_id)} is missing, and so is its blob",
            why=f"neither {store.layout.layer_path(diff_id)} nor {path} exists",
            hint="pull or build the image again",
        )
    with Scratch(store.paths) as scratch:
        tree = scratch.path + "/tree"
        unpacked = unpack_blob(path, tree)
        if unpacked.diff_id != diff_id:
            raise Corrupt(
                f"blob {blob['digest']} is not the layer it should be",
                why=f"it unpacks to {unpacked.diff_id}, the image names {diff_id}",
                hint="remove the image and pull it again",
            )
        adopt_parents(tree, unpacked.implied, tuple(store.layout.layer_path(below) for below in lower))
        size = os.stat(path).st_size
        layer = Layer(
            digest=blob["digest"],
            diff_id=diff_id,
            size=size,
            unpacked_size=unpacked.size,
            media_type=unpacked.media_type,
        )
        _keep_tree(store, tree, layer)


def _known_layer(store: ImageStore, diff_id: str) -> Layer | None:
    try:
        return store.layer(diff_id)
    except NotFound:
        return None


def _known_manifest(store: ImageStore, config_digest: str) -> str:
    """The manifest by which the store already has this configuration: an image keeps one, however often it arrives."""
    for entry in store.layout.entries():
        if store.config_digest(entry["digest"]) == config_digest:
            return str(entry["digest"])
    return ""


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
