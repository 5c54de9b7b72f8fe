"""Images by name and id. Reads the layout as it is on disk each time: nothing here is cached, so nothing can lie.

Knows no registry and unpacks nothing, except to restore a layer directory that was lost while its blob was kept.
On the hot path of `pier run`: one name costs three small files and one stat a layer.
"""

from __future__ import annotations

import os

from pier.errors import Conflict, Corrupt, Invalid, NotFound
from pier.images.layout import REF_NAME, Layout, descriptor, ref_name
from pier.model import reference
from pier.model.image import History, Image, ImageConfig, Layer
from pier.model.record import Record
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pier.images.layout import Entries, Entry
    from pier.model.reference import Reference
    from pier.state.paths import Paths

    Images = list[Image]
    Texts = list[str]  # inside the class, `list` is the verb


class Removed(Record):
    """What a removal did: names dropped, digests of images and layers deleted, bytes given back to the disk."""

    untagged: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    bytes: int = 0


class ImageStore:
    """The images of one root directory. Cheap to make: it opens nothing."""

    def __init__(self, paths: Paths, warn: Callable[[str], None] | None = None) -> None:
        self.paths = paths
        self._warn = warn
        self.layout = Layout(paths)

    def tell_disowned(self, names: tuple[str, ...]) -> None:
        """Warn, once, of files that became root's because only one user id exists here."""
        if names and self._warn is not None:
            first = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            self._warn(f"only one user id exists here: files of the image become root's: {first} (see pier doctor)")
            self._warn = None

    def resolve(self, text: str) -> Image:
        """The image meant by a name, name:tag, name@digest, id or unambiguous beginning of an id. NotFound; Invalid."""
        entries = self.layout.entries()
        return self._image(self._find(text, entries)["digest"], entries, {})

    def list(self, *, include_dangling: bool = True) -> Images:
        """Every image once, newest first. A damaged one has only its names and an id."""
        entries = self.layout.entries()
        images: dict[str, Image] = {}
        sizes: dict[str, int] = {}
        for digest in dict.fromkeys(entry["digest"] for entry in entries):
            image = self._image_or_ruin(digest, entries, sizes)
            twin = images.get(image.id)
            if twin is not None:
                image = twin.replace(
                    repo_tags=_merged(twin.repo_tags, image.repo_tags),
                    repo_digests=_merged(twin.repo_digests, image.repo_digests),
                )
            images[image.id] = image
        found = [image for image in images.values() if include_dangling or not image.dangling]
        return sorted(found, key=lambda image: image.created, reverse=True)

    def layer_dirs(self, image: Image) -> tuple[str, ...]:
        """The unpacked layers, bottom first. A lost one is unpacked again from its blob; Corrupt when it cannot be."""
        dirs = tuple(self.layout.layer_path(diff_id) for diff_id in image.diff_ids)
        if not all(map(os.path.isdir, dirs)):
            from pier.images.ingest import restore_layers

            restore_layers(self, image)
        return dirs

    def layers(self, image: Image) -> tuple[Layer, ...]:
        """The layers, bottom first, as another image can be built upon them."""
        manifest = self.layout.read_json_blob(image.manifest_digest)
        return tuple(
            Layer(
                digest=blob["digest"],
                diff_id=diff_id,
                size=blob["size"],
                unpacked_size=self._unpacked_size(diff_id, blob),
                media_type=blob["mediaType"],
            )
            for diff_id, blob in zip(image.diff_ids, manifest["layers"], strict=True)
        )

    def layer(self, diff_id: str) -> Layer:
        """The layer that unpacks to *diff_id*, present with its blob. NotFound."""
        path = self.layout.layer_path(diff_id)
        try:
            layer = Layer.from_dict(files.read_json(path + ".json"))
        except FileNotFoundError as exc:
            raise NotFound(f"No such layer: {diff_id}") from exc
        if not os.path.isdir(path) or not os.path.exists(self.layout.blob_path(layer.digest)):
            raise NotFound(f"No such layer: {diff_id}", why="its directory or its blob is gone")
        return layer

    def tag(self, image_id: str, name: str | Reference) -> None:
        """*name* means *image_id* from now on. An image that loses its last name this way stays, dangling."""
        ref = reference.parse(name) if isinstance(name, str) else name
        if ref.digest:
            raise Invalid(f"cannot tag {ref.familiar()}", why="digests are computed", hint="give a tag instead")
        self.bind(self.resolve(image_id).manifest_digest, (ref.canonical(),))

    def bind(self, manifest_digest: str, names: tuple[str, ...]) -> None:
        """The canonical *names* point to the stored manifest; with none it is kept as a dangling image."""
        size = os.stat(self.layout.blob_path(manifest_digest)).st_size

        def change(entries: Entries) -> Entries:
            kept: Entries = []
            losers: Entries = []
            for entry in entries:
                (losers if ref_name(entry) in names else kept).append(entry)
            kept += [descriptor(manifest_digest, size, name) for name in names]
            return _with_dangling(kept, [*losers, descriptor(manifest_digest, size)])

        self.layout.edit(change)

    def untag(self, name: str | Reference) -> Removed:
        """Drop one name. The image stays, dangling if that was its last one. NotFound."""
        ref = reference.parse(name) if isinstance(name, str) else name
        wanted = ref.canonical()
        found: Entries = []

        def change(entries: Entries) -> Entries:
            found.extend(entry for entry in entries if ref_name(entry) == wanted)
            return _with_dangling([entry for entry in entries if ref_name(entry) != wanted], found)

        self.layout.edit(change)
        if not found:
            raise not_found(ref.familiar())
        return Removed(untagged=(ref.familiar(),))

    def remove(self, image_id: str) -> Removed:
        """Drop the image with all its names, and what no other image needs."""
        from pier.images.collect import collect

        image = self._resolve_or_ruin(image_id)
        gone = {entry["digest"] for entry in self._same_image(image)}
        self.layout.edit(lambda entries: [entry for entry in entries if entry["digest"] not in gone])
        removed = collect(self)
        return removed.replace(untagged=image.repo_tags + image.repo_digests, deleted=(image.id, *removed.deleted))

    def delete(self, text: str, *, force: bool = False) -> Removed:
        """What `rmi` does: drop the name typed, and the image with its last tag.

        Conflict where an id was typed, several repositories name the image, and *force* is not given.
        """
        image = self._resolve_or_ruin(text)
        typed = _named(text)
        if typed is not None and typed.familiar() in image.repo_tags:
            if len(image.repo_tags) > 1:
                return self.untag(typed)
        elif not force and len({reference.parse(tag).repository for tag in image.repo_tags}) > 1:
            raise Conflict(
                f"cannot remove image {text}",
                why="it has several names: " + ", ".join(image.repo_tags),
                hint=f"pier rmi -f {text} removes them all",
            )
        return self.remove(image.id)

    def config_digest(self, manifest_digest: str) -> str:
        """The id of the image behind a manifest; a damaged image is known by its manifest's digest."""
        try:
            return _config_of(self.layout.read_json_blob(manifest_digest), manifest_digest)
        except Corrupt:
            return manifest_digest

    def _resolve_or_ruin(self, text: str) -> Image:
        entries = self.layout.entries()
        return self._image_or_ruin(self._find(text, entries)["digest"], entries, {})

    def _image_or_ruin(self, manifest_digest: str, entries: Entries, sizes: dict[str, int]) -> Image:
        try:
            return self._image(manifest_digest, entries, sizes)
        except Corrupt:
            tags, digests = _names_of(manifest_digest, entries)
            return Image(
                id=self.config_digest(manifest_digest),
                manifest_digest=manifest_digest,
                repo_tags=tags,
                repo_digests=digests,
            )

    def _find(self, text: str, entries: Entries) -> Entry:
        if not reference.is_digest(text) and not (len(text) == 64 and reference.is_id_prefix(text)):
            try:
                ref = reference.parse(text)
            except Invalid:
                if not reference.is_id_prefix(text):
                    raise
            else:
                entry = _by_name(ref, entries)
                if entry is not None:
                    return entry
        found = self._by_id(text, entries) if reference.is_id_prefix(text) else None
        if found is None:
            raise not_found(text)
        return found

    def _by_id(self, text: str, entries: Entries) -> Entry | None:
        prefix = "sha256:" + text.removeprefix("sha256:")
        matches: dict[str, Entry] = {}
        for entry in entries:
            image_id = self.config_digest(entry["digest"])
            if image_id.startswith(prefix) or entry["digest"] == prefix:
                matches.setdefault(image_id, entry)
        if len(matches) > 1:
            raise Invalid(
                f"image id {text} is ambiguous",
                why="it begins " + ", ".join(reference.short_id(image_id) for image_id in sorted(matches)),
                hint="type more digits",
            )
        return next(iter(matches.values()), None)

    def _same_image(self, image: Image) -> Entries:
        return [entry for entry in self.layout.entries() if self.config_digest(entry["digest"]) == image.id]

    def _image(self, manifest_digest: str, entries: Entries, sizes: dict[str, int]) -> Image:
        """*sizes* remembers what layers measured, for the images of one listing."""
        manifest = self.layout.read_json_blob(manifest_digest)
        image_id = _config_of(manifest, manifest_digest)
        config = self.layout.read_json_blob(image_id)
        diff_ids = tuple(map(str, _member(_member(config, image_id, "rootfs", dict), image_id, "diff_ids", list)))
        tags, digests = _names_of(manifest_digest, entries)
        blobs = _member(manifest, manifest_digest, "layers", list)
        if len(blobs) != len(diff_ids):
            raise Corrupt(f"image {image_id} is damaged", why=f"{len(blobs)} layers, {len(diff_ids)} diff_ids")
        for diff_id, blob in zip(diff_ids, blobs, strict=True):
            if diff_id not in sizes:
                sizes[diff_id] = self._unpacked_size(diff_id, blob)
        return Image(
            id=image_id,
            manifest_digest=manifest_digest,
            repo_tags=tags,
            repo_digests=digests,
            created=config.get("created") or "",
            size=sum(sizes[diff_id] for diff_id in diff_ids),
            architecture=config.get("architecture") or "",
            os=config.get("os") or "",
            variant=config.get("variant") or "",
            author=config.get("author") or "",
            config=ImageConfig.from_oci(config.get("config") or {}),
            diff_ids=diff_ids,
            history=tuple(History.from_dict(step) for step in config.get("history") or ()),
        )

    def _unpacked_size(self, diff_id: str, blob: dict[str, Any]) -> int:
        try:
            return int(files.read_json(self.layout.layer_path(diff_id) + ".json")["unpacked_size"])
        except FileNotFoundError:  # not unpacked yet: another tool put the image here
            return int(blob.get("size", 0))


def not_found(text: str) -> NotFound:
    """The answer to an unknown image, the same wherever it is asked for."""
    return NotFound(f"No such image: {text}", hint=f"pier images lists what is here; pier pull {text} fetches it")


def _names_of(manifest_digest: str, entries: Entries) -> tuple[tuple[str, ...], tuple[str, ...]]:
    tags: Texts = []
    digests: Texts = []
    for entry in entries:
        if entry["digest"] == manifest_digest and (ref := _named(ref_name(entry))) is not None:
            (digests if ref.digest else tags).append(ref.familiar())
    return tuple(tags), tuple(digests)


def _named(name: str) -> Reference | None:
    if not name:
        return None
    try:
        return reference.parse(name)
    except Invalid:  # another tool's annotation
        return None


def _by_name(ref: Reference, entries: Entries) -> Entry | None:
    wanted = f"{ref.repository}@{ref.digest}" if ref.digest else ref.canonical()
    for entry in entries:
        name = ref_name(entry)
        if name == wanted:
            return entry
        if ref.digest == entry["digest"] and name.startswith((ref.repository + ":", ref.repository + "@")):
            return entry
    return None


def _with_dangling(entries: Entries, losers: Entries) -> Entries:
    """*entries*, and each of *losers* without its name where nothing else keeps its manifest in the index."""
    named = {entry["digest"] for entry in entries if ref_name(entry)}
    kept = [entry for entry in entries if ref_name(entry) or entry["digest"] not in named]
    present = {entry["digest"] for entry in kept}
    for loser in losers:
        if loser["digest"] not in present:
            present.add(loser["digest"])
            annotations = {key: value for key, value in (loser.get("annotations") or {}).items() if key != REF_NAME}
            kept.append(
                {key: value for key, value in loser.items() if key != "annotations"}
                | ({"annotations": annotations} if annotations else {})
            )
    return kept


def _merged(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(first + second))


def _config_of(manifest: dict[str, Any], digest: str) -> str:
    return str(_member(manifest, digest, "config", dict).get("digest", ""))


def _member(value: dict[str, Any], digest: str, name: str, kind: type) -> Any:
    found = value.get(name)
    if not isinstance(found, kind):
        raise Corrupt(f"blob {digest} is not part of an image", why=f"it has no {name!r}")
    return found
