"""Log lines of several containers, helpers in children, and containers at rest: on real files and processes."""

from __future__ import annotations

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pier.cli.compose.prefixes import Printer
from pier.compose import parallel, settle
from pier.compose.follow import Follower, Window
from pier.errors import Conflict, PierError
from pier.kernel import lifetime
from pier.model import jsontext
from pier.model.container import Container, ContainerSpec, ContainerState
from pier.state.paths import Paths


def container(name: str, **state: Any) -> Container:
    spec = ContainerSpec(id=name * 8, name=f"demo-{name}-1", created="", image="x", image_id="y")
    return Container(spec=spec, state=ContainerState(**state))


class Logs:
    """A store that holds log files only."""

    def __init__(self, root: Path) -> None:
        self.paths = Paths(root=str(root), run=str(root / "run"))

    def write(self, item: Container, *entries: tuple[int, str]) -> None:
        folder = Path(self.paths.container(item.id))
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / item.log_path_name, "a", encoding="utf-8") as file:
            for second, text in entries:
                entry = {"log": text, "stream": "stdout", "time": f"2026-01-01T00:00:{second:02}.000000000Z"}
                file.write(jsontext.dumps(entry) + "\n")


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path)


def test_lines_of_all_containers_come_in_the_order_they_were_written(logs: Logs) -> None:
    one, two = container("one"), container("two")
    logs.write(one, (1, "a\n"), (4, "d\n"))
    logs.write(two, (2, "b\n"), (3, "c\n"))
    follower = Follower(SimpleNamespace(paths=logs.paths))  # type: ignore[arg-type]
    assert [line.text for line in follower.past([one, two], Window())] == ["a", "b", "c", "d"]
    logs.write(two, (5, "e\n"))
    assert [line.text for line in follower.fresh()] == ["e"]
    assert list(follower.fresh()) == []


def test_tail_counts_for_each_container_and_long_lines_are_whole(logs: Logs) -> None:
    one = container("one")
    logs.write(one, (1, "a\n"), (2, "first "), (3, "second\n"))
    follower = Follower(SimpleNamespace(paths=logs.paths))  # type: ignore[arg-type]
    assert [line.text for line in follower.past([one], Window(tail=2))] == ["first second"]
    logs.write(one, (4, "unfinished"))
    assert list(follower.fresh()) == []
    assert [line.text for line in follower.rest()] == ["unfinished"]


def test_a_window_in_time(logs: Logs) -> None:
    one = container("one")
    logs.write(one, (1, "a\n"), (5, "b\n"), (9, "c\n"))
    follower = Follower(SimpleNamespace(paths=logs.paths))  # type: ignore[arg-type]
    start = 1767225600
    assert [line.text for line in follower.past([one], Window(since=start + 2, until=start + 6))] == ["b"]


def test_prefixes_line_up_and_take_turns_with_colours(logs: Logs) -> None:
    one, long = container("one"), container("longer")
    logs.write(one, (1, "a\n"))
    logs.write(long, (2, "b\n"))
    out = StringIO()
    printer = Printer("demo", out, out, colours=True)
    printer.know([one, long])
    follower = Follower(SimpleNamespace(paths=logs.paths))  # type: ignore[arg-type]
    printer.lines(follower.past([one, long], Window()))
    assert out.getvalue() == "\x1b[36mone-1     | \x1b[0ma\n\x1b[33mlonger-1  | \x1b[0mb\n"


def test_several_things_happen_at_once_and_errors_come_back(tmp_path: Path) -> None:
    told: dict[str, PierError | None] = {}

    def act(name: str) -> None:
        if name == "bad":
            raise Conflict("no", why="because", hint="do this")
        (tmp_path / name).write_text(str(os.getpid()))

    parallel.each(["a", "b", "bad"], act, finished=told.__setitem__)
    assert told["a"] is None and told["b"] is None
    error = told["bad"]
    assert isinstance(error, Conflict)
    assert (error.message, error.why, error.hint) == ("no", "because", "do this")
    assert (tmp_path / "a").read_text() != (tmp_path / "b").read_text() != str(os.getpid())


def test_a_sleeping_program_is_at_rest_and_a_busy_or_dead_one_is_not() -> None:
    sleeper = subprocess.Popen(["sleep", "60"])
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        watches = {
            name: settle.Watch(
                container(name, status="running", pid=child.pid, pid_start=lifetime.start_time(child.pid))
            )
            for name, child in (("sleeper", sleeper), ("busy", busy))
        }
        rested = dict.fromkeys(watches, False)
        for _ in range(60):
            for name, watch in watches.items():
                rested[name] = rested[name] or watch.at_rest()
            if rested["sleeper"]:
                break
            subprocess.run(["true"], check=True)
        assert rested == {"sleeper": True, "busy": False}
    finally:
        sleeper.kill()
        busy.kill()
        sleeper.wait()
        busy.wait()
    assert not watches["sleeper"].at_rest()
