"""Paths inside a foreign tree: the kernel's answer and our own walk agree, and neither ever leaves the tree."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pier.kernel import fs

_NAMES = st.sampled_from(["a", "b", "c", "link", "etc"])
_PATHS = st.lists(st.one_of(_NAMES, st.sampled_from(["..", ".", ""])), min_size=1, max_size=6).map("/".join)
_TARGETS = st.tuples(st.sampled_from(["", "/", "../", "../../../../", "./"]), _PATHS).map("".join)
_TREES = st.lists(
    st.tuples(st.lists(_NAMES, min_size=1, max_size=4), st.sampled_from(["dir", "file", "link"]), _TARGETS),
    max_size=12,
)


def _grow(root: str, entries: list[tuple[list[str], str, str]]) -> None:
    """Make *entries* that find room; what is in the way stays."""
    for parts, kind, target in entries:
        path = "/".join([root, *parts])
        if os.path.realpath(os.path.dirname(path)) != os.path.dirname(path):
            continue
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if kind == "dir":
                os.mkdir(path)
            elif kind == "file":
                os.close(os.open(path, os.O_CREAT | os.O_EXCL))
            elif target:
                os.symlink(target, path)
        except OSError:
            continue


def _answer(opener: object, root_fd: int, path: str, flags: int) -> tuple[str, int]:
    """("file", inode) or ("error", errno)."""
    assert callable(opener)
    try:
        fd = opener(root_fd, path, flags)
    except OSError as error:
        return "error", error.errno or 0
    try:
        return "file", os.fstat(fd).st_ino
    finally:
        os.close(fd)


def _inodes(root: str) -> set[int]:
    found = {os.stat(root).st_ino}
    for directory, folders, names in os.walk(root):
        found |= {os.lstat(f"{directory}/{name}").st_ino for name in folders + names}
    return found


@settings(max_examples=400, deadline=None)
@given(
    _TREES,
    st.lists(_PATHS, min_size=1, max_size=5),
    st.sampled_from([os.O_PATH, os.O_RDONLY, os.O_PATH | os.O_NOFOLLOW, os.O_RDONLY | os.O_DIRECTORY]),
)
def test_the_walk_and_the_kernel_agree_and_stay_inside(
    entries: list[tuple[list[str], str, str]], paths: list[str], flags: int
) -> None:
    with tempfile.TemporaryDirectory() as outside:
        root = os.path.realpath(outside) + "/a"
        os.mkdir(root)
        os.mkdir(outside + "/etc")
        os.mkdir(outside + "/b")
        _grow(root, entries)
        inside = _inodes(root)
        root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY)
        try:
            for path in paths:
                by_kernel = _answer(fs.open_in_root, root_fd, path, flags)
                by_hand = _answer(fs.walk_in_root, root_fd, path, flags)
                assert by_kernel == by_hand, path
                assert by_kernel[0] == "error" or by_kernel[1] in inside
        finally:
            os.close(root_fd)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "root").mkdir()
    (tmp_path / "secret").write_text("secret")
    fd = os.open(tmp_path / "root", os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


_OPENERS = pytest.mark.parametrize("opener", [fs.open_in_root, fs.walk_in_root])


@_OPENERS
@pytest.mark.parametrize("path", ["../secret", "/../secret", "up/secret", "far", "a/../../secret"])
def test_no_path_leads_out(root: int, tmp_path: Path, opener: object, path: str) -> None:
    (tmp_path / "root/up").symlink_to("..")
    (tmp_path / "root/far").symlink_to(tmp_path / "secret")
    (tmp_path / "root/a").mkdir()
    assert _answer(opener, root, path, os.O_RDONLY) == ("error", errno.ENOENT)


@_OPENERS
def test_an_absolute_symlink_means_the_foreign_root(root: int, tmp_path: Path, opener: object) -> None:
    (tmp_path / "root/etc").mkdir()
    (tmp_path / "root/etc/passwd").write_text("inside")
    (tmp_path / "root/link").symlink_to("/etc/passwd")
    inode = (tmp_path / "root/etc/passwd").stat().st_ino
    assert _answer(opener, root, "link", os.O_RDONLY) == ("file", inode)


@_OPENERS
def test_links_that_lead_in_a_circle_are_eloop(root: int, tmp_path: Path, opener: object) -> None:
    (tmp_path / "root/one").symlink_to("two")
    (tmp_path / "root/two").symlink_to("one")
    assert _answer(opener, root, "one", os.O_PATH) == ("error", errno.ELOOP)


@_OPENERS
def test_what_is_opened_closes_on_exec(root: int, opener: object) -> None:
    assert callable(opener)
    fd = opener(root, "/", os.O_PATH)
    assert not os.get_inheritable(fd)
    os.close(fd)


def test_a_walk_leaves_no_fd_behind(root: int, tmp_path: Path) -> None:
    (tmp_path / "root/a/b").mkdir(parents=True)
    (tmp_path / "root/a/loop").symlink_to("loop")
    before = os.listdir("/proc/self/fd")
    for path in ("a/b", "a/b/../..", "a/none", "a/loop", "a/b/c/d"):
        _answer(fs.walk_in_root, root, path, os.O_PATH)
    assert os.listdir("/proc/self/fd") == before


def test_missing_parents_are_made_inside(root: int, tmp_path: Path) -> None:
    os.close(fs.make_dirs_in_root(root, "/x/../y/z/"))
    os.close(fs.make_file_in_root(root, "/e/f/file"))
    os.close(fs.make_file_in_root(root, "/e/f/file"))
    assert (tmp_path / "root/y/z").is_dir()
    assert (tmp_path / "root/e/f/file").read_bytes() == b""


def test_a_dangling_symlink_is_fulfilled_inside(root: int, tmp_path: Path) -> None:
    (tmp_path / "root/var").mkdir()
    (tmp_path / "root/var/run").symlink_to("../../../../run")
    (tmp_path / "root/etc").symlink_to(tmp_path / "host-etc")
    os.close(fs.make_dirs_in_root(root, "/var/run/app"))
    os.close(fs.make_file_in_root(root, "/etc/resolv.conf"))
    assert (tmp_path / "root/run/app").is_dir()
    assert sorted(os.listdir(tmp_path)) == ["root", "secret"]
    assert (tmp_path / f"root{tmp_path}/host-etc/resolv.conf").is_file()


def test_a_file_in_the_way_is_not_a_directory(root: int, tmp_path: Path) -> None:
    (tmp_path / "root/file").write_text("")
    for path in ("/file", "/file/below"):
        with pytest.raises(NotADirectoryError):
            fs.make_dirs_in_root(root, path)


def test_making_dirs_through_a_circle_of_links_ends(root: int, tmp_path: Path) -> None:
    (tmp_path / "root/a").symlink_to("b/x")
    (tmp_path / "root/b").symlink_to("a/y")
    with pytest.raises(OSError):
        fs.make_dirs_in_root(root, "/a/z")


@settings(max_examples=150, deadline=None)
@given(_TREES, _PATHS)
def test_making_anything_anywhere_makes_nothing_outside(entries: list[tuple[list[str], str, str]], path: str) -> None:
    with tempfile.TemporaryDirectory() as outside:
        root = os.path.realpath(outside) + "/deep/er/root"
        os.makedirs(root)
        _grow(root, entries)
        root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY)
        try:
            for make in (fs.make_dirs_in_root, fs.make_file_in_root):
                try:
                    os.close(make(root_fd, path))
                except OSError:
                    continue
        finally:
            os.close(root_fd)
        above = [f"{directory}/{name}" for directory, folders, names in os.walk(outside) for name in folders + names]
        assert all(path.startswith(root + "/") or root.startswith(path) for path in above)
