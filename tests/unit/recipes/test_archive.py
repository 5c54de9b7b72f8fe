"""Packages are read strictly: what is cut short or is no package is refused."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pier.errors import Corrupt
from pier.recipes.debian.archive import ar_members, decompress, read_deb


def ar(*members: tuple[str, bytes]) -> bytes:
    parts = [b"!<arch>\n"]
    for name, data in members:
        parts.append(f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode())
        parts.append(data + b"\n" * (len(data) % 2))
    return b"".join(parts)


def tar(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo("./" + name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


names = st.text("abcdefgh-._", min_size=1, max_size=15).map(lambda name: "m" + name)


@given(st.lists(st.tuples(names, st.binary(max_size=40)), max_size=5))
def test_members_come_back_as_they_were_written(members: list[tuple[str, bytes]]) -> None:
    assert list(ar_members(ar(*members))) == [(name[:16], data) for name, data in members]


@given(st.binary(max_size=200))
def test_any_bytes_are_members_or_corrupt(data: bytes) -> None:
    for text in (data, b"!<arch>\n" + data):
        try:
            list(ar_members(text))
        except Corrupt:
            continue


@given(st.integers(min_value=9, max_value=150))
def test_a_truncated_archive_is_noticed(length: int) -> None:
    whole = ar(("debian-binary", b"2.0\n"), ("data.tar", b"x" * 60))
    with pytest.raises(Corrupt):
        read_deb(whole[: min(length, len(whole) - 1)], "cut")


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [
        ("", bytes),
        (".gz", gzip.compress),
        (".xz", lzma.compress),
        (".zst", lambda data: zstandard.ZstdCompressor().compress(data)),
    ],
)
def test_a_package_is_read_in_each_compression(suffix: str, pack: object) -> None:
    assert callable(pack)
    control, data = tar(control=b"Package: a\n", postinst=b"#!/bin/sh\n"), tar(x=b"y")
    deb = read_deb(
        ar(("debian-binary", b"2.0\n"), ("control.tar" + suffix, pack(control)), ("data.tar" + suffix, pack(data))), "a"
    )
    assert deb.control == {"control": b"Package: a\n", "postinst": b"#!/bin/sh\n"}
    assert deb.data == data


@pytest.mark.parametrize(
    "members",
    [
        [],
        [("debian-binary", b"3.0\n"), ("control.tar", b""), ("data.tar", b"")],
        [("debian-binary", b"2.0\n"), ("control.tar.xz", b"no xz"), ("data.tar", b"")],
        [("debian-binary", b"2.0\n"), ("control.tar.lzo", b""), ("data.tar", b"")],
        [("debian-binary", b"2.0\n"), ("control.tar", tar(control=b"x"))],
    ],
)
def test_what_is_no_package_is_refused_by_name(members: list[tuple[str, bytes]]) -> None:
    with pytest.raises(Corrupt, match="the package broken"):
        read_deb(ar(*members), "broken")


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
@given(data=st.binary(max_size=60))
def test_bad_compressed_data_is_corrupt_and_nothing_else(suffix: str, data: bytes) -> None:
    try:
        decompress(data, suffix)
    except Corrupt:
        return
