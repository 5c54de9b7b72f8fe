"""save, load, import and history: images as archives that other tools read and write."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from harness import Pier


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {item.name: content.read() for item in archive if (content := archive.extractfile(item)) is not None}


def write(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


@pytest.fixture
def saved(pier: Pier, tmp_path: Path) -> Path:
    """An archive of busybox."""
    pier("save", "-o", tmp_path / "busybox.tar", "busybox")
    return tmp_path / "busybox.tar"


def test_an_archive_is_an_image_layout_and_dockers_form_at_once(saved: Path) -> None:
    files = members(saved)
    assert {"index.json", "manifest.json", "oci-layout"} <= files.keys()
    (entry,) = json.loads(files["manifest.json"])
    assert entry["RepoTags"] == ["busybox:latest"]
    assert {entry["Config"], *entry["Layers"]} <= files.keys()


def test_what_was_saved_loads_into_an_empty_store(saved: Path, bare_pier: Pier) -> None:
    assert bare_pier("load", "-i", saved).words == "Loaded image: busybox:latest"
    assert bare_pier("run", "--rm", "busybox", "echo", "loaded").words == "loaded"


def test_an_archive_without_dockers_form_loads_too(saved: Path, bare_pier: Pier, tmp_path: Path) -> None:
    files = members(saved)
    del files["manifest.json"]
    assert "Loaded image: " in bare_pier("load", "-i", write(tmp_path / "oci.tar", files)).out
    assert bare_pier("run", "--rm", "busybox", "echo", "loaded").words == "loaded"


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo to convert with")
def test_dockers_older_form_from_another_tool_loads(saved: Path, bare_pier: Pier, tmp_path: Path) -> None:
    source, target = f"docker-archive:{saved}", f"docker-archive:{tmp_path / 'older.tar'}:busybox:older"
    subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", source, target], check=True)
    assert bare_pier("load", "-i", tmp_path / "older.tar").words == "Loaded image: busybox:older"
    assert bare_pier("run", "--rm", "busybox:older", "echo", "loaded").words == "loaded"


def test_a_changed_layer_is_refused(saved: Path, bare_pier: Pier, tmp_path: Path) -> None:
    files = members(saved)
    (entry,) = json.loads(files["manifest.json"])
    other = entry["Layers"][0]
    files[other] = gzip_tar({"planted": b"x"})
    refused = bare_pier.fails("load", "-i", write(tmp_path / "bad.tar", files), code=1)
    assert "is not the layer it should be" in refused.err
    assert bare_pier("images", "-q").out == ""


def gzip_tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def test_no_archive_is_refused_in_one_sentence(pier: Pier, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no archive at all\n" * 100)
    assert "the archive cannot be read" in pier.fails("load", "-i", tmp_path / "text", code=1).err
    empty = write(tmp_path / "empty.tar", {"readme": b"hi"})
    assert "the archive holds no image" in pier.fails("load", "-i", empty, code=1).err
    assert "no such file" in pier.fails("load", "-i", tmp_path / "absent", code=1).err
    assert "No such image" in pier.fails("save", "-o", tmp_path / "x.tar", "nobody:never", code=1).err
    assert not (tmp_path / "x.tar").exists()


def test_an_exported_container_becomes_an_image_of_one_layer(pier: Pier, tmp_path: Path) -> None:
    pier("run", "--name", "work", "busybox", "sh", "-c", "echo kept > /kept")
    pier("export", "-o", tmp_path / "root.tar", "work")
    made = pier("import", "-m", "flattened", "-c", 'CMD ["cat", "/kept"]', tmp_path / "root.tar", "flat:v1").words
    assert pier("run", "--rm", "flat:v1").words == "kept"
    steps = pier("history", "--format", "{{.ID}} {{.Comment}}", "--no-trunc", "flat:v1").lines
    assert steps == [f"{made} flattened"]
    pier("rmi", "flat:v1")


def test_history_tells_the_steps_newest_first(pier: Pier) -> None:
    lines = pier("history", "busybox").lines
    assert lines[0].split() == ["IMAGE", "CREATED", "CREATED", "BY", "SIZE", "COMMENT"]
    assert lines[1].startswith(pier("images", "-q", "busybox").words)
    assert pier("history", "-q", "busybox").lines[1:] == ["<missing>"] * (len(lines) - 2)
