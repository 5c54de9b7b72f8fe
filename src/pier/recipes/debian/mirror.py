"""The verified state of the archives: signature, then index by checksum, then packages by checksum."""

from __future__ import annotations

import os
import time

from pier.errors import Corrupt, NotFound, Unavailable, Unsupported
from pier.model.record import Record
from pier.recipes.debian import archive, release
from pier.recipes.debian.download import Downloader, Wanted
from pier.recipes.debian.index import Index
from pier.recipes.debian.sources import Archive, without_password
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pier.recipes.debian.aptconf import AptSettings

COMPONENT = "main"


class Catalogue(Record):
    """What the archives hold now: the packages, the archives that answered, and the release's version ("12.11")."""

    index: Index
    archives: tuple[Archive, ...]
    version: str


def read_catalogue(
    downloader: Downloader,
    archives: Iterable[Archive],
    architecture: str,
    *,
    settings: AptSettings,
    environ: Mapping[str, str],
    workdir: str,
    warn: Callable[[str], None],
) -> Catalogue:
    """The packages of *archives* for *architecture*, signatures and checksums verified.

    An optional archive that its server lacks is left out, and said so through *warn*.
    """
    index = Index()
    used = []
    version = ""
    for number, source in enumerate(archives):
        base = _resolve(source.uri)
        try:
            found = _read_release(downloader, source, base, settings, environ, files.ensure_dir(f"{workdir}/{number}"))
        except NotFound:
            if not source.optional:
                raise
            warn(f"no {source.suite} at {without_password(source.uri)}: made without it")
            continue
        index.add(base, _read_packages(downloader, found, base, source.suite, architecture))
        used.append(source.replace(uri=base))
        version = version or found.version
    return Catalogue(index=index, archives=tuple(used), version=version)


def _resolve(uri: str) -> str:
    """The server behind *uri*: apt's mirror+file: names a list of them, of which the first is taken."""
    if not uri.startswith("mirror+file:"):
        return uri
    path = "/" + uri.partition(":")[2].lstrip("/")
    try:
        text = files.read_text(path)
    except OSError as exc:
        raise Unavailable(f"cannot read apt's list of mirrors {path}", why=exc.strerror or str(exc)) from exc
    for line in text.splitlines():
        if words := line.partition("#")[0].split():
            return words[0].rstrip("/")
    raise NotFound(f"apt's list of mirrors {path} names none")


def _read_release(
    downloader: Downloader,
    source: Archive,
    base: str,
    settings: AptSettings,
    environ: Mapping[str, str],
    workdir: str,
) -> release.Release:
    signed = downloader.get(f"{base}/dists/{source.suite}/InRelease")
    text = release.verify(
        signed,
        signed_by=source.signed_by,
        trusted_parts=settings.trusted_parts,
        workdir=workdir,
        environ=environ,
    )
    found = release.parse_release(text)
    if found.codename != source.suite:
        # A valid signature for another suite is no promise about this one.
        raise Corrupt(
            f"{base} answers {found.codename or 'an unnamed release'} where {source.suite} was asked for",
            hint="the mirror is misconfigured: name another with PIER_DEBIAN_MIRROR",
        )
    if settings.check_valid_until:
        release.check_validity(found, now=time.time(), uri=base)
    return found


def _read_packages(downloader: Downloader, found: release.Release, base: str, suite: str, architecture: str) -> bytes:
    folder = f"{COMPONENT}/binary-{architecture}"
    for suffix in (".xz", ".gz", ""):
        promised = found.files.get(f"{folder}/Packages{suffix}")
        if promised is None:
            continue
        digest, size = promised
        # by-hash: an index that is replaced while it is read stays reachable under its checksum (repository format).
        name = f"by-hash/SHA256/{digest}" if found.by_hash else f"Packages{suffix}"
        wanted = Wanted(url=f"{base}/dists/{suite}/{folder}/{name}", sha256=digest, size=size)
        with open(downloader.cached(wanted), "rb") as file:
            return archive.decompress(file.read(), suffix)
    raise Unsupported(
        f"{base} has no packages of {suite} for {architecture}", hint="name another mirror with PIER_DEBIAN_MIRROR"
    )


def cache_folder(cache: str) -> str:
    """Where downloads are kept, below the store's cache."""
    return os.path.join(cache, "debian")
