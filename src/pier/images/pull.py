"""An image from a registry into the store. Until the last rename nothing of it is visible; what is there is used again.

Layers are downloaded and unpacked three at a time in a scratch folder; this thread alone moves them into the store,
bottom first, and reports progress. A second pull of the same image waits for the first and finds its work done.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from pier.errors import Corrupt, NotFound, PierError, Unavailable, Unsupported
from pier.images import ingest, manifest
from pier.images.download import Cancelled, download
from pier.images.layout import storage_error
from pier.images.registry import Registry, RegistryOptions, addresses
from pier.images.scratch import Scratch, sweep
from pier.model import reference
from pier.model.record import Record
from pier.state import files

if TYPE_CHECKING:
    from collections.abc import Callable

    from pier.images.manifest import BlobRef, Manifest, Platform
    from pier.images.store import ImageStore
    from pier.images.unpack import Unpacked
    from pier.model.image import Image
    from pier.model.reference import Reference

_PARALLEL = 3
_LARGEST_CONFIG = 8 << 20
_REPORT_SECONDS = 0.1
_WAIT_SECONDS = 0.1
_JOIN_SECONDS = 2.0


class Progress(Record):
    """One line of a pull. *layer* is a short digest, or "" where the whole image is meant; *current* counts bytes."""

    layer: str
    status: str
    current: int = 0
    total: int = 0


def pull(
    store: ImageStore,
    name: Reference | str,
    *,
    platform: str | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    options: RegistryOptions = RegistryOptions(),  # noqa: B008 - a frozen record
) -> Image:
    """The image *name*, complete in the store. *on_progress* is called from this thread only.

    Unavailable when nobody answers, NotFound, Denied and Exhausted as the registry says, Corrupt on a wrong digest,
    Exhausted on a full disk. On any failure, Ctrl-C included, the store is as before.
    """
    ref = reference.parse(name) if isinstance(name, str) else name
    wanted = manifest.parse_platform(platform) if platform else manifest.platform_of(os.uname().machine)
    try:
        store.layout.prepare()
        sweep(store.paths)
        registry, found = _locate(ref, wanted, options)
        with registry, store.layout.ingesting(), Scratch(store.paths) as scratch:
            return _Pull(store, registry, ref, found, scratch.path, on_progress).run()
    except OSError as exc:
        raise storage_error(f"cannot store image {ref.familiar()}", exc, store.paths.root) from exc


class _Found(Record):
    """What the registry has: the digest asked for or behind the tag, and the manifest for the platform."""

    digest: str
    manifest: Manifest


def _locate(ref: Reference, platform: Platform, options: RegistryOptions) -> tuple[Registry, _Found]:
    """The first address that has the image, connected. A mirror's "not found" is not the last word."""
    failure: PierError = Unavailable(f"cannot reach the registry {ref.domain}")
    for address in addresses(ref.domain, options):
        registry = Registry(address, options)
        try:
            return registry, _find(registry, ref, platform)
        except BaseException as exc:
            registry.close()
            if not isinstance(exc, Unavailable) and not (isinstance(exc, NotFound) and address.base == options.mirror):
                raise
            failure = exc
    raise failure


def _find(registry: Registry, ref: Reference, platform: Platform) -> _Found:
    name = ref.familiar()
    media_type, top, body = registry.manifest(ref.path, ref.digest or ref.tag)
    value = manifest.load(body, f"the manifest of {name}")
    if manifest.is_list(media_type, value):
        chosen = manifest.choose(value, platform, name)
        media_type, _, body = registry.manifest(ref.path, chosen.digest)
        value = manifest.load(body, f"the manifest of {name}")
    return _Found(digest=top, manifest=manifest.parse(media_type or str(value.get("mediaType", "")), value, name))


class _Job(Record):
    """One layer to fetch: the blob, what it must unpack to, and the scratch files for it."""

    blob: BlobRef
    diff_id: str
    file: str
    tree: str
    needs_tree: bool


class _Pull:
    """One pull under way."""

    def __init__(
        self,
        store: ImageStore,
        registry: Registry,
        ref: Reference,
        found: _Found,
        scratch: str,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._store, self._registry, self._ref, self._found = store, registry, ref, found
        self._scratch = scratch
        self._report = on_progress
        self._stop = threading.Event()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._news: queue.SimpleQueue[Progress | tuple[_Job, Unpacked | None] | BaseException] = queue.SimpleQueue()

    def run(self) -> Image:
        lock = f"{self._store.paths.locks}/pull-{self._found.digest.partition(':')[2]}"
        self._report(Progress(layer=self._ref.tag or "", status=f"Pulling from {self._ref.path}"))
        with ExitStack() as held:
            self._wait_alone(held, lock)
            held.callback(files.unlink_quietly, lock)
            return self._run()

    def _wait_alone(self, held: ExitStack, path: str) -> None:
        """Take the lock when it is free. Polled: the clean-up after Ctrl-C must not wait in a blocked flock(2)."""
        told = False
        while True:
            try:
                held.enter_context(files.FileLock(path, blocking=False))
                return
            except BlockingIOError:
                if not told:
                    self._report(Progress(layer="", status="Waiting for another pull of this image"))
                told = True
                time.sleep(_WAIT_SECONDS)

    def _run(self) -> Image:
        name = self._ref.familiar()
        before = self._current()
        config = self._config()
        layers = self._found.manifest.layers
        value = manifest.load(config, f"the configuration of {name}")
        diff_ids = manifest.diff_ids(value, len(layers), name)
        if value.get("os", "linux") != "linux":
            raise Unsupported(f"{name} is an image for {value['os']}", why="pier runs Linux containers")
        self._fetch(diff_ids)
        names = [f"{self._ref.repository}@{self._found.digest}"]
        if not self._ref.digest:
            names.insert(0, self._ref.canonical())
        image = ingest.keep_image(self._store, config, self._found.manifest.layer_descriptors(), tuple(names))
        self._report(Progress(layer="", status=f"Digest: {self._found.digest}"))
        news = "Image is up to date" if image.id == before else "Downloaded newer image"
        self._report(Progress(layer="", status=f"Status: {news} for {name}"))
        return image

    def _current(self) -> str:
        try:
            return self._store.resolve(self._ref.canonical()).id
        except (NotFound, Corrupt):
            return ""

    def _config(self) -> bytes:
        blob = self._found.manifest.config
        if blob.size > _LARGEST_CONFIG:
            raise Corrupt(f"the configuration of {self._ref.familiar()} is too large", why=f"{blob.size} bytes")
        path = self._scratch + "/config"
        download(self._registry, self._ref.path, blob, path, on_bytes=lambda _: None, stop=self._stop)
        with open(path, "rb") as file:
            return file.read()

    def _fetch(self, diff_ids: tuple[str, ...]) -> None:
        """Every layer is in the store."""
        jobs = self._missing(diff_ids)
        workers = [threading.Thread(target=self._work, daemon=True) for _ in range(min(_PARALLEL, len(jobs)))]
        for job in jobs.values():
            self._jobs.put(job)
        try:
            for worker in workers:
                self._jobs.put(None)
                worker.start()
            self._commit_all(jobs, diff_ids)
        finally:
            self._stop.set()
            self._registry.abort()
            deadline = time.monotonic() + _JOIN_SECONDS
            for worker in workers:
                if worker.ident is not None:
                    worker.join(max(0.0, deadline - time.monotonic()))

    def _missing(self, diff_ids: tuple[str, ...]) -> dict[str, _Job]:
        jobs: dict[str, _Job] = {}
        layout = self._store.layout
        for index, (blob, diff_id) in enumerate(zip(self._found.manifest.layers, diff_ids, strict=True)):
            unpacked = os.path.isdir(layout.layer_path(diff_id))
            if unpacked and os.path.exists(layout.blob_path(blob.digest)):
                self._report(_progress(blob, "Already exists"))
            elif diff_id not in jobs:
                stem = f"{self._scratch}/{index}"
                jobs[diff_id] = _Job(
                    blob=blob, diff_id=diff_id, file=stem + ".blob", tree=stem + ".tree", needs_tree=not unpacked
                )
                self._report(_progress(blob, "Pulling fs layer"))
        return jobs

    def _commit_all(self, jobs: dict[str, _Job], diff_ids: tuple[str, ...]) -> None:
        """Bottom first: a layer takes the looks of its undescribed directories from those below."""
        waiting = list(jobs)
        ready: dict[str, Unpacked | None] = {}
        while waiting:
            news = self._news.get()
            if isinstance(news, Progress):
                self._report(news)
                continue
            if isinstance(news, BaseException):
                raise news
            ready[news[0].diff_id] = news[1]
            while waiting and waiting[0] in ready:
                diff_id = waiting.pop(0)
                self._commit(jobs[diff_id], ready.pop(diff_id), diff_ids[: diff_ids.index(diff_id)])
                self._report(_progress(jobs[diff_id].blob, "Pull complete"))

    def _commit(self, job: _Job, unpacked: Unpacked | None, below: tuple[str, ...]) -> None:
        if unpacked is None:
            ingest.keep_blob(self._store, job.file, job.blob.digest)
        else:
            ingest.keep_layer(self._store, job.file, job.tree, job.blob.digest, job.blob.size, unpacked, below)

    def _work(self) -> None:
        """A worker's life: whatever goes wrong is told to the thread that pulls."""
        try:
            while (job := self._jobs.get()) is not None and not self._stop.is_set():
                self._news.put((job, self._fetch_one(job)))
        except Cancelled:
            return
        except BaseException as exc:
            self._news.put(exc)

    def _fetch_one(self, job: _Job) -> Unpacked | None:
        last = 0.0

        def on_bytes(done: int) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= _REPORT_SECONDS or done == job.blob.size:
                last = now
                self._news.put(_progress(job.blob, "Downloading", done))

        download(self._registry, self._ref.path, job.blob, job.file, on_bytes=on_bytes, stop=self._stop)
        if not job.needs_tree:
            return None
        self._news.put(_progress(job.blob, "Extracting"))
        unpacked = ingest.unpack_blob(job.file, job.tree)
        if unpacked.diff_id != job.diff_id:
            raise Corrupt(
                f"layer {job.blob.digest} of {self._ref.familiar()} is not what was promised",
                why=f"it unpacks to {unpacked.diff_id}, the configuration names {job.diff_id}",
            )
        return unpacked


def _progress(blob: BlobRef, status: str, current: int = 0) -> Progress:
    return Progress(layer=reference.short_id(blob.digest), status=status, current=current, total=blob.size)
