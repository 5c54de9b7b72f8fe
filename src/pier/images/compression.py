"""gzip, zstd and plain streams, told apart by their first bytes; isal does gzip where it is installed, zlib elsewhere.

The stream's own damage becomes Corrupt here, at the one place that knows what the libraries raise.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

from pier.errors import Corrupt, Unsupported
from pier.images.layout import OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD

if TYPE_CHECKING:
    from collections.abc import Callable

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_FOREIGN = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"PK\x03\x04": "zip"}
_LARGEST_WINDOW = 1 << 27  # what zstd --long=27 needs and no more: the window is memory


class Compressor(Protocol):
    """What `zlib.compressobj` returns."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


def media_type_of(head: bytes) -> str:
    """The OCI media type of a layer that begins with *head* (six bytes suffice). Unsupported for other compressions."""
    for magic, name in _FOREIGN.items():
        if head.startswith(magic):
            raise Unsupported(f"cannot unpack a layer compressed with {name}", why="OCI layers are plain, gzip or zstd")
    if head.startswith(_GZIP):
        return OCI_LAYER_GZIP
    return OCI_LAYER_ZSTD if head.startswith(_ZSTD) else OCI_LAYER


def decompressed(stream: BinaryIO) -> tuple[BinaryIO, str]:
    """The plain bytes of *stream*, which can seek, and its media type."""
    start = stream.tell()
    media_type = media_type_of(stream.read(6))
    stream.seek(start)
    if media_type == OCI_LAYER_GZIP:
        module = _gzip_module()
        return cast(
            "BinaryIO", _Checked(module.open(stream, "rb"), (EOFError, OSError, zlib.error, *_isal_errors()))
        ), media_type
    if media_type == OCI_LAYER_ZSTD:
        import zstandard

        reader = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW).stream_reader(
            stream, read_across_frames=True, closefd=False
        )
        return cast("BinaryIO", _Checked(reader, (zstandard.ZstdError,))), media_type
    return stream, media_type


def gzip_compressor() -> Compressor:
    """A gzip stream whose header holds neither time nor name: equal input gives equal bytes."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib.compressobj(6, zlib.DEFLATED, 31)
    return cast("Compressor", isal_zlib.compressobj(1, isal_zlib.DEFLATED, 31))


class _Checked:
    """A stream whose decompressor's complaints are Corrupt."""

    def __init__(self, stream: Any, complaints: tuple[type[Exception], ...]) -> None:
        self._read: Callable[[int], bytes] = stream.read
        self._complaints = complaints

    def read(self, count: int) -> bytes:
        try:
            return self._read(count)
        except self._complaints as exc:
            if isinstance(exc, OSError) and exc.errno is not None:  # the disk's fault, not the data's
                raise
            raise Corrupt("the compressed data is damaged", why=str(exc)) from exc


def _gzip_module() -> Any:
    try:
        from isal import igzip
    except ImportError:
        import gzip

        return gzip
    return igzip


def _isal_errors() -> tuple[type[Exception], ...]:
    try:
        from isal import isal_zlib
    except ImportError:
        return ()
    return (cast("type[Exception]", isal_zlib.error),)
