"""Copying between two trees: Docker's table of destinations, and no way out of either tree."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pier.engine import tarstream, treecopy
from pier.engine.treecopy import Place
from pier.errors import Corrupt, Invalid, NotFound

OWNER = (os.geteuid(), os.getegid())


@pytest.fixture
def trees(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    (tmp_path / "from/folder/deep").mkdir(parents=True)
    (tmp_path / "from/folder/file").write_text("content")
    (tmp_path / "from/folder/deep/other").write_text("other")
    (tmp_path / "from/folder/link").symlink_to("file")
    (tmp_path / "to/there").mkdir(parents=True)
    (tmp_path / "to/taken").write_text("taken")
    yield tmp_path / "from", tmp_path / "to"


def copy(trees: tuple[Path, Path], source: str, target: str, *, follow: bool = False) -> None:
    fds = [os.open(tree, os.O_PATH | os.O_DIRECTORY) for tree in trees]
    try:
        treecopy.copy(
            Place(root=fds[0], path=source, spoken="the source"),
            Place(root=fds[1], path=target, spoken="the target"),
            follow=follow,
            owner=OWNER,
        )
    finally:
        for fd in fds:
            os.close(fd)


@pytest.mark.parametrize(
    ("source", "target", "lands"),
    [
        ("/folder/file", "/there", "there/file"),
        ("/folder/file", "/there/", "there/file"),
        ("/folder/file", "/there/new", "there/new"),
        ("/folder/file", "/taken", "taken"),
        ("/folder", "/there", "there/folder/file"),
        ("/folder/", "/there", "there/folder/file"),
        ("/folder/.", "/there", "there/file"),
        ("/folder", "/new", "new/file"),
        ("/folder/.", "/new", "new/file"),
        ("/folder", "/new/", "new/file"),
    ],
)
def test_a_copy_lands_where_dockers_table_says(trees: tuple[Path, Path], source: str, target: str, lands: str):
    copy(trees, source, target)
    assert (trees[1] / lands).read_text() == "content"


def test_folders_are_merged_and_links_stay_links(trees: tuple[Path, Path]):
    (trees[1] / "there/folder").mkdir()
    (trees[1] / "there/folder/kept").write_text("kept")
    copy(trees, "/folder", "/there")
    assert (trees[1] / "there/folder/kept").read_text() == "kept"
    assert (trees[1] / "there/folder/deep/other").read_text() == "other"
    assert os.readlink(trees[1] / "there/folder/link") == "file"


def test_following_copies_what_the_link_means(trees: tuple[Path, Path]):
    copy(trees, "/folder/link", "/there", follow=True)
    assert not (trees[1] / "there/link").is_symlink()
    assert (trees[1] / "there/link").read_text() == "content"


@pytest.mark.parametrize(
    ("source", "target", "kind", "said"),
    [
        ("/nothing", "/there", NotFound, "Could not find the file /nothing in the source"),
        ("/folder/file", "/no/where", NotFound, "Could not find the file /no in the target"),
        ("/folder/file", "/new/", NotFound, "destination directory /new/ must exist in the target"),
        ("/folder", "/taken", Invalid, "cannot copy directory to /taken"),
        ("/folder/file/", "/there", NotFound, "Could not find the file /folder/file/ in the source"),
    ],
)
def test_what_cannot_be_copied_is_refused(
    trees: tuple[Path, Path], source: str, target: str, kind: type[Exception], said: str
):
    with pytest.raises(kind, match=said):
        copy(trees, source, target)


def test_no_link_leads_out_of_a_tree(trees: tuple[Path, Path], tmp_path: Path):
    (tmp_path / "secret").write_text("the host's")
    (trees[0] / "way-out").symlink_to(tmp_path / "secret")
    (trees[0] / "upwards").symlink_to("../secret")
    (trees[1] / "escape").symlink_to(tmp_path)
    for name in ("/way-out", "/upwards"):
        with pytest.raises(NotFound):
            copy(trees, name, "/there", follow=True)
    with pytest.raises(NotFound):
        copy(trees, "/folder/file", "/escape/planted")
    assert not (tmp_path / "planted").exists()


def test_an_archive_goes_out_and_comes_back(trees: tuple[Path, Path]):
    fd = os.open(trees[0], os.O_PATH | os.O_DIRECTORY)
    stream = io.BytesIO()
    tarstream.write(Place(root=fd, path="/folder", spoken="the source"), stream)
    os.close(fd)
    stream.seek(0)
    fd = os.open(trees[1], os.O_PATH | os.O_DIRECTORY)
    tarstream.read(stream, Place(root=fd, path="/there", spoken="the target"), owner=OWNER)
    os.close(fd)
    assert (trees[1] / "there/folder/file").read_text() == "content"
    assert os.readlink(trees[1] / "there/folder/link") == "file"


def archive_of(*members: tuple[tarfile.TarInfo, bytes]) -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    stream.seek(0)
    return stream


def unpack(trees: tuple[Path, Path], stream: io.BytesIO) -> None:
    fd = os.open(trees[1], os.O_PATH | os.O_DIRECTORY)
    try:
        tarstream.read(stream, Place(root=fd, path="/there", spoken="the target"), owner=OWNER)
    finally:
        os.close(fd)


def test_a_hostile_archive_stays_below_its_folder(trees: tuple[Path, Path], tmp_path: Path):
    link = tarfile.TarInfo("out")
    link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
    unpack(trees, archive_of((link, b""), (tarfile.TarInfo("/absolute"), b"x"), (tarfile.TarInfo("out/planted"), b"x")))
    assert (trees[1] / "there/absolute").read_bytes() == b"x"
    assert not (tmp_path / "planted").exists()
    with pytest.raises(Invalid, match="leads out"):
        unpack(trees, archive_of((tarfile.TarInfo("../up"), b"x")))
    assert not (trees[1] / "up").exists()


def test_what_is_no_archive_is_said(trees: tuple[Path, Path]):
    with pytest.raises(Corrupt, match="not a tar archive"):
        unpack(trees, io.BytesIO(b"this is no archive at all" * 100))
