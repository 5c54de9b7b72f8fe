"""Layer archives for tests, made with the standard library's tarfile: an opinion other than pier's own."""

from __future__ import annotations

import gzip
import io
import tarfile

FILE, DIRECTORY, SYMLINK, HARD_LINK = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
CHARACTER, BLOCK, FIFO = tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE

Entry = tuple[tarfile.TarInfo, bytes]


def entry(
    name: str,
    data: bytes = b"",
    *,
    kind: bytes = FILE,
    mode: int = 0o644,
    owner: tuple[int, int] = (0, 0),
    link: str = "",
    mtime: float = 1_700_000_000,
    device: tuple[int, int] = (0, 0),
    pax: dict[str, str] | None = None,
) -> Entry:
    """One member, exactly as named: tarfile checks nothing when it writes."""
    info = tarfile.TarInfo(name)
    info.size, info.type, info.mode, info.linkname, info.mtime = len(data), kind, mode, link, mtime
    info.uid, info.gid = owner
    info.devmajor, info.devminor = device
    info.pax_headers = pax or {}
    return info, data


def directory(name: str, mode: int = 0o755, **options: object) -> Entry:
    return entry(name, kind=DIRECTORY, mode=mode, **options)  # type: ignore[arg-type]


def archive(*entries: Entry, format: int = tarfile.PAX_FORMAT) -> bytes:
    """The plain archive of *entries* in that order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def names_in(data: bytes) -> list[str]:
    """The member names of a plain or gzipped archive, in order."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return tar.getnames()
