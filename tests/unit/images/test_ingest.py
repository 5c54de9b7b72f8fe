"""Directories and archives become layers, layers become images, and other tools can read the result."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archives import archive, directory, entry, gzipped, names_in
from pier.errors import Bug, Corrupt, Exhausted, Unsupported
from pier.images import collect, ingest
from pier.images.store import ImageStore
from pier.images.tar_writer import write_layer_tar
from pier.images.unpack import unpack
from pier.model.image import Layer

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: owners, devices and trusted xattrs")

CONFIG = {"architecture": "amd64", "os": "linux", "created": "2024-01-02T03:04:05Z", "config": {"Cmd": ["sh"]}}


def upper(path: Path) -> Path:
    """What a build step may leave in the upper directory of its overlay."""
    (path / "etc").mkdir(parents=True)
    (path / "etc/conf").write_text("1")
    (path / "bin").mkdir()
    (path / "bin/tool").write_bytes(b"x" * 100_000)
    (path / "bin/tool").chmod(0o4711)
    os.link(path / "bin/tool", path / "bin/zame")
    os.symlink("../etc/conf", path / "bin/link")
    (path / ("deep/" * 30)).mkdir(parents=True)
    (path / ("deep/" * 30) / ("n" * 120)).write_text("long")
    (path / "ünïcode").write_text("u")
    os.mkfifo(path / "pipe")
    return path


def add_special(path: Path) -> None:
    """The parts that only root can make."""
    os.mknod(path / "etc/gone", stat.S_IFCHR, os.makedev(0, 0))
    (path / "var").mkdir()
    os.setxattr(path / "var", "trusted.overlay.opaque", b"y")
    os.setxattr(path / "etc", "trusted.overlay.origin", b"o")
    os.setxattr(path / "bin/tool", "security.capability", b"\x01\0\0\x02\0\x20\0\0" + bytes(12))
    os.setxattr(path / "etc/conf", "user.note", b"n")
    os.chown(path / "etc/conf", 1000, 3_000_000)
    os.mknod(path / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))


def describe(root: Path) -> dict[str, object]:
    """Everything that a layer keeps of each file below *root*."""
    found: dict[str, object] = {}
    for place, dirs, files in os.walk(root):
        for name in [".", *dirs, *files] if place == str(root) else dirs + files:
            path = Path(place) / name
            there = path.lstat()
            content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else there.st_rdev
            xattrs = {
                key: os.getxattr(path, key, follow_symlinks=False) for key in os.listxattr(path, follow_symlinks=False)
            }
            links = there.st_nlink if not stat.S_ISDIR(there.st_mode) else 0
            whiteout = stat.S_ISCHR(there.st_mode) and there.st_rdev == 0
            mode = 0 if whiteout else there.st_mode
            owner = (there.st_uid, there.st_gid)
            found[str(path.relative_to(root))] = (
                mode,
                owner,
                int(there.st_mtime) * (not whiteout),
                links,
                content,
                xattrs,
            )
    return found


@needs_root
def test_a_directory_survives_the_way_through_an_archive(tmp_path: Path) -> None:
    source = upper(tmp_path / "up")
    add_special(source)
    buffer = io.BytesIO()
    write_layer_tar(str(source), buffer, strip_overlay=True)
    buffer.seek(0)
    (tmp_path / "out").mkdir()
    unpack(buffer, str(tmp_path / "out"), compressed_size=len(buffer.getvalue()))
    assert describe(tmp_path / "out") == describe(source)
    assert os.listxattr(source / "etc") == []


def test_another_tar_reads_the_archive_and_finds_it_sorted(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    write_layer_tar(str(upper(tmp_path / "up")), buffer)
    assert len(buffer.getvalue()) % 10240 == 0
    with tarfile.open(fileobj=io.BytesIO(buffer.getvalue())) as tar:
        members = tar.getmembers()
        assert [member.name for member in members][:5] == [".", "bin", "bin/link", "bin/tool", "bin/zame"]
        assert tar.getmember("bin/zame").linkname == "bin/tool"
        assert "deep/" * 30 + "n" * 120 in tar.getnames()


def test_equal_trees_give_equal_bytes(tmp_path: Path) -> None:
    archives = []
    for name in ("one", "two"):
        tree = upper(tmp_path / name)
        for path in [tree, *tree.rglob("*")]:
            os.utime(path, (1, 1), follow_symlinks=False)
        buffer = io.BytesIO()
        write_layer_tar(str(tree), buffer)
        archives.append(buffer.getvalue())
    assert archives[0] == archives[1]


TREE = st.recursive(
    st.binary(max_size=20),
    lambda inner: st.dictionaries(
        st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=60), inner, max_size=3
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=60), TREE, max_size=3
    )
)
def test_any_tree_comes_back_from_its_archive(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, object]
) -> None:
    def lay(path: Path, content: object) -> None:
        if isinstance(content, bytes):
            path.write_bytes(content)
            return
        path.mkdir(exist_ok=True)
        assert isinstance(content, dict)
        for name, inner in content.items():
            if name not in (".", "..") and len(name.encode()) < 200 and not name.startswith(".wh."):
                lay(path / name, inner)

    place = tmp_path_factory.mktemp("tree")
    lay(place / "in", tree)
    (place / "out").mkdir()
    buffer = io.BytesIO()
    write_layer_tar(str(place / "in"), buffer)
    buffer.seek(0)
    unpack(buffer, str(place / "out"), compressed_size=len(buffer.getvalue()))
    assert describe(place / "out") == describe(place / "in")


@needs_root
def test_a_layer_is_moved_into_the_store_with_whiteouts_in_its_blob(store: ImageStore, tmp_path: Path) -> None:
    source = upper(tmp_path / "up")
    add_special(source)
    inode = (source / "bin/tool").stat().st_ino
    layer = ingest.add_layer_from_dir(store, str(source))
    there = Path(store.layout.layer_path(layer.diff_id))
    assert not source.exists()
    assert (there / "bin/tool").stat().st_ino == inode
    blob = Path(store.layout.blob_path(layer.digest)).read_bytes()
    assert (len(blob), "sha256:" + hashlib.sha256(blob).hexdigest()) == (layer.size, layer.digest)
    names = names_in(blob)
    assert "etc/.wh.gone" in names
    assert "var/.wh..wh..opq" in names
    assert store.layer(layer.diff_id) == layer
    assert os.listdir(store.paths.tmp) == []


def test_a_layer_that_is_there_already_is_used_again(store: ImageStore, tmp_path: Path) -> None:
    layers = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_text("same")
        os.utime(tmp_path / name / "f", (1, 1))
        os.utime(tmp_path / name, (1, 1))
        layers.append(ingest.add_layer_from_dir(store, str(tmp_path / name)))
    assert layers[0] == layers[1]
    assert not (tmp_path / "two").exists()


@needs_root
def test_a_directory_on_another_disk_is_copied_into_the_store(store: ImageStore, tmp_path: Path) -> None:
    source = Path("/dev/shm") / f"pier-test-{os.getpid()}"
    if not Path("/dev/shm").is_dir() or os.stat("/dev/shm").st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("needs /dev/shm as a second file system")
    try:
        expected = describe(upper(source))
        layer = ingest.add_layer_from_dir(store, str(source))
        assert describe(Path(store.layout.layer_path(layer.diff_id))) == expected
        assert not source.exists()
    finally:
        shutil.rmtree(source, ignore_errors=True)


@needs_root
def test_a_directory_full_of_redirects_is_no_layer(store: ImageStore, tmp_path: Path) -> None:
    (tmp_path / "up/moved").mkdir(parents=True)
    os.setxattr(tmp_path / "up/moved", "trusted.overlay.redirect", b"/old")
    with pytest.raises(Unsupported, match="cannot make a layer"):
        ingest.add_layer_from_dir(store, str(tmp_path / "up"))
    assert (tmp_path / "up/moved").is_dir()


def test_a_corrupt_archive_leaves_nothing(store: ImageStore) -> None:
    data = gzipped(archive(entry("x", os.urandom(100_000))))
    with pytest.raises(Corrupt):
        ingest.add_layer_from_tar(store, io.BytesIO(data[:50_000]))
    assert os.listdir(store.paths.layers) == []
    assert os.listdir(store.paths.images + "/blobs/sha256") == []
    assert os.listdir(store.paths.tmp) == []


@needs_root
def test_a_full_disk_is_exhausted_and_leaves_nothing(tmp_path: Path, store: ImageStore) -> None:
    os.makedirs(store.paths.root)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", store.paths.root], check=True)
    try:
        with pytest.raises(Exhausted) as refusal:
            ingest.add_layer_from_tar(store, io.BytesIO(gzipped(archive(entry("x", bytes(8 << 20))))))
        assert store.paths.root in refusal.value.why
        assert "pier system prune" in refusal.value.hint
        assert os.listdir(store.paths.layers) == []
        assert os.listdir(store.paths.images + "/blobs/sha256") == []
    finally:
        subprocess.run(["umount", store.paths.root], check=True)


def test_an_image_is_what_its_configuration_says(store: ImageStore, add_layer: Callable[..., Layer]) -> None:
    layers = [add_layer(entry("a", b"1" * 10)), add_layer(entry("b", b"1" * 20))]
    image = ingest.add_image(store, dict(CONFIG), layers, tags=("app", "app:v1"))
    assert image.repo_tags == ("app:latest", "app:v1")
    assert image.diff_ids == tuple(layer.diff_id for layer in layers)
    assert (image.size, image.created, image.config.cmd) == (30, "2024-01-02T03:04:05Z", ("sh",))
    assert store.layers(image) == tuple(layers)
    assert [os.listdir(path) for path in store.layer_dirs(image)] == [["a"], ["b"]]
    again = ingest.add_image(store, dict(CONFIG), layers, tags=("other",))
    assert (again.id, again.manifest_digest) == (image.id, image.manifest_digest)


def test_a_history_that_contradicts_the_layers_is_a_bug(store: ImageStore, add_layer: Callable[..., Layer]) -> None:
    with pytest.raises(Bug):
        ingest.add_image(store, {**CONFIG, "history": [{"created_by": "x"}] * 2}, [add_layer(entry("a"))])


def test_a_lost_layer_directory_is_restored_from_its_blob(store: ImageStore, add_layer: Callable[..., Layer]) -> None:
    base, top = add_layer(directory("tmp", 0o1777)), add_layer(entry("tmp/x", b"1"))
    image = ingest.add_image(store, dict(CONFIG), [base, top], tags=("app",))
    for path in (base.diff_id, top.diff_id):
        shutil.rmtree(store.layout.layer_path(path))
    dirs = store.layer_dirs(image)
    assert os.listdir(dirs[1] + "/tmp") == ["x"]
    assert stat.S_IMODE(os.stat(dirs[1] + "/tmp").st_mode) == 0o1777


@pytest.mark.parametrize("diff_ids", [["sha256:../../../../etc"], ["/etc"], [], [7]])
def test_an_image_that_another_tool_brought_cannot_pick_a_path_as_its_layer(
    store: ImageStore, add_layer: Callable[..., Layer], diff_ids: list[object]
) -> None:
    blobs = [{"mediaType": "x", "digest": add_layer(entry("x", b"1")).digest, "size": 1}]
    config = json.dumps({"rootfs": {"diff_ids": diff_ids}}).encode()
    with pytest.raises(Corrupt):
        store.layer_dirs(ingest.keep_image(store, config, blobs, ("docker.io/library/x:1",)))


def test_a_layer_lost_with_its_blob_is_corrupt(store: ImageStore, add_layer: Callable[..., Layer]) -> None:
    layer = add_layer(entry("x", b"1"))
    image = ingest.add_image(store, dict(CONFIG), [layer], tags=("app",))
    shutil.rmtree(store.layout.layer_path(layer.diff_id))
    os.unlink(store.layout.blob_path(layer.digest))
    with pytest.raises(Corrupt, match="so is its blob"):
        store.layer_dirs(image)


def test_collection_waits_while_content_is_added(store: ImageStore, add_layer: Callable[..., Layer]) -> None:
    with store.layout.ingesting():
        layer = add_layer(entry("x", b"1"))
        assert collect.collect(store).deleted == ()
    assert collect.collect(store).deleted == (layer.diff_id,)


@pytest.mark.skipif(not shutil.which("skopeo"), reason="needs skopeo")
def test_skopeo_reads_the_store_and_pier_reads_what_skopeo_writes(
    store: ImageStore, add_layer: Callable[..., Layer], tmp_path: Path
) -> None:
    image = ingest.add_image(store, dict(CONFIG), [add_layer(entry("x", b"1"))], tags=("app:v1",))
    name = f"oci:{store.paths.images}:docker.io/library/app:v1"
    subprocess.run(["skopeo", "inspect", name], check=True, capture_output=True)
    subprocess.run(["skopeo", "copy", "-q", name, f"oci:{tmp_path}/copy:x"], check=True)
    store.remove(image.id)
    subprocess.run(
        ["skopeo", "copy", "-q", f"oci:{tmp_path}/copy:x", f"oci:{store.paths.images}:docker.io/library/back:1"],
        check=True,
    )
    back = store.resolve("back:1")
    assert (back.id, back.config) == (image.id, image.config)
    assert os.listdir(store.layer_dirs(back)[0]) == ["x"]


@pytest.mark.skipif(not shutil.which("umoci"), reason="needs umoci")
def test_umoci_lists_the_store(store: ImageStore, add_layer: Callable[..., Layer]) -> None:
    ingest.add_image(store, dict(CONFIG), [add_layer(entry("x", b"1"))], tags=("app:v1", "app:v2"))
    done = subprocess.run(["umoci", "ls", "--layout", store.paths.images], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["docker.io/library/app:v1", "docker.io/library/app:v2"]
