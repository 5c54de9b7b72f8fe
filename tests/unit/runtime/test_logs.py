"""The log file: Docker's json lines, every byte once, readable while it grows and after an accident."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pier.runtime.logs import LONGEST_LINE, LogReader, LogWriter, last_entries

_CHUNKS = st.lists(
    st.tuples(
        st.sampled_from(["stdout", "stderr"]),
        st.one_of(
            st.text(alphabet="aé€😀\n", max_size=12).map(str.encode),
            st.binary(max_size=12),
            st.integers(LONGEST_LINE - 3, LONGEST_LINE * 2 + 3).map(lambda size: b"x" * size),
        ),
    ),
    max_size=12,
)


def _write(path: str, chunks: list[tuple[str, bytes]]) -> None:
    writer = LogWriter(path)
    for stream, data in chunks:
        writer.write(stream, data)
    writer.close()


@settings(max_examples=60)
@given(_CHUNKS)
def test_what_was_written_is_read_whole_and_each_stream_in_its_order(chunks: list[tuple[str, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _write(folder + "/log", chunks)
        entries = list(LogReader(folder + "/log").entries())
    for stream in ("stdout", "stderr"):
        written = b"".join(data for name, data in chunks if name == stream)
        read = "".join(entry.text for entry in entries if entry.stream == stream)
        # Bytes that are no UTF-8 become U+FFFD; how many a run of them makes depends on where lines end.
        assert read.replace("\ufffd", "") == written.decode("utf-8", "replace").replace("\ufffd", "")
    assert all(len(entry.text.encode()) <= LONGEST_LINE or "\ufffd" in entry.text for entry in entries)
    assert [entry.time for entry in entries] == sorted(entry.time for entry in entries)


@settings(max_examples=60)
@given(_CHUNKS, st.integers(0, 6))
def test_the_last_entries_are_the_end_of_all_entries(chunks: list[tuple[str, bytes]], count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _write(folder + "/log", chunks)
        entries = list(LogReader(folder + "/log").entries())
        assert last_entries(folder + "/log", count) == (entries[-count:] if count else [])


def test_the_last_of_many_entries_are_found_from_the_end(tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    _write(path, [("stdout", b"".join(b"line %d\n" % number for number in range(5000)))])
    assert [entry.text for entry in last_entries(path, 3)] == ["line 4997\n", "line 4998\n", "line 4999\n"]
    assert len(last_entries(path, 99999)) == 5000


def test_a_line_is_dockers_json(tmp_path: Path) -> None:
    _write(str(tmp_path / "log"), [("stderr", 'say "é"\n'.encode())])
    value = json.loads((tmp_path / "log").read_text())
    assert set(value) == {"log", "stream", "time"}
    assert (value["log"], value["stream"]) == ('say "é"\n', "stderr")


def test_a_line_in_pieces_is_one_entry_once_it_ends(tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    writer, reader = LogWriter(path), LogReader(path)
    writer.write("stdout", b"half ")
    assert list(reader.entries()) == []
    writer.write("stderr", b"between\n")
    writer.write("stdout", b"a line\nrest")
    assert [(entry.stream, entry.text) for entry in reader.entries()] == [
        ("stderr", "between\n"),
        ("stdout", "half a line\n"),
    ]
    writer.flush()
    assert [entry.text for entry in reader.entries()] == ["rest"]
    assert list(reader.entries()) == []


def test_an_endless_line_is_cut_at_16_kib_and_a_character_never(tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    _write(path, [("stdout", ("x" + "é" * 20000 + "\n").encode())])
    entries = list(LogReader(path).entries())
    assert "".join(entry.text for entry in entries) == "x" + "é" * 20000 + "\n"
    assert [len(entry.text.encode()) for entry in entries] == [LONGEST_LINE - 1, LONGEST_LINE, 7235]


def test_a_torn_last_line_hides_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "log"
    _write(str(path), [("stdout", b"one\ntwo\n")])
    path.write_bytes(path.read_bytes()[:-10])
    assert [entry.text for entry in LogReader(str(path)).entries()] == ["one\n"]
    assert [entry.text for entry in last_entries(str(path), 5)] == ["one\n"]


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert list(LogReader(str(tmp_path / "log")).entries()) == []
    assert last_entries(str(tmp_path / "log"), 5) == []


def test_a_line_that_found_no_room_does_not_spoil_the_next(tmp_path: Path) -> None:
    script = (
        "import resource, signal, sys\n"
        "from pier.runtime.logs import LogWriter\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
        "writer = LogWriter(sys.argv[1])\n"
        "writer.write('stdout', b'before\\n')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))\n"
        "writer.write('stdout', b'lost\\n')\n"
        "writer.write('stdout', b'lost too\\n')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))\n"
        "writer.write('stdout', b'after\\n')\n"
    )
    path = str(tmp_path / "log")
    subprocess.run([sys.executable, "-c", script, path], check=True, env={"PYTHONPATH": ":".join(sys.path)})
    assert os.path.getsize(path) > 100
    assert [entry.text for entry in LogReader(path).entries()] == ["before\n", "after\n"]


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b"null", b'{"log":1}', b"\xff\xfe", b'{"log":"a","stream":"x"}'])
def test_lines_that_are_no_entries_are_passed_over(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "log"
    _write(str(path), [("stdout", b"good\n")])
    path.write_bytes(line + b"\n" + path.read_bytes())
    assert [entry.text for entry in LogReader(str(path)).entries()] == ["good\n"]


def test_the_log_is_readable_by_its_owner_only_and_group(tmp_path: Path) -> None:
    _write(str(tmp_path / "log"), [])
    assert os.stat(tmp_path / "log").st_mode & 0o007 == 0
