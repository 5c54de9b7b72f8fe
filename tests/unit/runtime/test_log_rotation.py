"""The json-file log: rotation as Docker's, and readers that lose and repeat nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pier.model import jsontext
from pier.runtime.logs import LogReader, LogWriter, last_entries


def texts(path: Path) -> list[str]:
    reader = LogReader(str(path))
    try:
        return [entry.text for entry in reader.entries()]
    finally:
        reader.close()


def test_a_line_is_dockers_json(tmp_path: Path) -> None:
    writer = LogWriter(str(tmp_path / "log"))
    writer.write("stderr", b'say "hi"\n')
    writer.close()
    line = jsontext.loads((tmp_path / "log").read_text())
    assert (line["log"], line["stream"]) == ('say "hi"\n', "stderr")
    assert line["time"].endswith("Z")


@pytest.mark.parametrize("files", [1, 2, 4])
def test_a_full_file_is_put_aside_and_the_oldest_goes(tmp_path: Path, files: int) -> None:
    writer = LogWriter(str(tmp_path / "log"), max_size=500, max_files=files)
    for number in range(100):
        writer.write("stdout", b"line %d\n" % number)
    writer.close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["log", *(f"log.{number}" for number in range(1, files))]
    found = texts(tmp_path / "log")
    assert found == [f"line {number}\n" for number in range(100 - len(found), 100)]
    assert all(path.stat().st_size < 700 for path in tmp_path.iterdir())


def test_a_reader_follows_across_rotations(tmp_path: Path) -> None:
    writer = LogWriter(str(tmp_path / "log"), max_size=300, max_files=50)
    reader = LogReader(str(tmp_path / "log"))
    seen = []
    for number in range(100):
        writer.write("stdout", b"line %d\n" % number)
        if number % 7 == 0:
            seen += [entry.text for entry in reader.entries()]
    seen += [entry.text for entry in reader.entries()]
    writer.close()
    reader.close()
    assert seen == [f"line {number}\n" for number in range(100)]


def test_the_last_entries_reach_into_older_files(tmp_path: Path) -> None:
    writer = LogWriter(str(tmp_path / "log"), max_size=300, max_files=9)
    for number in range(50):
        writer.write("stdout", b"line %d\n" % number)
    writer.close()
    assert [entry.text for entry in last_entries(str(tmp_path / "log"), 12)] == [f"line {n}\n" for n in range(38, 50)]
    assert last_entries(str(tmp_path / "log"), 0) == []
    assert last_entries(str(tmp_path / "absent"), 5) == []


@settings(max_examples=30)
@given(st.lists(st.binary(max_size=60), max_size=20), st.integers(min_value=0, max_value=400))
def test_what_is_written_is_read_however_it_is_cut(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], size: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    writer = LogWriter(str(path), max_size=size, max_files=1000)
    for piece in pieces:
        writer.write("stdout", piece)
    writer.close()
    whole = b"".join(pieces)
    lines = whole.split(b"\n")
    wanted = "".join((line + b"\n").decode("utf-8", "replace") for line in lines[:-1]) + lines[-1].decode(
        "utf-8", "replace"
    )
    assert "".join(texts(path)) == wanted
