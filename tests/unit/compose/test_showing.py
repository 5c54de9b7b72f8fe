"""Progress lines, and advice before anything starts."""

from __future__ import annotations

from io import StringIO

import pytest

from pier.cli.compose.progress import Progress
from pier.compose.advice import advice
from pier.compose.steps import Step
from unit.compose.projects import Folder

STEPS = (
    Step(subject="Network demo_default", text="Creating"),
    Step(subject="Network demo_default", text="Created", state="done"),
    Step(subject="Container demo-db-1", text="Waiting"),
    Step(subject="Container demo-db-1", text="Waiting", detail="waiting for db to be healthy, 6s of at most 40s"),
    Step(subject="Container demo-db-1", text="Waiting", detail="waiting for db to be healthy, 7s of at most 40s"),
    Step(subject="Container demo-db-1", text="Healthy", state="done"),
)


def shown(*, live: bool, quiet: bool = False) -> str:
    stream = StringIO()
    progress = Progress(stream, live=live, colours=False, quiet=quiet)
    for step in STEPS:
        progress.show(step)
    return stream.getvalue()


def test_without_a_terminal_each_change_is_one_line_and_long_waits_are_said_now_and_then() -> None:
    assert shown(live=False).splitlines() == [
        " Network demo_default  Creating",
        " Network demo_default  Created",
        " Container demo-db-1  Waiting",
        " Container demo-db-1  waiting for db to be healthy, 6s of at most 40s",
        " Container demo-db-1  Healthy",
    ]


def test_on_a_terminal_the_block_is_redrawn_in_place() -> None:
    drawn = shown(live=True)
    last = drawn[drawn.rindex("\x1b[3A") :].replace("\x1b[K", "").split("\n")
    assert last[0].endswith("[+] Running 2/2")
    assert last[1].startswith(" ✔ Network demo_default  Created")
    assert last[2].startswith(" ✔ Container demo-db-1   Healthy")
    assert "waiting for db to be healthy, 7s of at most 40s" in drawn
    assert all(len(line.replace("\x1b[K", "")) < 80 for line in drawn.splitlines())


def test_quiet_is_quiet() -> None:
    assert shown(live=True, quiet=True) == ""


@pytest.mark.parametrize(
    ("image", "target", "warned"),
    [
        ("postgres:18", "/var/lib/postgresql/data", True),
        ("postgres", "/var/lib/postgresql/data/", True),
        ("postgres:latest", "/var/lib/postgresql/data", True),
        ("postgres:16", "/var/lib/postgresql/data", False),
        ("postgres:17-alpine", "/var/lib/postgresql/data", False),
        ("postgres:18", "/var/lib/postgresql", False),
        ("example.com/postgres:18", "/var/lib/postgresql/data", False),
    ],
)
def test_the_moved_data_folder_of_postgres_is_told_before_it_fails(
    folder: Folder, image: str, target: str, warned: bool
) -> None:
    folder.file(
        "compose.yaml", f"services:\n  db:\n    image: {image}\n    volumes: ['d:{target}']\nvolumes: {{d: }}\n"
    )
    assert bool(list(advice(folder.load()))) == warned
