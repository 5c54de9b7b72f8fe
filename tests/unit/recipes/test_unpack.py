"""Packages' files stay below the new root, whatever an archive says."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pier.errors import Corrupt
from pier.recipes.debian.unpack import Filter, RootTree


def member(name: str, kind: bytes = tarfile.REGTYPE, *, data: bytes = b"", link: str = "", mode: int = 0o644) -> object:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.size = kind, link, mode, len(data)
    info.uid, info.gid = os.getuid(), os.getgid()
    return info, data


def directory(name: str, mode: int = 0o755) -> object:
    return member(name, tarfile.DIRTYPE, mode=mode)


def tar(*members: object) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for info, data in members:  # type: ignore[misc]
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    found = tmp_path / "root"
    found.mkdir()
    return found


@pytest.fixture
def tree(root: Path) -> Iterator[RootTree]:
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    yield RootTree(fd, "amd64", Filter(exclude=("/usr/share/doc/*",), include=("/usr/share/doc/*/copyright",)))
    os.close(fd)


def test_files_keep_mode_content_and_hash(tree: RootTree, root: Path) -> None:
    unpacked = tree.add(
        "p", tar(directory("./"), directory("./etc"), member("./etc/x", data=b"hi", mode=0o4755)), hash_paths=["/etc/x"]
    )
    assert (root / "etc/x").read_bytes() == b"hi"
    assert stat.S_IMODE((root / "etc/x").stat().st_mode) == 0o4755
    assert unpacked.paths == ("/.", "/etc", "/etc/x")
    assert unpacked.md5 == {"/etc/x": hashlib.md5(b"hi").hexdigest()}


def test_bin_means_usr_bin(tree: RootTree, root: Path) -> None:
    tree.add("p", tar(directory("./bin"), member("./bin/sh", data=b"x"), member("./usr/bin/ls", data=b"y")))
    assert os.readlink(root / "bin") == "usr/bin"
    assert sorted(path.name for path in (root / "usr/bin").iterdir()) == ["ls", "sh"]


def test_documentation_is_left_out_but_listed(tree: RootTree, root: Path) -> None:
    unpacked = tree.add(
        "p",
        tar(directory("./usr/share/doc/p"), member("./usr/share/doc/p/README"), member("./usr/share/doc/p/copyright")),
    )
    assert [path.name for path in (root / "usr/share/doc/p").iterdir()] == ["copyright"]
    assert "/usr/share/doc/p/README" in unpacked.paths


def test_a_later_package_replaces_a_file_and_not_its_hard_link(tree: RootTree, root: Path) -> None:
    tree.add("p", tar(member("./a", data=b"1"), member("./b", tarfile.LNKTYPE, link="./a")))
    tree.add("q", tar(member("./a", data=b"2")))
    assert ((root / "a").read_bytes(), (root / "b").read_bytes()) == (b"2", b"1")


@pytest.mark.parametrize(
    "members",
    [
        [member("../outside", data=b"x")],
        [member("./usr/../../outside", data=b"x")],
        [member("./link", tarfile.SYMTYPE, link=".."), member("./link/outside", data=b"x")],
        [member("./link", tarfile.SYMTYPE, link="/tmp"), directory("./link")],
        [member("./link", tarfile.SYMTYPE, link="/etc/passwd"), member("./hard", tarfile.LNKTYPE, link="./link")],
        [member("./hard", tarfile.LNKTYPE, link="../outside")],
        [member("./hard", tarfile.LNKTYPE, link="./absent")],
        [member("./null", tarfile.CHRTYPE)],
        [member("./pipe", tarfile.FIFOTYPE)],
        [member("./usr", data=b"a file where a directory is")],
        [member("./f", data=b"x"), member("./f/below", data=b"x")],
    ],
)
def test_an_archive_that_would_leave_the_root_is_refused(tree: RootTree, tmp_path: Path, members: list[object]) -> None:
    (tmp_path / "outside").write_text("untouched")
    with pytest.raises(Corrupt, match="the package evil"):
        tree.add("evil", tar(*members))
    assert (tmp_path / "outside").read_text() == "untouched"


def test_a_symlink_of_one_package_does_not_lead_another_out(tree: RootTree, tmp_path: Path) -> None:
    tree.add("p", tar(member("./share", tarfile.SYMTYPE, link=str(tmp_path))))
    with pytest.raises(Corrupt) as caught:
        tree.add("q", tar(member("./share/planted", data=b"x")))
    assert "which is a link" in caught.value.why
    assert not (tmp_path / "planted").exists()


def test_a_file_of_our_own_replaces_a_link_instead_of_following_it(tree: RootTree, root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("untouched")
    tree.add("p", tar(member("./etc/hostname", tarfile.SYMTYPE, link=str(tmp_path / "outside"))))
    tree.put("etc/hostname", b"localhost\n")
    assert (root / "etc/hostname").read_bytes() == b"localhost\n"
    assert (tmp_path / "outside").read_text() == "untouched"


def test_a_truncated_tar_is_corrupt(tree: RootTree) -> None:
    with pytest.raises(Corrupt, match="the package cut"):
        tree.add("cut", tar(member("./a", data=b"x" * 4000))[:2000])
