"""The OCI image layout at `paths.images`: index.json, oci-layout and blobs/sha256 (image-spec image-layout.md).

skopeo and umoci read it. index.json is replaced by rename, so readers take no lock; blobs and layers are complete from
the moment they have their names. Knows nothing of image names beyond the annotation that carries them. On the hot path.
"""

from __future__ import annotations

import os

from pier.errors import Corrupt, Exhausted, PierError
from pier.model import jsontext
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pier.state.paths import Paths

    Entry = dict[str, Any]
    Entries = list[Entry]

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP = OCI_LAYER + "+gzip"
OCI_LAYER_ZSTD = OCI_LAYER + "+zstd"
REF_NAME = "org.opencontainers.image.ref.name"

_REPAIR = "remove the image and pull or build it again"


class Layout:
    """The layout's files. `ImageStore` puts names on top, `ingest` adds content, `collect` removes garbage."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self._blobs = paths.images + "/blobs/sha256/"

    def prepare(self) -> None:
        """The layout exists, empty if it is new."""
        files.ensure_dir(self._blobs.rstrip("/"))
        files.ensure_dir(self.paths.layers)
        files.ensure_dir(self.paths.tmp)
        files.ensure_dir(self.paths.locks)
        for name, content in (
            ("oci-layout", {"imageLayoutVersion": "1.0.0"}),
            ("index.json", {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}),
        ):
            path = f"{self.paths.images}/{name}"
            if not os.path.exists(path):
                try:
                    files.create_exclusive(path, jsontext.dumps(content) + "\n")
                except FileExistsError:
                    continue

    def blob_path(self, digest: str) -> str:
        """Where the blob lies. Only sha256 blobs are kept, so a digest of another kind has no path."""
        return self._blobs + _hex_of(digest)

    def layer_path(self, diff_id: str) -> str:
        """The directory of an unpacked layer. Corrupt for what is no digest: an image must not pick a path."""
        return self.paths.layers + "/" + _hex_of(diff_id)

    def entries(self) -> list[Entry]:
        """The descriptors of index.json, oldest first; none where there is no store yet."""
        path = self.paths.images + "/index.json"
        try:
            manifests = files.read_json(path).get("manifests") or []
        except FileNotFoundError:
            return []
        except (ValueError, AttributeError) as exc:
            raise Corrupt(f"{path} is not an image index", why=str(exc)) from exc
        return [entry for entry in manifests if entry.get("mediaType", OCI_MANIFEST) == OCI_MANIFEST]

    def edit(self, change: Callable[[list[Entry]], list[Entry]]) -> None:
        """Replace the descriptors by `change(descriptors)`, one writer at a time. Unknown members stay."""
        path = self.paths.images + "/index.json"
        try:
            self.prepare()
            with files.FileLock(self.paths.locks + "/images-index"):
                index = files.read_json(path)
                index["manifests"] = change(list(index.get("manifests") or []))
                files.write_json(path, index, mode=0o644, sync=True)
        except OSError as exc:
            raise storage_error(f"cannot write {path}", exc, self.paths.root) from exc

    def read_json_blob(self, digest: str) -> dict[str, Any]:
        """A manifest or configuration. Corrupt where it is missing or is not a JSON object."""
        path = self.blob_path(digest)
        try:
            value = files.read_json(path)
        except FileNotFoundError as exc:
            raise Corrupt(f"the image store lacks blob {digest}", why=f"{path} is missing", hint=_REPAIR) from exc
        except ValueError as exc:
            raise Corrupt(f"blob {digest} is not JSON", why=str(exc), hint=_REPAIR) from exc
        if not isinstance(value, dict):
            raise Corrupt(f"blob {digest} is not a JSON object")
        return value

    def ingesting(self) -> files.FileLock:
        """Held (shared) while blobs and layers are added that no index entry names yet: garbage collection waits."""
        self.prepare()
        return files.FileLock(self.paths.locks + "/images-ingest", shared=True)

    def collecting(self) -> files.FileLock:
        """Held (exclusive) while garbage is removed. BlockingIOError where something is being added."""
        self.prepare()
        return files.FileLock(self.paths.locks + "/images-ingest", blocking=False)


def _hex_of(digest: str) -> str:
    algorithm, _, value = digest.partition(":")
    if algorithm != "sha256" or len(value) != 64 or "/" in value:
        raise Corrupt(f"the image store is asked for {digest!r}", why="it holds sha256 digests only")
    return value


def ref_name(entry: Entry) -> str:
    """The name that the descriptor carries, "" for a dangling image."""
    name = (entry.get("annotations") or {}).get(REF_NAME, "")
    return name if isinstance(name, str) else ""


def descriptor(digest: str, size: int, name: str = "", media_type: str = OCI_MANIFEST) -> Entry:
    """A content descriptor (image-spec descriptor.md), with its name when it has one."""
    entry: Entry = {"mediaType": media_type, "digest": digest, "size": size}
    if name:
        entry["annotations"] = {REF_NAME: name}
    return entry


def storage_error(message: str, exc: OSError, root: str) -> PierError:
    """The OSError of a write into the store, by remedy: Exhausted for a full disk or quota."""
    import errno

    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return Exhausted(
            message,
            why=f"{os.strerror(exc.errno)}: the file system that holds {root} is full",
            hint="pier system prune removes what is unused; --root or PIER_ROOT chooses another disk",
        )
    if exc.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        from pier.errors import Denied

        return Denied(message, why=str(exc), hint=f"check who owns {root}, or choose another folder with PIER_ROOT")
    return PierError(message, why=str(exc))
