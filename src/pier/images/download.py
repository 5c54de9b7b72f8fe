"""One blob into one file: hashed while it arrives, resumed where the connection broke. Nothing is written elsewhere."""

from __future__ import annotations

import hashlib
import http
from typing import TYPE_CHECKING, BinaryIO

from pier.errors import Corrupt, PierError, Unavailable

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from pier.images.manifest import BlobRef
    from pier.images.registry import Registry

_FRUITLESS_TRIES = 5
_MOST_TRIES = 30
_FIRST_PAUSE = 0.25


class Cancelled(PierError):
    """The pull was given up while this download ran."""


def download(
    registry: Registry,
    repository: str,
    blob: BlobRef,
    path: str,
    *,
    on_bytes: Callable[[int], None],
    stop: threading.Event,
) -> None:
    """*path* holds the blob, of the promised size and digest. Corrupt where it is not; Unavailable after tries."""
    with open(path, "wb") as file:
        transfer = _Transfer(registry, repository, blob, file, on_bytes, stop)
        transfer.run()


class _Transfer:
    def __init__(
        self,
        registry: Registry,
        repository: str,
        blob: BlobRef,
        file: BinaryIO,
        on_bytes: Callable[[int], None],
        stop: threading.Event,
    ) -> None:
        self._registry, self._repository, self._blob, self._file = registry, repository, blob, file
        self._on_bytes, self._stop = on_bytes, stop
        self._restart()

    def run(self) -> None:
        fruitless = tries = 0
        while self._done < self._blob.size or tries == 0:
            before = self._done
            try:
                self._read_once()
                broken: Unavailable | None = None
            except Unavailable as exc:
                broken = exc
            tries += 1
            fruitless = 0 if self._done > before else fruitless + 1
            if self._done < self._blob.size and (fruitless >= _FRUITLESS_TRIES or tries >= _MOST_TRIES):
                raise broken or self._corrupt(f"it ends after {self._done} of {self._blob.size} bytes")
            if self._done < self._blob.size and self._stop.wait(_FIRST_PAUSE * 2 ** min(fruitless, 4)):
                raise Cancelled("the download was cancelled")
        found = "sha256:" + self._hash.hexdigest()
        if found != self._blob.digest:
            raise self._corrupt(f"its digest is {found}")

    def _restart(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._hash = hashlib.sha256()
        self._done = 0

    def _read_once(self) -> None:
        # A coding would be applied by a proxy on the way, and the digest is of the bytes without it.
        headers = {"Accept-Encoding": "identity"}
        if self._done:
            headers["Range"] = f"bytes={self._done}-"
        with self._registry.get(self._repository, f"{self._repository}/blobs/{self._blob.digest}", headers) as answer:
            if self._done and answer.status_code != http.HTTPStatus.PARTIAL_CONTENT:
                self._restart()
            for chunk in answer.iter_raw():
                if self._stop.is_set():
                    raise Cancelled("the download was cancelled")
                self._done += len(chunk)
                if self._done > self._blob.size:
                    raise self._corrupt(f"it is longer than the {self._blob.size} bytes that the manifest promises")
                self._hash.update(chunk)
                self._file.write(chunk)
                self._on_bytes(self._done)

    def _corrupt(self, why: str) -> Corrupt:
        return Corrupt(
            f"{self._registry.address.domain}/{self._repository}: blob {self._blob.digest} is not what was promised",
            why=why,
            hint="try again; if it stays, the registry or a proxy before it alters what it sends",
        )
