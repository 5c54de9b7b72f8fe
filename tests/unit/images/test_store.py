"""Names, ids, removal and garbage: the store tells what is on disk and deletes only what nothing needs."""

from __future__ import annotations

import fcntl
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from archives import archive, entry
from pier.errors import Conflict, Corrupt, Invalid, NotFound
from pier.images import collect, ingest
from pier.images.pruning import prune
from pier.images.scratch import Scratch, sweep
from pier.images.store import ImageStore
from pier.model.image import Image, Layer

Made = Callable[..., Image]


@pytest.fixture
def made(store: ImageStore, add_layer: Callable[..., Layer]) -> Made:
    """`made("content", "tag", …)`: an image of one layer that holds the content."""

    def make(content: str, *tags: str, over: Image | None = None) -> Image:
        layers = [*(store.layers(over) if over else ()), add_layer(entry("content", content.encode()))]
        config = {"architecture": "amd64", "os": "linux", "created": f"2024-01-01T00:00:{len(content):02}Z"}
        return ingest.add_image(store, config, layers, tags=tags)

    return make


def blobs(store: ImageStore) -> set[str]:
    return set(os.listdir(store.paths.images + "/blobs/sha256"))


def test_an_empty_root_has_no_images_and_gets_no_files(store: ImageStore) -> None:
    assert store.list() == []
    with pytest.raises(NotFound, match="No such image: alpine"):
        store.resolve("alpine")
    assert not os.path.exists(store.paths.root)


def test_an_image_is_found_by_every_spelling_of_its_name_and_id(store: ImageStore, made: Made) -> None:
    image = made("x", "app:v1")
    made("other", "app:v2")
    digits = image.id.removeprefix("sha256:")
    for text in ("app:v1", "library/app:v1", "docker.io/library/app:v1", image.id, digits, digits[:12], image.id[:12]):
        assert store.resolve(text) == image
    assert store.resolve(f"app@{image.manifest_digest}") == image
    assert store.resolve(image.manifest_digest) == image


@pytest.mark.parametrize("text", ["app", "app:v9", "other", "0" * 12, "sha256:" + "0" * 64, "app@sha256:" + "0" * 64])
def test_an_unknown_name_is_not_found_with_a_way_on(store: ImageStore, made: Made, text: str) -> None:
    made("x", "app:v1")
    with pytest.raises(NotFound) as refusal:
        store.resolve(text)
    assert "pier pull" in refusal.value.hint


def test_a_name_that_breaks_the_grammar_is_invalid(store: ImageStore) -> None:
    with pytest.raises(Invalid):
        store.resolve("App")


def test_a_beginning_shared_by_two_ids_is_ambiguous(store: ImageStore, made: Made) -> None:
    images = [made(f"{index}") for index in range(17)]
    first = [image.id.removeprefix("sha256:")[0] for image in images]
    shared = next(digit for digit in first if first.count(digit) > 1)
    with pytest.raises(Invalid, match="ambiguous"):
        store.resolve(shared)


def test_a_name_wins_over_an_id_that_begins_alike(store: ImageStore, made: Made) -> None:
    image = made("x")
    named = made("named", image.id[7:10])
    assert store.resolve(image.id[7:10]) == named


def test_tagging_another_image_leaves_the_old_one_dangling(store: ImageStore, made: Made) -> None:
    old, new = made("old", "app"), made("newer")
    store.tag(new.id, "app")
    assert store.resolve("app").id == new.id
    assert store.resolve(old.id).dangling
    assert [image.id for image in store.list(include_dangling=False)] == [new.id]
    assert len(store.list()) == 2


def test_an_image_may_have_many_names_and_keeps_one_dangling_entry_at_most(store: ImageStore, made: Made) -> None:
    image = made("x")
    store.tag(image.id, "one")
    store.tag("one", "reg.example:5000/two:3")
    assert store.resolve(image.id).repo_tags == ("one:latest", "reg.example:5000/two:3")
    store.untag("one")
    store.untag("reg.example:5000/two:3")
    assert store.resolve(image.id).repo_tags == ()
    assert len(store.layout.entries()) == 1
    with pytest.raises(NotFound):
        store.untag("one")


def test_a_digest_cannot_be_made_a_tag(store: ImageStore, made: Made) -> None:
    image = made("x")
    with pytest.raises(Invalid):
        store.tag(image.id, f"app@{image.manifest_digest}")


def test_removing_an_image_takes_its_layers_but_not_those_of_others(store: ImageStore, made: Made) -> None:
    base = made("base", "base")
    top = made("top", "top", over=base)
    before = store.resolve("base")
    removed = store.remove(top.id)
    assert removed.untagged == ("top:latest",)
    assert removed.deleted == (top.id, top.diff_ids[-1])
    assert removed.bytes > 0
    assert store.resolve("base") == before
    assert all(os.path.isdir(path) for path in store.layer_dirs(before))
    store.remove(base.id)
    assert blobs(store) == set()
    assert os.listdir(store.paths.layers) == []


def test_rmi_by_name_drops_one_name_and_the_image_with_the_last(store: ImageStore, made: Made) -> None:
    made("x", "one", "two")
    assert store.delete("one").deleted == ()
    assert store.delete("two").deleted != ()
    assert store.list() == []


def test_rmi_by_id_needs_force_while_several_repositories_name_the_image(store: ImageStore, made: Made) -> None:
    image = made("x", "one", "two")
    with pytest.raises(Conflict) as refusal:
        store.delete(image.id)
    assert "one:latest, two:latest" in refusal.value.why
    assert set(store.delete(image.id, force=True).untagged) == {"one:latest", "two:latest"}
    same_repository = made("x", "app:1", "app:2")
    assert store.delete(same_repository.id[7:19]).deleted


def test_a_pinned_layer_outlives_its_image_until_it_is_unpinned(store: ImageStore, made: Made) -> None:
    image = made("x", "app")
    collect.pin(store, "build-1", image.diff_ids)
    assert collect.pinned(store) == {"build-1": image.diff_ids}
    store.remove(image.id)
    assert store.layer(image.diff_ids[0]).diff_id == image.diff_ids[0]
    collect.unpin(store, "build-1")
    assert collect.collect(store).deleted == image.diff_ids
    with pytest.raises(NotFound):
        store.layer(image.diff_ids[0])


def test_a_damaged_image_is_listed_and_can_be_removed_and_harms_no_other(store: ImageStore, made: Made) -> None:
    whole, broken = made("x", "whole"), made("broken", "broken")
    os.unlink(store.layout.blob_path(broken.id))
    with pytest.raises(Corrupt, match="lacks blob"):
        store.resolve("broken")
    assert {image.repo_tags for image in store.list()} == {("whole:latest",), ("broken:latest",)}
    store.delete("broken")
    assert [image.id for image in store.list()] == [whole.id]
    assert os.path.isdir(store.layer_dirs(whole)[0])


def test_an_index_that_is_no_json_is_corrupt(store: ImageStore, made: Made) -> None:
    made("x", "app")
    Path(store.paths.images, "index.json").write_text("{")
    with pytest.raises(Corrupt, match="not an image index"):
        store.list()


def test_prune_takes_dangling_images_and_with_unused_all_that_no_container_has(store: ImageStore, made: Made) -> None:
    made("old", "app")
    kept, used = made("newer", "app"), made("in use", "used")
    assert prune(store, [used.id]).untagged == ()
    assert {image.id for image in store.list()} == {kept.id, used.id}
    assert prune(store, [used.id], unused=True, wanted=lambda image: image.id != kept.id).deleted == ()
    removed = prune(store, [used.id], unused=True)
    assert removed.untagged == ("app:latest",)
    assert removed.bytes > 0
    assert [image.id for image in store.list()] == [used.id]


def test_prune_never_takes_an_image_that_only_a_container_holds(store: ImageStore, made: Made) -> None:
    image = made("x")
    prune(store, [image.id], unused=True)
    assert store.resolve(image.id) == image


def test_the_scratch_of_a_killed_process_is_swept_and_that_of_a_living_one_stays(store: ImageStore) -> None:
    script = (
        "import sys; from pier.images.scratch import Scratch; from pier.state.paths import Paths\n"
        "with Scratch(Paths(root=sys.argv[1], run='')) as scratch:\n"
        "    open(scratch.path + '/half', 'w').close(); print(scratch.path, flush=True); sys.stdin.read()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, store.paths.root],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert child.stdout is not None
    left = child.stdout.readline().strip()
    sweep(store.paths)
    assert os.path.exists(left + "/half")
    child.kill()
    child.communicate()
    sweep(store.paths)
    assert not os.path.exists(left)


def test_a_scratch_folder_goes_with_its_block_whatever_is_in_it(store: ImageStore) -> None:
    with pytest.raises(RuntimeError), Scratch(store.paths) as scratch:
        os.makedirs(scratch.path + "/a/b")
        os.symlink("/", scratch.path + "/root")
        raise RuntimeError
    assert not os.path.exists(scratch.path)


def test_a_layer_added_twice_at_once_is_one_layer(store: ImageStore) -> None:
    data = archive(entry("x", b"1"))
    script = (
        "import sys, io; from pier.images import ingest; from pier.images.store import ImageStore\n"
        "from pier.state.paths import Paths\n"
        "store = ImageStore(Paths(root=sys.argv[1], run=''))\n"
        "print(ingest.add_layer_from_tar(store, io.BytesIO(sys.stdin.buffer.read())).diff_id)\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", script, store.paths.root]
    children = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) for _ in range(3)]
    answers = {child.communicate(data)[0] for child in children}
    assert len(answers) == 1
    assert ingest.add_layer_from_tar(store, io.BytesIO(data)).diff_id.encode() + b"\n" in answers


def test_a_read_of_the_index_takes_no_lock(store: ImageStore, made: Made) -> None:
    image = made("x", "app")
    with open(store.paths.locks + "/images-index") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert store.resolve("app").id == image.id
