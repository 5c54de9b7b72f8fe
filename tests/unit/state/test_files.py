"""Files as the database: whole or not there, one owner, and nothing outside is ever touched."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pier.state import files

_HOLDER = """
import sys
from pier.state import files
with files.FileLock(sys.argv[1], shared=sys.argv[2] == "shared"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path)


def _holder(path: str, how: str = "exclusive") -> subprocess.Popen[str]:
    """Another process that holds the lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, path, how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_a_replaced_file_is_the_new_one_and_no_temporary_file_is_left(folder: str) -> None:
    for value in ({"a": 1}, {"b": [2]}):
        files.write_json(folder + "/x.json", value)
    assert files.read_json(folder + "/x.json") == {"b": [2]}
    assert os.listdir(folder) == ["x.json"]


def test_a_reader_keeps_the_file_that_it_has_opened(folder: str) -> None:
    files.write_text(folder + "/x", "old")
    with open(folder + "/x") as before:
        files.write_text(folder + "/x", "new")
        assert before.read() == "old"


def test_a_failed_replacement_leaves_the_old_file_and_nothing_else(folder: str) -> None:
    files.write_text(folder + "/x", "old")
    with pytest.raises(UnicodeEncodeError):
        files.write_text(folder + "/x", "\ud800")
    assert files.read_text(folder + "/x") == "old"
    assert os.listdir(folder) == ["x"]


def test_files_of_the_store_are_private(folder: str) -> None:
    files.write_json(folder + "/x", {})
    files.append_line(folder + "/y", "line")
    files.create_exclusive(folder + "/z", "id")
    assert {os.stat(f"{folder}/{name}").st_mode & 0o777 for name in "xyz"} == {0o600}
    assert os.stat(files.ensure_dir(folder + "/a/b")).st_mode & 0o777 == 0o700


def test_only_the_first_creates_and_the_second_changes_nothing(folder: str) -> None:
    files.create_exclusive(folder + "/name", "first")
    with pytest.raises(FileExistsError):
        files.create_exclusive(folder + "/name", "second")
    assert files.read_text(folder + "/name") == "first"
    assert os.listdir(folder) == ["name"]


def test_no_symlink_in_the_place_of_a_temporary_file_is_followed(folder: str) -> None:
    os.symlink("/nowhere", f"{folder}/x.{os.getpid()}~")
    with pytest.raises(OSError):
        files.write_text(folder + "/x", "text")
    assert not os.path.lexists("/nowhere")


def test_lines_of_concurrent_writers_do_not_mix(folder: str) -> None:
    script = (
        "import sys; from pier.state import files\n"
        "for _ in range(200): files.append_line(sys.argv[1], sys.argv[2] * 300)"
    )
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", script, folder + "/log", letter], env={"PYTHONPATH": ":".join(sys.path)}
        )
        for letter in "ab"
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    lines = files.read_text(folder + "/log").splitlines()
    assert sorted(lines) == ["a" * 300] * 200 + ["b" * 300] * 200


def test_a_dangling_symlink_exists(folder: str) -> None:
    os.symlink("/nowhere", folder + "/link")
    assert files.exists(folder + "/link")
    assert not files.exists(folder + "/link/below") and not files.exists(folder + "/other")


def test_names_are_listed_sorted_without_temporary_files(folder: str) -> None:
    for name in ("b", "a", "c.17~"):
        files.write_text(f"{folder}/{name}", "")
    assert files.list_dir(folder) == ["a", "b"]
    assert files.list_dir(folder + "/absent") == []


def test_a_lock_keeps_another_process_out_until_it_is_let_go(folder: str) -> None:
    holder = _holder(folder + "/lock")
    with pytest.raises(BlockingIOError), files.FileLock(folder + "/lock", blocking=False):
        pass
    holder.communicate("")
    with files.FileLock(folder + "/lock", blocking=False):
        pass


def test_a_lock_dies_with_its_process(folder: str) -> None:
    holder = _holder(folder + "/lock")
    holder.kill()
    holder.communicate()
    with files.FileLock(folder + "/lock", blocking=False):
        pass


def test_shared_locks_bear_each_other_but_no_exclusive_one(folder: str) -> None:
    holder = _holder(folder + "/lock", "shared")
    with files.FileLock(folder + "/lock", shared=True, blocking=False):
        pass
    with pytest.raises(BlockingIOError), files.FileLock(folder + "/lock", blocking=False):
        pass
    holder.communicate("")


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_on_the_new_file(folder: str) -> None:
    path = folder + "/lock"
    with files.FileLock(path):
        os.unlink(path)
        with files.FileLock(path, blocking=False):
            assert os.path.exists(path)


def test_a_lock_in_a_folder_that_is_gone_is_file_not_found(folder: str) -> None:
    with pytest.raises(FileNotFoundError), files.FileLock(folder + "/gone/lock"):
        pass


def test_a_tree_is_removed_and_what_its_symlinks_point_to_stays(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    tree = tmp_path / "tree"
    (tree / "deep" / "deeper").mkdir(parents=True)
    (tree / "deep" / "dir").symlink_to(outside)
    (tree / "deep" / "file").symlink_to(outside / "kept")
    os.mkfifo(tree / "fifo")
    files.remove_tree(str(tree))
    files.remove_tree(str(tree))
    assert os.listdir(tmp_path) == ["outside"]
    assert (outside / "kept").read_text() == "kept"


def test_a_tree_that_is_a_symlink_is_removed_as_a_symlink(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    files.remove_tree(str(tmp_path / "link"))
    assert os.listdir(tmp_path) == ["outside"]


def test_a_tree_deeper_than_any_path_and_any_recursion_is_removed(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    files.remove_tree(str(tmp_path / "d"))
    assert os.listdir(tmp_path) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=2000))
def test_any_text_is_read_as_it_was_written(folder: str, text: str) -> None:
    files.write_text(folder + "/x", text)
    assert files.read_text(folder + "/x") == text
