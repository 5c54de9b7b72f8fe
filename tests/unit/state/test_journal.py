"""The journal of events."""

from __future__ import annotations

from pathlib import Path

from pier.state import journal


def test_events_are_read_in_order_and_from_where_a_reader_stopped(tmp_path: Path) -> None:
    path = str(tmp_path / "events")
    for number in range(3):
        journal.record(path, "container", f"step{number}", "id", {"name": "a"}, now_ns=number * 10**9 + 5)
    events = list(journal.read(path))
    assert [event["Action"] for _, event in events] == ["step0", "step1", "step2"]
    assert events[2][1]["time"] == 2 and events[2][1]["timeNano"] == 2 * 10**9 + 5
    assert [event["Action"] for _, event in journal.read(path, events[1][0])] == ["step2"]


def test_a_line_that_is_still_being_written_is_left_for_later(tmp_path: Path) -> None:
    path = tmp_path / "events"
    journal.record(str(path), "image", "pull", "id", {}, now_ns=1)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"Type":"im')
    ((offset, event),) = journal.read(str(path))
    assert (offset, event["Action"]) == (len(whole), "pull")


def test_no_journal_is_no_events(tmp_path: Path) -> None:
    assert list(journal.read(str(tmp_path / "absent"))) == []
