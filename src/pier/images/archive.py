"""Images as one archive: written as an OCI layout that `docker load` reads, read in that form or Docker's older one.

Trusts no name inside an archive: members are kept under numbers, and every digest is checked.
"""

from __future__ import annotations

import hashlib
import io
import os
import posixpath
import tarfile
from typing import TYPE_CHECKING, Any

from pier.errors import Corrupt, Invalid
from pier.images import ingest, manifest
from pier.images.layout import OCI_INDEX, OCI_MANIFEST, REF_NAME, descriptor
from pier.images.scratch import Scratch
from pier.model import jsontext, reference

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from pier.images.manifest import Manifest, Platform
    from pier.images.store import ImageStore
    from pier.model.image import Image, Layer

_CONTAINERD_NAME = "io.containerd.image.name"
_CHUNK = 1 << 20


def save(store: ImageStore, names: Sequence[str], stream: BinaryIO) -> None:
    """The images *names* with all they need, as a tar archive on *stream*. NotFound, before anything is written."""
    images = {name: store.resolve(name) for name in names}
    tags: dict[str, list[str]] = {image.id: [] for image in images.values()}
    for name, image in images.items():
        tags[image.id] += [tag for tag in image.repo_tags if _means(name, tag) and tag not in tags[image.id]]
    unique = {image.id: image for image in images.values()}
    digests = dict.fromkeys(digest for image in unique.values() for digest in _digests(store, image))
    described = [_described(store, image, tags[image.id]) for image in unique.values()]
    entries = [entry for image in unique.values() for entry in _entries(store, image, tags[image.id])]
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for digest in sorted(digests):
            path = store.layout.blob_path(digest)
            with open(path, "rb") as blob:
                member = _member(_name_of(digest), os.fstat(blob.fileno()).st_size)
                archive.addfile(member, blob)
        for name, value in (
            ("index.json", {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}),
            ("manifest.json", described),
            ("oci-layout", {"imageLayoutVersion": "1.0.0"}),
        ):
            data = jsontext.dumps(value).encode()
            archive.addfile(_member(name, len(data)), io.BytesIO(data))


def _means(name: str, tag: str) -> bool:
    """Whether *name*, as typed, is the image's *tag*; an id or a digest stands for no tag."""
    try:
        return reference.parse(name).familiar() == tag
    except Invalid:
        return False


def _digests(store: ImageStore, image: Image) -> list[str]:
    return [image.manifest_digest, image.id, *(layer.digest for layer in store.layers(image))]


def _described(store: ImageStore, image: Image, tags: list[str]) -> dict[str, Any]:
    """The image's entry in Docker's manifest.json."""
    layers = [_name_of(layer.digest) for layer in store.layers(image)]
    return {"Config": _name_of(image.id), "RepoTags": tags or None, "Layers": layers}


def _entries(store: ImageStore, image: Image, tags: list[str]) -> list[dict[str, Any]]:
    size = os.stat(store.layout.blob_path(image.manifest_digest)).st_size
    plain = descriptor(image.manifest_digest, size)
    if not tags:
        return [plain]
    parsed = [reference.parse(tag) for tag in tags]
    return [{**plain, "annotations": {_CONTAINERD_NAME: ref.canonical(), REF_NAME: ref.tag}} for ref in parsed]


def _name_of(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    return member


def load(store: ImageStore, stream: BinaryIO) -> list[tuple[Image, tuple[str, ...]]]:
    """The images of the archive on *stream*, each with the names it has from there. Corrupt where it is damaged."""
    store.layout.prepare()
    with store.layout.ingesting(), Scratch(store.paths) as scratch:
        source = _Source(scratch.path, stream)
        if source.has("manifest.json"):
            return [_load_described(store, source, entry) for entry in source.json("manifest.json", list)]
        if source.has("index.json"):
            here = manifest.platform_of(os.uname().machine)
            entries = source.json("index.json", dict).get("manifests") or []
            return [_load_entry(store, source, entry, here) for entry in entries]
    raise Corrupt("the archive holds no image", why="it has neither manifest.json nor index.json")


class _Source:
    """The regular files of an archive, each copied to a numbered file of *folder*."""

    def __init__(self, folder: str, stream: BinaryIO) -> None:
        self._files: dict[str, str] = {}
        self._links: dict[str, str] = {}
        try:
            with tarfile.open(fileobj=stream, mode="r|*") as archive:
                for member in archive:
                    self._keep(archive, member, f"{folder}/{len(self._files)}")
        except (tarfile.TarError, EOFError) as exc:
            raise Corrupt("the archive cannot be read", why=str(exc)) from exc

    def _keep(self, archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
        name = posixpath.normpath(member.name)
        if member.issym():
            # Docker's older archives share layers by links beside them.
            self._links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
        elif member.islnk():
            self._links[name] = posixpath.normpath(member.linkname)
        elif member.isreg():
            content = archive.extractfile(member)
            with open(path, "wb") as copy:
                while content is not None and (chunk := content.read(_CHUNK)):
                    copy.write(chunk)
            self._files[name] = path

    def has(self, name: str) -> bool:
        return self._links.get(name, name) in self._files

    def open(self, name: str) -> BinaryIO:
        path = self._files.get(self._links.get(posixpath.normpath(name), posixpath.normpath(name)))
        if path is None:
            raise Corrupt(f"the archive lacks {name}", why="another of its members names it")
        return open(path, "rb")

    def json(self, name: str, kind: type) -> Any:
        with self.open(name) as stream:
            try:
                value = jsontext.loads(stream.read())
            except ValueError as exc:
                raise Corrupt(f"{name} of the archive is not JSON", why=str(exc)) from exc
        if not isinstance(value, kind):
            raise Corrupt(f"{name} of the archive has another form than it should")
        return value

    def blob(self, digest: str) -> bytes:
        with self.open(_name_of(digest)) as stream:
            data = stream.read()
        if "sha256:" + hashlib.sha256(data).hexdigest() != digest:
            raise Corrupt(f"blob {digest} of the archive has another content than its name says")
        return data


def _load_described(store: ImageStore, source: _Source, entry: dict[str, Any]) -> tuple[Image, tuple[str, ...]]:
    with source.open(str(entry.get("Config"))) as stream:
        config = stream.read()
    tags = [reference.parse(tag) for tag in entry.get("RepoTags") or ()]
    paths = [str(path) for path in entry.get("Layers") or ()]
    image = _keep(store, source, config, paths, tuple(tag.canonical() for tag in tags))
    return image, tuple(tag.familiar() for tag in tags)


def _load_entry(
    store: ImageStore, source: _Source, entry: dict[str, Any], platform: Platform
) -> tuple[Image, tuple[str, ...]]:
    annotations = entry.get("annotations") or {}
    name = str(annotations.get(_CONTAINERD_NAME) or annotations.get(REF_NAME) or "")
    found = _manifest(source, entry, platform)
    config = source.blob(found.config.digest)
    tags = (reference.parse(name),) if name else ()
    paths = [_name_of(layer.digest) for layer in found.layers]
    image = _keep(store, source, config, paths, tuple(tag.canonical() for tag in tags))
    return image, tuple(tag.familiar() for tag in tags)


def _manifest(source: _Source, entry: dict[str, Any], platform: Platform) -> Manifest:
    value = manifest.load(source.blob(str(entry.get("digest"))), "a manifest of the archive")
    media_type = str(value.get("mediaType") or entry.get("mediaType") or OCI_MANIFEST)
    if manifest.is_list(media_type, value):
        chosen = manifest.choose(value, platform, "the archive")
        return _manifest(source, {"digest": chosen.digest, "mediaType": chosen.media_type}, platform)
    return manifest.parse(media_type, value, "the archive")


def _keep(store: ImageStore, source: _Source, config: bytes, paths: Sequence[str], names: tuple[str, ...]) -> Image:
    """The image of *config* over the layers in the members *paths*, each held to the configuration's diff_ids."""
    try:
        diff_ids = jsontext.loads(config)["rootfs"]["diff_ids"]
    except (ValueError, KeyError, TypeError) as exc:
        raise Corrupt("an image of the archive has no configuration", why=str(exc)) from exc
    if len(diff_ids) != len(paths):
        raise Corrupt("an image of the archive is damaged", why=f"{len(paths)} layers, {len(diff_ids)} diff_ids")
    layers: list[Layer] = []
    for path, diff_id in zip(paths, diff_ids, strict=True):
        with source.open(path) as stream:
            layer = ingest.add_layer_from_tar(store, stream, lower=layers)
        if layer.diff_id != diff_id:
            raise Corrupt(f"{path} of the archive is not the layer it should be", why=f"it unpacks to {layer.diff_id}")
        layers.append(layer)
    blobs = [descriptor(layer.digest, layer.size, media_type=layer.media_type) for layer in layers]
    return ingest.keep_image(store, config, blobs, names)
