"""Pulling, against a registry that answers as real ones do on bad days."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from archives import archive, directory, entry
from pier.errors import Corrupt, Denied, Exhausted, NotFound, Unavailable, Unsupported
from pier.images import manifest
from pier.images.pull import Progress, pull
from pier.images.registry import RegistryOptions, addresses, options_from
from pier.images.store import ImageStore
from registry import DOCKER_LIST, FaultyRegistry, Pushable, digest_of, image_of, index_of, serving

BASE = archive(directory("tmp", 0o1777), entry("etc/os-release", b"ID=test\n"))
BIG = archive(entry("big", os.urandom(400_000)))
TOP = archive(entry("tmp/x", b"top"))


@pytest.fixture
def registry() -> Iterator[FaultyRegistry]:
    with serving(FaultyRegistry()) as running:
        yield running


@pytest.fixture
def image(registry: FaultyRegistry) -> Pushable:
    made = image_of(BASE, BIG, TOP, Cmd=["sh"])
    registry.push("team/app", made, "v1")
    return made


def assert_untouched(store: ImageStore) -> None:
    """Nothing of a pull that failed is left."""
    assert store.list() == []
    assert os.listdir(store.paths.layers) == []
    assert os.listdir(store.paths.images + "/blobs/sha256") == []
    assert os.listdir(store.paths.tmp) == []


def test_an_image_arrives_whole_and_under_its_names(
    registry: FaultyRegistry, image: Pushable, store: ImageStore
) -> None:
    found = pull(store, f"{registry.address}/team/app:v1")
    assert found.repo_tags == (f"{registry.address}/team/app:v1",)
    assert found.repo_digests == (f"{registry.address}/team/app@{image.digest}",)
    assert found.config.cmd == ("sh",)
    dirs = store.layer_dirs(found)
    assert Path(dirs[0], "etc/os-release").read_text() == "ID=test\n"
    assert os.stat(dirs[1] + "/big").st_size == 400_000
    assert os.stat(dirs[2] + "/tmp").st_mode & 0o7777 == 0o1777
    assert store.resolve(found.repo_digests[0]) == found
    assert os.listdir(store.paths.tmp) == []


def test_progress_tells_the_way_of_each_layer_and_the_outcome(
    registry: FaultyRegistry, image: Pushable, store: ImageStore
) -> None:
    told: list[Progress] = []
    pull(store, f"{registry.address}/team/app:v1", on_progress=told.append)
    layer = image.layers[1].removeprefix("sha256:")[:12]
    steps = list(dict.fromkeys(item.status for item in told if item.layer == layer))
    assert steps == ["Pulling fs layer", "Downloading", "Extracting", "Pull complete"]
    assert told[0].status == "Pulling from team/app"
    assert told[-2].status == f"Digest: {image.digest}"
    assert told[-1].status == f"Status: Downloaded newer image for {registry.address}/team/app:v1"
    assert max(item.current for item in told if item.layer == layer) == len(image.blobs[image.layers[1]])


def test_what_is_there_is_not_fetched_again(registry: FaultyRegistry, image: Pushable, store: ImageStore) -> None:
    pull(store, f"{registry.address}/team/app:v1")
    registry.push("team/app", image_of(BASE, BIG, TOP, archive(entry("more", b"1"))), "v2")
    registry.requests.clear()
    told: list[Progress] = []
    pull(store, f"{registry.address}/team/app:v2", on_progress=told.append)
    assert [registry.asked(layer) for layer in image.layers] == [[], [], []]
    assert [item.status for item in told].count("Already exists") == 3
    told.clear()
    pull(store, f"{registry.address}/team/app:v2", on_progress=told.append)
    assert told[-1].status.startswith("Status: Image is up to date")


def test_a_moved_tag_leaves_the_old_image_dangling(
    registry: FaultyRegistry, image: Pushable, store: ImageStore
) -> None:
    old = pull(store, f"{registry.address}/team/app:v1")
    registry.push("team/app", image_of(TOP), "v1")
    new = pull(store, f"{registry.address}/team/app:v1")
    assert new.id != old.id
    assert store.resolve(old.id).dangling
    assert store.resolve(f"{registry.address}/team/app@{image.digest}").id == old.id


def test_dockers_manifest_is_stored_as_ocis(registry: FaultyRegistry, store: ImageStore) -> None:
    docker = image_of(BASE, docker=True)
    registry.push("app", docker, "latest")
    found = pull(store, f"{registry.address}/app")
    stored = store.layout.read_json_blob(found.manifest_digest)
    assert stored["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert stored["layers"][0]["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip"
    assert found.repo_digests == (f"{registry.address}/app@{docker.digest}",)


@pytest.mark.parametrize("media_type", [None, DOCKER_LIST])
def test_the_platform_is_chosen_from_a_list(
    registry: FaultyRegistry, store: ImageStore, media_type: str | None
) -> None:
    images = {
        "linux/amd64": image_of(BASE, A=1),
        "linux/arm/v6": image_of(BASE, A=2),
        "linux/arm/v7": image_of(BASE, A=3),
    }
    options = {"media_type": media_type} if media_type else {}
    body = registry.push_index("multi", images, "latest", **options)
    for platform, image in images.items():
        found = pull(store, f"{registry.address}/multi", platform=platform)
        assert found.id in image.blobs
        assert f"{registry.address}/multi@{digest_of(body)}" in found.repo_digests


def test_a_platform_that_is_missing_is_named_with_those_there_are(registry: FaultyRegistry, store: ImageStore) -> None:
    registry.push_index("multi", {"linux/amd64": image_of(BASE), "linux/s390x": image_of(TOP)}, "latest")
    with pytest.raises(NotFound) as refusal:
        pull(store, f"{registry.address}/multi", platform="linux/riscv64")
    assert "no image for linux/riscv64" in refusal.value.message
    assert "linux/amd64, linux/s390x" in refusal.value.why
    assert_untouched(store)


@pytest.mark.parametrize("name", ["team/app:nope", "no/where", "team/app@sha256:" + "0" * 64])
def test_an_unknown_image_is_not_found(registry: FaultyRegistry, image: Pushable, store: ImageStore, name: str) -> None:
    with pytest.raises(NotFound) as refusal:
        pull(store, f"{registry.address}/{name}")
    assert refusal.value.why == "unknown to us"
    assert_untouched(store)


def test_a_layer_with_other_bytes_is_corrupt_and_leaves_nothing(
    registry: FaultyRegistry, image: Pushable, store: ImageStore
) -> None:
    good = image.blobs[image.layers[1]]
    registry.forged[image.layers[1]] = good[:-1] + bytes([good[-1] ^ 1])
    with pytest.raises(Corrupt, match="not what was promised"):
        pull(store, f"{registry.address}/team/app:v1")
    assert store.list() == []
    assert image.layers[1].removeprefix("sha256:") not in os.listdir(store.paths.images + "/blobs/sha256")


@pytest.mark.parametrize("change", [lambda data: data[:-100], lambda data: data + b"more"], ids=["shorter", "longer"])
def test_a_layer_of_another_length_is_corrupt(
    registry: FaultyRegistry, image: Pushable, store: ImageStore, change: object
) -> None:
    registry.forged[image.layers[1]] = change(image.blobs[image.layers[1]])  # type: ignore[operator]
    with pytest.raises(Corrupt):
        pull(store, f"{registry.address}/team/app:v1")
    assert store.list() == []


def test_a_manifest_that_differs_from_its_digest_is_corrupt(
    registry: FaultyRegistry, image: Pushable, store: ImageStore
) -> None:
    registry.forged["v1"] = image.manifest + b" "
    with pytest.raises(Corrupt, match="not what was promised"):
        pull(store, f"{registry.address}/team/app:v1")
    registry.forged[image.digest] = image.manifest + b" "
    registry.hidden_digest = True
    with pytest.raises(Corrupt, match="not what was promised"):
        pull(store, f"{registry.address}/team/app@{image.digest}")
    assert_untouched(store)


def test_a_layer_that_unpacks_to_something_else_is_corrupt(registry: FaultyRegistry, store: ImageStore) -> None:
    lying, other = image_of(BASE), image_of(TOP)
    config = json.loads(lying.manifest)["config"]
    made = {**json.loads(other.manifest), "config": config}
    body = json.dumps(made).encode()
    registry.push("liar", Pushable(body, other.media_type, {**lying.blobs, **other.blobs}, []), "latest")
    with pytest.raises(Corrupt) as refusal:
        pull(store, f"{registry.address}/liar")
    assert "the configuration names" in refusal.value.why
    assert_untouched(store)


def test_a_broken_connection_is_resumed_where_it_broke(
    registry: FaultyRegistry, image: Pushable, store: ImageStore
) -> None:
    size = len(image.blobs[image.layers[1]])
    registry.cut_after[image.layers[1]] = [100_000, 150_000, size]
    found = pull(store, f"{registry.address}/team/app:v1")
    assert registry.asked(image.layers[1]) == ["", "bytes=100000-", "bytes=250000-"]
    assert os.stat(store.layer_dirs(found)[1] + "/big").st_size == 400_000


def test_a_registry_without_ranges_is_asked_from_the_start(
    registry: FaultyRegistry, image: Pushable, store: ImageStore
) -> None:
    registry.ranges = False
    registry.cut_after[image.layers[1]] = [100_000, len(image.blobs[image.layers[1]])]
    found = pull(store, f"{registry.address}/team/app:v1")
    assert os.stat(store.layer_dirs(found)[1] + "/big").st_size == 400_000


def test_a_connection_that_always_breaks_ends_the_pull(
    registry: FaultyRegistry, image: Pushable, store: ImageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pier.images.download._FIRST_PAUSE", 0.001)
    registry.cut_after[image.layers[1]] = [0] * 20
    with pytest.raises(Unavailable):
        pull(store, f"{registry.address}/team/app:v1")
    assert len(registry.asked(image.layers[1])) == 5
    assert store.list() == []


@pytest.fixture
def docker_config(tmp_path: Path, registry: FaultyRegistry) -> RegistryOptions:
    """Options whose config.json knows the password of `registry`, which asks for it."""
    registry.user, registry.password = "me", "secret:with:colons"
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"auths": {registry.address: {"auth": "bWU6c2VjcmV0OndpdGg6Y29sb25z"}}}))
    return RegistryOptions(docker_config=str(path))


@pytest.mark.parametrize("basic", [True, False], ids=["basic", "token"])
def test_a_private_image_is_pulled_with_the_login_of_docker(
    registry: FaultyRegistry, image: Pushable, store: ImageStore, docker_config: RegistryOptions, basic: bool
) -> None:
    registry.basic = basic
    found = pull(store, f"{registry.address}/team/app:v1", options=docker_config)
    assert len(store.layer_dirs(found)) == 3
    assert len(registry.tokens) == (0 if basic else 1)


@pytest.mark.parametrize("basic", [True, False], ids=["basic", "token"])
def test_a_private_image_without_a_login_is_denied(
    registry: FaultyRegistry, image: Pushable, store: ImageStore, basic: bool
) -> None:
    registry.user, registry.basic = "me", basic
    with pytest.raises(Denied) as refusal:
        pull(store, f"{registry.address}/team/app:v1")
    assert "auths" in refusal.value.hint
    assert_untouched(store)


def test_a_wrong_password_is_denied_with_the_file_it_came_from(
    registry: FaultyRegistry, image: Pushable, store: ImageStore, docker_config: RegistryOptions
) -> None:
    registry.password = "another"
    with pytest.raises(Denied) as refusal:
        pull(store, f"{registry.address}/team/app:v1", options=docker_config)
    assert docker_config.docker_config in refusal.value.hint
    assert refusal.value.why == "wrong password"


def test_a_credential_helper_is_named_as_not_run(
    registry: FaultyRegistry, image: Pushable, store: ImageStore, tmp_path: Path
) -> None:
    registry.user = "me"
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "pass"}))
    with pytest.raises(Denied) as refusal:
        options = RegistryOptions(docker_config=str(tmp_path / "config.json"))
        pull(store, f"{registry.address}/team/app:v1", options=options)
    assert "docker-credential-pass" in refusal.value.hint


def test_too_many_requests_tell_the_limit(registry: FaultyRegistry, image: Pushable, store: ImageStore) -> None:
    registry.status = 429
    registry.headers = {"RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": "0;w=21600", "Retry-After": "60"}
    with pytest.raises(Exhausted) as refusal:
        pull(store, f"{registry.address}/team/app:v1")
    assert "100;w=21600" in refusal.value.why
    assert "Retry-After: 60" in refusal.value.why


def test_a_failing_registry_is_unavailable(registry: FaultyRegistry, image: Pushable, store: ImageStore) -> None:
    registry.status = 503
    options = RegistryOptions(mirror=f"http://{registry.address}", https_proxy="http://127.0.0.1:9")
    with pytest.raises(Unavailable):
        pull(store, "alpine", options=options)


@pytest.mark.parametrize("address", ["127.0.0.1:9", "registry.invalid"])
def test_where_nobody_answers_the_pull_fails_at_once(store: ImageStore, address: str) -> None:
    before = time.monotonic()
    with pytest.raises(Unavailable) as refusal:
        pull(store, f"{address}/app")
    assert time.monotonic() - before < 5
    assert address.partition(":")[0] in refusal.value.why


def test_a_silent_registry_is_given_up_after_its_time(store: ImageStore) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        options = RegistryOptions(connect_seconds=0.2, read_seconds=0.2)
        with pytest.raises(Unavailable, match="cannot reach"):
            pull(store, f"127.0.0.1:{silent.getsockname()[1]}/app", options=options)


@pytest.fixture
def certificate(tmp_path: Path) -> str:
    """A key and a certificate of nobody's CA for 127.0.0.1, in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    path = str(tmp_path / "own.pem")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=own", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out", path + ".crt"]
    subprocess.run(command, check=True, capture_output=True)
    Path(path).write_text(Path(path).read_text() + Path(path + ".crt").read_text())
    return path


def test_a_private_ca_is_trusted_where_it_is_named(store: ImageStore, certificate: str) -> None:
    with serving(FaultyRegistry(), certificate=certificate) as registry:
        registry.push("app", image_of(BASE), "latest")
        with pytest.raises(Unavailable) as refusal:
            pull(store, f"{registry.address}/app")
        assert "certificate verify failed" in refusal.value.why
        found = pull(store, f"{registry.address}/app", options=RegistryOptions(ca_file=certificate))
    assert len(store.layer_dirs(found)) == 1


def test_a_mirror_is_asked_before_docker_hub(registry: FaultyRegistry, store: ImageStore) -> None:
    registry.push("library/alpine", image_of(BASE), "latest")
    found = pull(store, "alpine", options=RegistryOptions(mirror=f"http://{registry.address}/"))
    assert found.repo_tags == ("alpine:latest",)


def test_what_a_mirror_lacks_is_asked_of_docker_hub_itself(registry: FaultyRegistry, store: ImageStore) -> None:
    # The proxy refuses: that Hub was asked shows in what is said, wherever this test runs.
    options = RegistryOptions(mirror=f"http://{registry.address}", https_proxy="http://127.0.0.1:9")
    with pytest.raises(Unavailable, match="cannot reach the registry docker.io"):
        pull(store, "alpine", options=options)


def described(media_type: str, size: int) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(b""), "size": size}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"schemaVersion": 1}, Unsupported, "schema 1"),
        ({"config": described("application/vnd.cncf.helm.config.v1+json", 0)}, Unsupported, "not a container image"),
        ({"layers": "x"}, Corrupt, "damaged"),
        ({"layers": [{"mediaType": "x", "digest": "sha256:short", "size": 1}]}, Corrupt, "damaged"),
        ({"layers": [described("x", -1)]}, Corrupt, "damaged"),
        ({"layers": [described("x/foreign.tar", 1)]}, Unsupported, "cannot unpack"),
        ({"layers": []}, Corrupt, "does not match"),
    ],
)  # fmt: skip
def test_a_manifest_that_is_no_images_is_refused(
    registry: FaultyRegistry, image: Pushable, store: ImageStore, change: dict[str, object], error: type, words: str
) -> None:
    body = json.dumps({**json.loads(image.manifest), **change}).encode()
    registry.push("odd", Pushable(body, image.media_type, image.blobs, []), "latest")
    with pytest.raises(error, match=words):
        pull(store, f"{registry.address}/odd")
    assert_untouched(store)


def test_an_image_for_another_system_is_refused(registry: FaultyRegistry, store: ImageStore) -> None:
    registry.push("win", image_of(BASE, os="windows"), "latest")
    with pytest.raises(Unsupported, match="for windows"):
        pull(store, f"{registry.address}/win")


def test_two_pulls_of_one_image_fetch_it_once(registry: FaultyRegistry, image: Pushable, store: ImageStore) -> None:
    waiting = threading.Event()
    registry.held[image.layers[1]] = threading.Event()
    results: list[str] = []
    told: list[Progress] = []

    def second(progress: Progress) -> None:
        told.append(progress)
        if progress.status.startswith("Waiting"):
            waiting.set()

    name = f"{registry.address}/team/app:v1"
    first = threading.Thread(target=lambda: results.append(pull(store, name).id))
    first.start()
    while not registry.asked(image.layers[1]):
        first.join(0.01)
    other = threading.Thread(target=lambda: results.append(pull(store, name, on_progress=second).id))
    other.start()
    assert waiting.wait(10)
    registry.held[image.layers[1]].set()
    first.join()
    other.join()
    assert results[0] == results[1]
    assert [len(registry.asked(layer)) for layer in image.layers] == [1, 1, 1]
    assert [item.status for item in told].count("Already exists") == 3


PULL = (
    "import sys; from pier.images.pull import pull; from pier.images.store import ImageStore\n"
    "from pier.state.paths import Paths\n"
    "try:\n    pull(ImageStore(Paths(root=sys.argv[1], run='')), sys.argv[2])\n"
    "except KeyboardInterrupt:\n    print('interrupted')\n"
)


@pytest.mark.parametrize("signal", [2, 9])
def test_an_interrupted_pull_leaves_nothing_visible_and_the_next_one_cleans_up(
    registry: FaultyRegistry, image: Pushable, store: ImageStore, signal: int
) -> None:
    registry.held[image.layers[0]] = threading.Event()
    name = f"{registry.address}/team/app:v1"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PULL, store.paths.root, name]
    child = subprocess.Popen(command, env=env, stdout=subprocess.PIPE)
    while not registry.asked(image.layers[0]) or not registry.asked(image.layers[2]):
        assert child.poll() is None
    child.send_signal(signal)
    out, _ = child.communicate(timeout=10)
    if signal == 2:
        assert out == b"interrupted\n"
        assert_untouched(store)
    assert store.list() == []
    assert os.listdir(store.paths.layers) == []
    registry.held.pop(image.layers[0]).set()
    assert len(store.layer_dirs(pull(store, name))) == 3
    assert os.listdir(store.paths.tmp) == []


def test_options_come_from_the_usual_variables() -> None:
    options = options_from(
        {
            "HOME": "/home/me",
            "https_proxy": "http://proxy:3128",
            "NO_PROXY": "localhost, .corp.example,",
            "SSL_CERT_FILE": "/ca.pem",
            "PIER_REGISTRY_MIRROR": "https://mirror.example",
        }
    )
    assert options.docker_config == "/home/me/.docker/config.json"
    assert options.https_proxy == "http://proxy:3128"
    assert options.no_proxy == ("localhost", ".corp.example")
    assert (options.ca_file, options.mirror) == ("/ca.pem", "https://mirror.example")
    assert options_from({}) == RegistryOptions()


@pytest.mark.parametrize(
    ("domain", "bases"),
    [
        ("ghcr.io", ["https://ghcr.io"]),
        ("localhost:5000", ["http://localhost:5000", "https://localhost:5000"]),
        ("127.1.2.3", ["http://127.1.2.3", "https://127.1.2.3"]),
        ("[::1]:5000", ["http://[::1]:5000", "https://[::1]:5000"]),
        ("127.0.0.1.example.com", ["https://127.0.0.1.example.com"]),
        ("localhost.example.com:80", ["https://localhost.example.com:80"]),
    ],
)
def test_only_this_machines_registries_are_spoken_to_without_tls(domain: str, bases: list[str]) -> None:
    assert [address.base for address in addresses(domain, RegistryOptions())] == bases


def test_a_list_without_the_exact_variant_gives_the_general_one() -> None:
    listed = json.loads(index_of({"linux/arm64": image_of(BASE), "unknown/unknown": image_of(TOP)}))
    assert manifest.choose(listed, manifest.parse_platform("arm64"), "x").digest == image_of(BASE).digest
    assert str(manifest.parse_platform("aarch64")) == "linux/arm64/v8"
