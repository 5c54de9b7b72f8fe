"""The second build: what is found, what is made again, and what stays when a build fails."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from harness import wait_until
from pier.build import cache
from pier.errors import PierError
from pier.images.collect import collect, pinned
from unit.build.workbench import Bench

DOCKERFILE = "FROM scratch\nCOPY a /a\nWORKDIR /w\nCOPY b /b\nCMD x\n"


@pytest.fixture(autouse=True)
def _two_files(bench: Bench) -> None:
    bench.write("a", "1")
    bench.write("b", "1")


def test_the_second_build_finds_every_step_and_the_same_image(bench: Bench) -> None:
    first = bench.build(DOCKERFILE)
    assert bench.kinds() == ["done", "done", "done"]
    second = bench.build(DOCKERFILE)
    assert bench.kinds() == ["cached", "cached", "cached"]
    assert first == second


def test_times_do_not_count_but_contents_and_modes_do(bench: Bench) -> None:
    bench.build(DOCKERFILE)
    os.utime(bench.context / "a", (1, 1))
    bench.build(DOCKERFILE)
    assert bench.kinds() == ["cached"] * 3
    (bench.context / "b").chmod(0o600)
    bench.build(DOCKERFILE)
    assert bench.kinds() == ["cached", "cached", "done"]
    bench.write("a", "2")
    bench.build(DOCKERFILE)
    assert bench.kinds() == ["done", "done", "done"]


def test_a_file_changed_in_place_with_its_old_time_and_size_is_seen(bench: Bench) -> None:
    before = (bench.context / "a").stat()
    bench.build(DOCKERFILE)
    (bench.context / "a").write_text("9")
    os.utime(bench.context / "a", ns=(before.st_atime_ns, before.st_mtime_ns))
    image = bench.build(DOCKERFILE)
    assert bench.path(image, "a").read_text() == "9"


def test_a_changed_command_reuses_every_layer(bench: Bench) -> None:
    one = bench.build(DOCKERFILE)
    other = bench.build(DOCKERFILE.replace("CMD x", "CMD y"))
    assert bench.kinds() == ["cached"] * 3
    assert (one.diff_ids == other.diff_ids, one.id == other.id) == (True, False)


def test_no_cache_makes_everything_again(bench: Bench) -> None:
    bench.build(DOCKERFILE)
    bench.build(DOCKERFILE, no_cache=True)
    assert bench.kinds() == ["done"] * 3


def test_an_unchanged_result_of_a_stage_keeps_the_copies_from_it(bench: Bench) -> None:
    text = "FROM scratch AS s\nCOPY a /dir/a\nCOPY b /dir/b\nFROM scratch\nCOPY --from=s /dir/a /a\n"
    bench.build(text)
    bench.write("b", "2")
    bench.build(text)
    assert bench.kinds() == ["cached", "done", "cached"]


def test_a_build_that_failed_goes_on_where_it_stopped(bench: Bench) -> None:
    with pytest.raises(PierError):
        bench.build("FROM scratch\nCOPY a /a\nCOPY missing /b\n")
    collect(bench.engine.images)
    bench.build("FROM scratch\nCOPY a /a\n")
    assert bench.kinds() == ["cached"]


def test_a_removed_image_takes_its_layers_along_and_is_built_again(bench: Bench) -> None:
    image = bench.build(DOCKERFILE, tags=("t",))
    assert pinned(bench.engine.images) == {}
    removed = bench.engine.images.remove(image.id)
    assert len(removed.deleted) == 4
    again = bench.build(DOCKERFILE)
    assert bench.kinds() == ["done"] * 3
    assert (again.diff_ids[0], again.diff_ids[2]) == (image.diff_ids[0], image.diff_ids[2])  # WORKDIR has a time


def test_forgetting_gives_the_layers_of_stages_back(bench: Bench) -> None:
    bench.build("FROM scratch AS s\nCOPY a /a\nFROM scratch\nCOPY --from=s /a /b\n")
    assert len(pinned(bench.engine.images)) == 1
    cache.forget(bench.engine.images)
    assert pinned(bench.engine.images) == {}
    assert len(collect(bench.engine.images).deleted) == 1


def test_a_broken_record_is_a_miss(bench: Bench) -> None:
    bench.build(DOCKERFILE)
    steps = bench.engine.paths.cache + "/build/steps"
    for name in os.listdir(steps):
        with open(f"{steps}/{name}", "w") as file:
            file.write("{")
    bench.build(DOCKERFILE)
    assert bench.kinds() == ["done"] * 3


def test_tags_move_to_the_new_image(bench: Bench) -> None:
    first = bench.build(DOCKERFILE, tags=("t:1", "other"))
    bench.write("a", "2")
    second = bench.build(DOCKERFILE, tags=("t:1",))
    assert bench.engine.images.resolve("t:1").id == second.id
    assert bench.engine.images.resolve("other").id == first.id


def test_labels_of_the_command_line_are_in_the_image(bench: Bench) -> None:
    assert bench.build(DOCKERFILE, labels={"a": "b"}).config.labels == {"a": "b"}


def test_unused_build_args_are_told(bench: Bench) -> None:
    bench.build("ARG G\n" + DOCKERFILE, build_args={"G": "1", "NOPE": "2", "HTTP_PROXY": "3"})
    assert [event.text for event in bench.events if event.kind == "warning"] == [
        "one or more build-args were not consumed: NOPE"
    ]


def test_contents_are_remembered_by_their_stat(bench: Bench) -> None:
    text = "FROM scratch\nCOPY a /m\n"
    memo = f"{bench.engine.paths.cache}/build/contents.json"
    bench.build(text)
    # A file younger than a clock tick is not remembered, since it could change and keep its stat.
    wait_until(lambda: bench.build(text) and os.path.exists(memo), what="the file is old enough to be remembered")
    remembered = json.loads(Path(memo).read_text())
    status = (bench.context / "a").stat()
    known = remembered[f"{status.st_dev}:{status.st_ino}"]
    assert known == [status.st_size, status.st_mtime_ns, status.st_ctime_ns, hashlib.sha256(b"1").hexdigest()]
