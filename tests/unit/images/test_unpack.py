"""Unpacking: what an archive says comes out, and nothing an archive says leads out."""

from __future__ import annotations

import gzip
import io
import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archives import (
    BLOCK,
    CHARACTER,
    FIFO,
    FILE,
    HARD_LINK,
    SYMLINK,
    Entry,
    archive,
    directory,
    entry,
    gzipped,
)
from pier.errors import Corrupt, PierError, Unsupported
from pier.images.attributes import adopt_parents
from pier.images.unpack import Unpacked, unpack

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: owners, devices and trusted xattrs")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The directory to unpack into; beside it lies what an archive must not reach."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("untouched")
    made = tmp_path / "target"
    made.mkdir()
    return made


def run(data: bytes, target: Path) -> Unpacked:
    return unpack(io.BytesIO(data), str(target), compressed_size=len(data))


def unpacked(target: Path, *entries: Entry) -> Unpacked:
    return run(archive(*entries), target)


def refused(target: Path, *entries: Entry) -> Corrupt:
    with pytest.raises(Corrupt) as refusal:
        unpacked(target, *entries)
    assert sorted(os.listdir(target.parent / "outside")) == ["secret"]
    assert (target.parent / "outside/secret").read_text() == "untouched"
    return refusal.value


def xattrs(path: Path) -> dict[str, bytes]:
    names = os.listxattr(path, follow_symlinks=False)
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in names}


def is_whiteout(path: Path) -> bool:
    there = path.lstat()
    return stat.S_ISCHR(there.st_mode) and there.st_rdev == 0


def test_files_directories_and_links_come_out_as_described(target: Path) -> None:
    result = unpacked(
        target,
        directory("bin", 0o750, mtime=1_600_000_000),
        entry("bin/tool", b"x" * 70_000, mode=0o4755, mtime=1_500_000_000),
        entry("bin/alias", kind=SYMLINK, link="../../../etc/passwd"),
        entry("bin/same", kind=HARD_LINK, link="bin/tool"),
        entry("empty"),
    )
    tool = (target / "bin/tool").stat()
    assert (stat.S_IMODE(tool.st_mode), tool.st_size, int(tool.st_mtime)) == (0o4755, 70_000, 1_500_000_000)
    assert (target / "bin/same").stat().st_ino == tool.st_ino
    assert os.readlink(target / "bin/alias") == "../../../etc/passwd"
    bin_dir = (target / "bin").stat()
    assert (stat.S_IMODE(bin_dir.st_mode), int(bin_dir.st_mtime)) == (0o750, 1_600_000_000)
    assert (target / "empty").stat().st_size == 0
    assert result.size == 70_000
    assert result.implied == ("",)


@needs_root
def test_owners_devices_and_capabilities_are_kept(target: Path) -> None:
    capability = b"\x01\x00\x00\x02\x00\x20\x00\x00" + bytes(12)
    records = {
        "SCHILY.xattr.security.capability": capability.decode("utf-8", "surrogateescape"),
        "SCHILY.xattr.user.note": "kept",
    }
    unpacked(
        target,
        entry("ping", b"p", owner=(1000, 50), mode=0o2755, pax=records),
        entry("null", kind=CHARACTER, device=(1, 3), mode=0o666),
        entry("disk", kind=BLOCK, device=(8, 0), mode=0o660, owner=(0, 6)),
        entry("pipe", kind=FIFO, mode=0o600),
        entry("link", kind=SYMLINK, link="x", owner=(7, 8)),
    )
    ping = (target / "ping").stat()
    assert (ping.st_uid, ping.st_gid, stat.S_IMODE(ping.st_mode)) == (1000, 50, 0o2755)
    assert xattrs(target / "ping") == {"security.capability": capability, "user.note": b"kept"}
    assert (target / "null").stat().st_rdev == os.makedev(1, 3)
    assert stat.S_ISBLK((target / "disk").stat().st_mode)
    assert stat.S_ISFIFO((target / "pipe").stat().st_mode)
    assert ((target / "link").lstat().st_uid, (target / "link").lstat().st_gid) == (7, 8)


def test_attributes_that_steer_the_mount_or_the_host_are_dropped(target: Path) -> None:
    names = (
        "trusted.overlay.redirect",
        "trusted.overlay.opaque",
        "trusted.x",
        "user.overlay.opaque",
        "security.selinux",
    )
    records = {f"SCHILY.xattr.{name}": "y" for name in names}
    unpacked(target, directory("d", pax=records), entry("f", b"1", pax=records))
    assert xattrs(target / "d") == xattrs(target / "f") == {}


@needs_root
def test_whiteouts_and_opaque_marks_take_overlayfs_form(target: Path) -> None:
    unpacked(
        target,
        directory("etc"),
        entry("etc/.wh.gone"),
        directory("var"),
        entry("var/.wh..wh..opq"),
        entry("var/new", b"1"),
        entry(".wh..wh.plnk/1.2"),
        entry(".wh..wh.aufs"),
    )
    assert is_whiteout(target / "etc/gone")
    assert xattrs(target / "var") == {"trusted.overlay.opaque": b"y"}
    assert sorted(os.listdir(target)) == ["etc", "var"]
    assert os.listdir(target / "var") == ["new"]


@needs_root
@pytest.mark.parametrize("whiteout_first", [True, False])
def test_what_a_layer_deletes_and_brings_again_is_brought(target: Path, whiteout_first: bool) -> None:
    whiteouts = [entry(".wh.file"), entry(".wh.dir"), entry(".wh.deep")]
    things = [entry("file", b"new"), directory("dir"), entry("dir/inner", b"i"), entry("deep/inner", b"i")]
    unpacked(target, *(whiteouts + things if whiteout_first else things + whiteouts))
    assert (target / "file").read_bytes() == b"new"
    for name in ("dir", "deep"):
        assert (target / name / "inner").read_bytes() == b"i"
        assert xattrs(target / name)["trusted.overlay.opaque"] == b"y"


@pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh...", "a/.wh.b/c", ".wh.x/y"])
def test_a_whiteout_without_a_proper_name_is_refused(target: Path, name: str) -> None:
    assert "no valid whiteout" in refused(target, directory("a"), entry(name)).why


@pytest.mark.parametrize("name", ["../outside/x", "a/../../outside/x", "..", "/../outside/x", "./../outside/secret"])
def test_a_name_that_climbs_out_is_refused(target: Path, name: str) -> None:
    assert "leads out of the image" in refused(target, directory("a"), entry(name, b"evil")).why


def test_an_absolute_name_lands_inside(target: Path) -> None:
    unpacked(target, entry("/etc//./passwd", b"inside"), entry("a/../b", b"2"))
    assert (target / "etc/passwd").read_bytes() == b"inside"
    assert (target / "b").read_bytes() == b"2"


@pytest.mark.parametrize("link", ["../outside", "/../outside", "../../../../../../../../tmp"])
def test_a_file_behind_a_symlink_that_leads_out_stays_inside(target: Path, link: str) -> None:
    with pytest.raises(Corrupt):
        unpacked(target, entry("door", kind=SYMLINK, link=link), entry("door/x", b"evil"))
    assert os.listdir(target.parent / "outside") == ["secret"]


def test_a_symlinked_parent_is_followed_as_if_the_layer_were_the_root(target: Path) -> None:
    unpacked(target, directory("usr/lib"), entry("lib", kind=SYMLINK, link="/usr/lib"), entry("lib/x", b"1"))
    assert (target / "usr/lib/x").read_bytes() == b"1"


def test_a_symlink_put_in_place_of_a_used_directory_is_not_followed_by_a_stale_handle(target: Path) -> None:
    unpacked(
        target,
        directory("a"),
        entry("a/one", b"1"),
        directory("b"),
        entry("a", kind=SYMLINK, link="b"),
        entry("a/two", b"2"),
    )
    assert os.readlink(target / "a") == "b"
    assert os.listdir(target / "b") == ["two"]


def test_an_entry_is_written_in_place_of_a_symlink_and_not_through_it(target: Path) -> None:
    unpacked(target, entry("x", kind=SYMLINK, link="../outside/secret"), entry("x", b"mine"))
    assert (target / "x").read_bytes() == b"mine"
    assert not (target / "x").is_symlink()
    assert (target.parent / "outside/secret").read_text() == "untouched"


@pytest.mark.parametrize("link", ["../outside/secret", "/etc/passwd", "missing", "", "d", "."])
def test_a_hard_link_to_what_the_layer_lacks_is_refused(target: Path, link: str) -> None:
    refused(target, directory("d"), entry("x", kind=HARD_LINK, link=link))


def test_a_hard_link_does_not_follow_a_symlink_that_leads_out(target: Path) -> None:
    unpacked(target, entry("s", kind=SYMLINK, link="../outside/secret"), entry("h", kind=HARD_LINK, link="s"))
    assert os.readlink(target / "h") == "../outside/secret"


def test_a_later_member_replaces_an_earlier_one_of_any_kind(target: Path) -> None:
    unpacked(
        target,
        directory("a"),
        entry("a/x/y/z", b"1"),
        entry("a", b"file"),
        entry("b", b"file"),
        directory("b", 0o700),
        entry("c", b"one"),
        entry("c", b"two"),
        directory("d", 0o711),
        directory("d", 0o755),
    )
    assert (target / "a").read_bytes() == b"file"
    assert (target / "b").is_dir()
    assert (target / "c").read_bytes() == b"two"
    assert stat.S_IMODE((target / "d").stat().st_mode) == 0o755


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([entry("f", b"1"), entry("f/x", b"2")], "not a directory"),
        ([entry("s", kind=SYMLINK, link="nowhere"), entry("s/x", b"2")], "symbolic link to nowhere"),
        ([entry("s", kind=SYMLINK, link="s"), entry("s/x", b"2")], "symbolic links"),
        ([entry("", b"x")], "root directory"),
        ([entry(".", kind=SYMLINK, link="/")], "root directory"),
        ([entry("n" * 256, b"")], "too long"),
        ([entry("missing/" + "n" * 256 + "/x", b"")], "too long"),
        ([entry("/".join("d" * 300), b"")], "directories deep"),
        ([entry("x", kind=b"Z")], "unknown type"),
        ([entry("s", kind=SYMLINK, link="")], "No such file"),
    ],
)
def test_an_impossible_member_is_refused_with_its_reason(target: Path, entries: list[Entry], why: str) -> None:
    assert why in refused(target, *entries).why


def test_a_tree_cannot_be_deepened_through_symlinks(target: Path) -> None:
    half = "/".join("d" * 200)
    refused(target, directory(half), entry("s", kind=SYMLINK, link=half), entry(f"s/{half}/x", b"1"))


@needs_root
@pytest.mark.parametrize("owner", [(2**32 - 1, 0), (0, 2**40)])
def test_an_owner_beyond_32_bits_is_refused(target: Path, owner: tuple[int, int]) -> None:
    assert "beyond 32 bits" in refused(target, entry("x", b"1", owner=owner)).why


def test_times_beyond_reason_are_clamped(target: Path) -> None:
    unpacked(target, entry("old", mtime=-5_000_000_000.5), entry("new", mtime=2**62))
    assert (target / "old").stat().st_mtime == 0
    assert (target / "new").stat().st_mtime == 2**33


def test_names_and_links_of_any_length_and_bytes_survive(target: Path) -> None:
    long = "/".join(["päth" * 20] * 3) + "/file"
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        data = archive(
            entry(long, b"1"), entry("l", kind=SYMLINK, link="t" * 300), entry("caf\udce9", b"2"), format=form
        )
        run(data, target)
        assert (target / long).read_bytes() == b"1"
        assert os.readlink(target / "l") == "t" * 300
        assert b"caf\xe9" in os.listdir(os.fsencode(target))


def test_directories_that_are_only_passed_through_are_reported_and_take_the_looks_of_lower_layers(target: Path) -> None:
    lower = target.parent / "lower"
    (lower / "tmp").mkdir(parents=True)
    (lower / "tmp").chmod(0o1777)
    lower.chmod(0o711)
    result = unpacked(target, entry("tmp/x", b"1"), entry("new/y", b"1"))
    assert result.implied == ("", "new", "tmp")
    adopt_parents(str(target), result.implied, (str(lower),))
    assert stat.S_IMODE((target / "tmp").stat().st_mode) == 0o1777
    assert stat.S_IMODE(target.stat().st_mode) == 0o711
    assert stat.S_IMODE((target / "new").stat().st_mode) == 0o755


@pytest.mark.parametrize("compress", [bytes, gzipped, zstandard.compress], ids=["plain", "gzip", "zstd"])
def test_the_digest_is_that_of_the_plain_archive(target: Path, compress: object) -> None:
    import hashlib

    plain = archive(entry("x", b"1" * 5000))
    result = run(compress(plain), target)  # type: ignore[operator]
    assert result.diff_id == "sha256:" + hashlib.sha256(plain).hexdigest()


def test_gzip_members_in_a_row_are_one_archive(target: Path) -> None:
    plain = archive(entry("x", b"1" * 5000))
    run(gzip.compress(plain[:700]) + gzip.compress(plain[700:]), target)
    assert (target / "x").stat().st_size == 5000


@pytest.mark.parametrize("compress", [bytes, gzipped, zstandard.compress], ids=["plain", "gzip", "zstd"])
@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_a_truncated_archive_is_corrupt(target: Path, compress: object, keep: float) -> None:
    data = compress(archive(entry("x", os.urandom(300_000))))  # type: ignore[operator]
    with pytest.raises(Corrupt):
        run(data[: int(len(data) * keep)], target)


def test_a_flipped_bit_in_gzip_is_corrupt(target: Path) -> None:
    data = bytearray(gzipped(archive(entry("x", os.urandom(50_000)))))
    data[len(data) // 2] ^= 0x10
    with pytest.raises(Corrupt):
        run(bytes(data), target)


@pytest.mark.parametrize("magic", [b"BZh91AY", b"\xfd7zXZ\x00\x00", b"PK\x03\x04\x00\x00"])
def test_a_compression_that_oci_lacks_is_named(target: Path, magic: bytes) -> None:
    with pytest.raises(Unsupported, match="compressed with"):
        run(magic + bytes(600), target)


def header(**fields: bytes) -> bytes:
    """A header with some fields replaced and the checksum put right."""
    places = {"size": (124, 136), "mode": (100, 108), "mtime": (136, 148), "uid": (108, 116)}
    block = bytearray(tarfile.TarInfo("x").tobuf(tarfile.USTAR_FORMAT))
    for name, value in fields.items():
        start, end = places[name]
        block[start:end] = value.ljust(end - start, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    "block",
    [
        header(size=b"\xff" * 12),
        header(size=b"\x80" + b"\x7f" + b"\xff" * 10),
        header(size=b"\x80\0\0\0\x7f" + b"\xff" * 7),
        header(size=b"-0000000001"),
        header(size=b"nonsense"),
        header(size=b"77777777777"),
        header(mode=b"\xff" * 8),
        b"x" * 512,
    ],
)
def test_a_header_with_impossible_numbers_is_corrupt(target: Path, block: bytes) -> None:
    with pytest.raises((Corrupt, OSError)) as refusal:
        run(block + bytes(2048), target)
    assert (
        isinstance(refusal.value, Corrupt) or getattr(refusal.value, "errno", 0) == 28
    )  # a size no disk here has room for


@pytest.mark.parametrize(
    "records",
    [
        b"5 x=1",
        b"99 path=x\n",
        b"path=x\n",
        b"0 a=b\n",
        b"10 path\n\n\n\n",
        b"12 size=abc\n\n",
        b"12 size=-99\n",
        b"\xff" * 20,
    ],
)
def test_a_damaged_pax_record_is_corrupt(target: Path, records: bytes) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, len(records)
    data = info.tobuf(tarfile.USTAR_FORMAT) + records.ljust(512, b"\0") + archive(entry("f", b"1"))
    with pytest.raises(Corrupt):
        run(data, target)


def test_a_name_with_a_nul_is_refused(target: Path) -> None:
    refused(target, entry("x", b"1", pax={"path": "a\0b"}))


def test_an_endless_archive_is_stopped_as_a_bomb(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pier.images.unpack._BOMB_FLOOR", 1 << 20)
    bomb = archive(entry("x", b"1")) + bytes(64 << 20)
    compressed = zstandard.compress(bomb, 19)
    with pytest.raises(Corrupt, match="more than it may"):
        run(compressed, target)


@pytest.mark.parametrize(
    "form", ["gnu", "pax --sparse-version=0.0", "pax --sparse-version=0.1", "pax --sparse-version=1.0"]
)
def test_a_sparse_file_comes_out_with_its_holes(target: Path, tmp_path: Path, form: str) -> None:
    source = tmp_path / "sparse"
    with source.open("wb") as file:
        for index in range(30):
            file.seek(index * 300_000)
            file.write(b"data%d" % index)
        file.truncate(20_000_000)
    name, *more = form.split()
    command = ["tar", "-S", f"--format={name}", *more, "-C", str(tmp_path), "-cf", str(tmp_path / "s.tar"), "sparse"]
    subprocess.run(command, check=True)
    run((tmp_path / "s.tar").read_bytes(), target)
    assert (target / "sparse").read_bytes() == source.read_bytes()
    assert (target / "sparse").stat().st_blocks * 512 < 2_000_000


NAMES = st.lists(
    st.sampled_from(["a", "b", "..", ".", "", ".wh.a", ".wh.b", ".wh..wh..opq", "c"]), min_size=1, max_size=4
)
KINDS = st.sampled_from([FILE, SYMLINK, HARD_LINK, tarfile.DIRTYPE, FIFO])
ENTRIES = st.lists(st.tuples(NAMES, KINDS, NAMES, st.booleans()), max_size=12)


@needs_root
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ENTRIES)
def test_no_sequence_of_members_touches_anything_outside(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[list[str], bytes, list[str], bool]]
) -> None:
    place = tmp_path_factory.mktemp("any")
    (place / "a").mkdir()
    (place / "b").write_text("outside")
    target = place / "target"
    target.mkdir()
    made = [
        entry("/".join(name), b"data" if kind == FILE else b"", kind=kind, link=("/" if up else "") + "/".join(link))
        for name, kind, link, up in entries
    ]
    try:
        unpacked(target, *made)
    except Corrupt as refusal:
        assert refusal.why
    assert sorted(os.listdir(place)) == ["a", "b", "target"]
    assert os.listdir(place / "a") == []
    assert (place / "b").read_text() == "outside"
    assert (place / "b").stat().st_nlink == 1


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_damaged_archive_is_corrupt_or_unpacks_and_never_breaks_otherwise(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    sound = bytearray(
        archive(directory("d"), entry("d/x", b"1" * 600), entry("ü" * 80, b"2"), entry("l", kind=SYMLINK, link="x"))
    )
    for _ in range(data.draw(st.integers(1, 4))):
        sound[data.draw(st.integers(0, len(sound) - 1))] = data.draw(st.integers(0, 255))
    target = tmp_path_factory.mktemp("damaged")
    try:
        run(bytes(sound[: data.draw(st.integers(0, len(sound)))]), target)
    except (PierError, OSError) as failure:
        assert isinstance(failure, PierError) or failure.errno == 28
