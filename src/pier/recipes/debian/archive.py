"""The packages' own format: an ar archive of two compressed tars (deb(5), ar(5)). Reads bytes, writes nothing."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import zlib

from pier.errors import Corrupt
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC = b"!<arch>\n"
_HEADER = 60


class Deb(Record):
    """One package, decompressed: the files of its control part, and its data part as a tar."""

    control: dict[str, bytes]
    data: bytes


def ar_members(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Names and contents of an ar archive's members. Corrupt when it is cut short or is none."""
    if not data.startswith(_MAGIC):
        raise Corrupt("not an ar archive: it does not begin with !<arch>")
    offset = len(_MAGIC)
    while offset < len(data):
        header = data[offset : offset + _HEADER]
        size = header[48:58].strip()
        if len(header) < _HEADER or header[58:60] != b"`\n" or not size.isdigit():
            raise Corrupt(f"an ar archive holds a bad member header at byte {offset}")
        start = offset + _HEADER
        end = start + int(size)
        if end > len(data):
            raise Corrupt(f"an ar archive is cut short: a member needs {end} bytes of {len(data)}")
        yield header[:16].rstrip(b" ").rstrip(b"/").decode("ascii", "replace"), data[start:end]
        offset = end + end % 2


def read_deb(data: bytes, name: str) -> Deb:
    """The parts of the package *name*. Corrupt, naming it, when it is not a whole Debian package of format 2."""
    try:
        members = dict(ar_members(data))
        if not members.get("debian-binary", b"").startswith(b"2."):
            raise Corrupt("not a Debian package of format 2")
        return Deb(control=_files(_part(members, "control.tar")), data=_part(members, "data.tar"))
    except Corrupt as exc:
        raise Corrupt(f"the package {name} cannot be read", why=exc.message) from exc


def _part(members: dict[str, bytes], stem: str) -> bytes:
    for name, data in members.items():
        if name == stem or name.startswith(stem + "."):
            return decompress(data, name[len(stem) :])
    raise Corrupt(f"it has no {stem}")


def decompress(data: bytes, suffix: str) -> bytes:
    """*data* decompressed as its file name's *suffix* (`.xz`, `.zst`, `.gz`, none) says."""
    try:
        if suffix == ".xz":
            return lzma.decompress(data)
        if suffix == ".gz":
            return gzip.decompress(data)
        if suffix == ".zst":
            return _unzstd(data)
    except (lzma.LZMAError, zlib.error, EOFError, OSError) as exc:
        raise Corrupt(f"a {suffix} part does not decompress", why=str(exc)) from exc
    if suffix:
        raise Corrupt(f"unknown compression {suffix}")
    return data


def _unzstd(data: bytes) -> bytes:
    import zstandard

    reader = zstandard.ZstdDecompressor().decompressobj()
    try:
        found = reader.decompress(data)
    except zstandard.ZstdError as exc:
        raise Corrupt("a .zst part does not decompress", why=str(exc)) from exc
    if not reader.eof:
        raise Corrupt("a .zst part does not decompress", why="it is cut short")
    return found


def _files(tar: bytes) -> dict[str, bytes]:
    found = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(tar), mode="r:") as archive:
            for member in archive:
                if member.isreg():
                    content = archive.extractfile(member)
                    assert content is not None
                    found[member.name.removeprefix("./")] = content.read()
    except tarfile.TarError as exc:
        raise Corrupt("its control part is not a tar archive", why=str(exc)) from exc
    return found
