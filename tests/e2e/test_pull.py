"""`pier pull` through the command line: from a real registry, and from one that fails at the worst moment."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from archives import SYMLINK, archive, directory, entry
from harness import CHECKOUT, Pier, http_wait, small_disk, wait_until
from registry import FaultyRegistry, Pushable, image_of, serving

BUSYBOX = shutil.which("busybox") or "/bin/busybox"
LAYERS = (
    archive(directory("tmp", 0o1777), directory("bin"), entry("etc/os-release", b"ID=pulled\n")),
    archive(entry("data/big", os.urandom(2_000_000))),
)


@pytest.fixture
def puller(pier_command: list[str], tmp_path: Path) -> Iterator[Pier]:
    """The command line over an empty store; nothing half-made may be left in it."""
    root = tmp_path / "root"
    command = Pier(pier_command, root, tmp_path)
    yield command
    command.end_children()
    command("images")
    assert left_over(root) == []


def left_over(root: Path) -> list[str]:
    return sorted(os.listdir(root / "tmp")) if (root / "tmp").is_dir() else []


def stored(root: Path) -> list[str]:
    return sorted(path.name for folder in ("layers", "images/blobs/sha256") for path in (root / folder).glob("*"))


@pytest.fixture(scope="module")
def docker_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Docker's own registry on a loopback port."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("needs docker-registry (Debian package docker-registry)")
    place = tmp_path_factory.mktemp("docker-registry")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    config = f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {place}/data}}}}\nhttp: {{addr: '{address}'}}\n"
    (place / "config.yml").write_text(config)
    with (place / "log").open("w") as log:
        server = subprocess.Popen([program, "serve", str(place / "config.yml")], stdout=log, stderr=log)
    try:
        http_wait(f"http://{address}/v2/")
        yield address
    finally:
        server.terminate()
        server.wait()


def push(address: str, repository: str, tag: str, image: Pushable) -> None:
    """By the distribution protocol's own means: one upload a blob, then the manifest."""
    for digest, data in image.blobs.items():
        with send("POST", f"http://{address}/v2/{repository}/blobs/uploads/", b"") as answer:
            location = answer.headers["Location"]
        joint = "&" if "?" in location else "?"
        send("PUT", f"{location}{joint}digest={digest}", data, "application/octet-stream").close()
    send("PUT", f"http://{address}/v2/{repository}/manifests/{tag}", image.manifest, image.media_type).close()


def send(method: str, url: str, body: bytes, media_type: str = "") -> urllib.request.addinfourl:
    headers = {"Content-Type": media_type} if media_type else {}
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    answer: urllib.request.addinfourl = urllib.request.urlopen(request)
    return answer


@pytest.mark.parametrize("docker", [False, True], ids=["oci", "schema2"])
def test_an_image_is_pulled_from_dockers_registry_and_listed(docker_registry: str, puller: Pier, docker: bool) -> None:
    image = image_of(*LAYERS, docker=docker, Cmd=["sh"])
    push(docker_registry, "team/app", "v1", image)
    name = f"{docker_registry}/team/app:v1"
    result = puller("pull", name)
    assert f"Digest: {image.digest}" in result.out
    assert f"Status: Downloaded newer image for {name}" in result.out
    assert result.lines[-1] == name
    assert "Image is up to date" in puller("pull", name).out
    assert puller("images", "--format", "{{.Repository}}:{{.Tag}}").lines == [name]
    found = puller("inspect", name).json()[0]
    assert found["RepoDigests"] == [f"{docker_registry}/team/app@{image.digest}"]
    assert found["Config"]["Cmd"] == ["sh"]
    puller("rmi", name)
    assert stored(puller.root) == []


def test_a_pulled_image_runs(docker_registry: str, pier: Pier) -> None:
    if not Path(BUSYBOX).exists():
        pytest.skip("needs busybox (Debian package busybox-static)")
    program = archive(
        entry("bin/busybox", Path(BUSYBOX).read_bytes(), mode=0o755), entry("bin/cat", kind=SYMLINK, link="busybox")
    )
    if b"static" not in subprocess.run(["file", "-L", BUSYBOX], capture_output=True, check=False).stdout:
        pytest.skip("needs a static busybox (Debian package busybox-static)")
    push(docker_registry, "box", "latest", image_of(*LAYERS, program))
    name = f"{docker_registry}/box"
    assert pier("run", "--rm", name, "/bin/cat", "/etc/os-release").out == "ID=pulled\n"
    pier("rmi", name)


def test_what_the_registry_lacks_is_one_clear_message(docker_registry: str, puller: Pier) -> None:
    result = puller.fails("pull", f"{docker_registry}/no/such:tag", code=1)
    assert f"image {docker_registry}/no/such:tag does not exist" in result.err
    assert len(result.err.splitlines()) <= 4


def test_no_registry_is_told_within_seconds(puller: Pier) -> None:
    result = puller.fails("pull", "127.0.0.1:9/app", code=1, timeout=10)
    assert "cannot reach the registry 127.0.0.1:9" in result.err
    assert "Connection refused" in result.err


@pytest.mark.parametrize("name", ["App", "a..b", "app:", "app@sha256:12"])
def test_a_bad_name_is_refused_before_anything_is_asked(puller: Pier, name: str) -> None:
    assert "invalid reference format" in puller.fails("pull", name, code=1).err


@pytest.fixture
def faulty() -> Iterator[FaultyRegistry]:
    with serving(FaultyRegistry()) as running:
        running.push("app", image_of(*LAYERS), "latest")
        yield running


def big_layer(registry: FaultyRegistry) -> str:
    return max(registry.blobs, key=lambda digest: len(registry.blobs[digest]))


def test_a_corrupt_layer_is_one_clear_message_and_no_image(faulty: FaultyRegistry, puller: Pier) -> None:
    layer = big_layer(faulty)
    faulty.forged[layer] = bytes(len(faulty.blobs[layer]))
    result = puller.fails("pull", f"{faulty.address}/app", code=1)
    assert "is not what was promised" in result.err
    assert layer in result.err
    assert puller("images", "-q").lines == []


def test_a_truncated_layer_is_one_clear_message_and_no_image(faulty: FaultyRegistry, puller: Pier) -> None:
    layer = big_layer(faulty)
    faulty.forged[layer] = faulty.blobs[layer][:-1000]
    result = puller.fails("pull", f"{faulty.address}/app", code=1)
    assert layer in result.err
    assert puller("images", "-q").lines == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_pull_ended_midway_leaves_no_image_and_can_be_repeated(
    faulty: FaultyRegistry, puller: Pier, how: signal.Signals
) -> None:
    layer = big_layer(faulty)
    faulty.held[layer] = threading.Event()
    child = puller.start("pull", f"{faulty.address}/app")
    wait_until(lambda: faulty.asked(layer), what="the layer is asked for")
    child.send_signal(how)
    _, err = child.communicate(timeout=15)
    assert child.returncode != 0
    assert "Traceback" not in err
    assert puller("images", "-q").lines == []
    if how == signal.SIGINT:
        assert left_over(puller.root) == []
    faulty.held.pop(layer).set()
    puller("pull", f"{faulty.address}/app")
    assert len(puller("images", "-q").lines) == 1


def test_two_pulls_at_once_both_succeed(faulty: FaultyRegistry, puller: Pier) -> None:
    children = [puller.start("pull", f"{faulty.address}/app") for _ in range(2)]
    for child in children:
        _, err = child.communicate(timeout=60)
        assert child.returncode == 0, err
    assert len(faulty.asked(big_layer(faulty))) == 1
    assert len(puller("images", "-q").lines) == 1


def test_a_full_disk_is_named_with_the_way_out(faulty: FaultyRegistry, pier_command: list[str], tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size="3m") as disk:
        pier = Pier(pier_command, disk / "root", CHECKOUT)
        result = pier.fails("pull", f"{faulty.address}/app", code=1)
        assert "No space left on device" in result.err
        assert "pier system prune" in result.err
        assert left_over(disk / "root") == []
        assert pier("images", "-q").lines == []
