"""What a user asks for, over what the image says: Docker's rules of merging."""

from __future__ import annotations

from pathlib import Path

import pytest

from pier.engine import create
from pier.engine.context import Engine
from pier.engine.request import CreateRequest
from pier.errors import Invalid, NotFound
from pier.model.container import ContainerSpec, Healthcheck, Mount, NetworkAttachment
from pier.model.image import Image, ImageConfig
from pier.model.ports import PortBinding
from pier.state.paths import Paths


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(Paths(root=str(tmp_path), run=str(tmp_path / "run")), warn=lambda _: None, environ={})


def _merge(engine: Engine, config: ImageConfig, **asked: object) -> ContainerSpec:
    image = Image(
        id="sha256:1", manifest_digest="", created="", size=0, architecture="amd64", os="linux", config=config
    )
    request = CreateRequest(image="i", **asked)  # type: ignore[arg-type]
    return create.merge(engine, request, image, "f" * 64)


_BOTH = ImageConfig(entrypoint=("entry",), cmd=("cmd",))


@pytest.mark.parametrize(
    ("config", "asked", "argv"),
    [
        (_BOTH, {}, ("entry", "cmd")),
        (_BOTH, {"command": ("mine",)}, ("entry", "mine")),
        (_BOTH, {"entrypoint": ("other",)}, ("other",)),
        (_BOTH, {"entrypoint": ("other",), "command": ("mine",)}, ("other", "mine")),
        (_BOTH, {"entrypoint": (), "command": ("mine",)}, ("mine",)),
        (ImageConfig(cmd=("cmd",)), {}, ("cmd",)),
        (ImageConfig(cmd=("cmd",)), {"entrypoint": ("other",)}, ("other",)),
    ],
)
def test_entrypoint_and_command_combine(
    engine: Engine, config: ImageConfig, asked: dict[str, object], argv: tuple[str, ...]
) -> None:
    assert _merge(engine, config, **asked).argv == argv


@pytest.mark.parametrize(("config", "asked"), [(ImageConfig(), {}), (_BOTH, {"entrypoint": ()})])
def test_no_command_at_all_is_invalid(engine: Engine, config: ImageConfig, asked: dict[str, object]) -> None:
    with pytest.raises(Invalid, match="no command specified"):
        _merge(engine, config, **asked)


def test_the_images_settings_hold_until_the_user_says_otherwise(engine: Engine) -> None:
    config = ImageConfig(
        cmd=("c",),
        env=("A=1", "B=2"),
        working_dir="/srv/",
        user="app",
        stop_signal="SIGINT",
        labels={"a": "1", "b": "2"},
    )
    spec = _merge(engine, config)
    assert (spec.env, spec.working_dir, spec.user, spec.stop_signal) == (("A=1", "B=2"), "/srv", "app", "SIGINT")
    spec = _merge(engine, config, env=("B=3", "A"), working_dir="/x/../y", user="0", stop_signal="9", labels={"b": "3"})
    assert (spec.env, spec.working_dir, spec.user, spec.stop_signal) == (("B=3",), "/y", "0", "9")
    assert spec.labels == {"a": "1", "b": "3"}


def test_defaults_are_dockers(engine: Engine) -> None:
    spec = _merge(engine, ImageConfig(cmd=("c",)))
    assert (spec.working_dir, spec.user, spec.hostname, spec.stop_signal) == ("/", "", "f" * 12, "SIGTERM")
    assert (spec.stop_timeout, spec.shm_bytes, spec.network_mode) == (10, 64 << 20, "bridge")
    assert spec.networks == (NetworkAttachment(network="bridge"),) and spec.healthcheck is None


def test_a_grace_of_zero_seconds_is_not_the_default(engine: Engine) -> None:
    assert _merge(engine, ImageConfig(cmd=("c",)), stop_timeout=0).stop_timeout == 0


_CHECK = {"Test": ["CMD-SHELL", "ask"], "Interval": 5, "Retries": 7}


def test_a_health_check_keeps_what_is_not_overridden(engine: Engine) -> None:
    config = ImageConfig(cmd=("c",), healthcheck=_CHECK)
    assert _merge(engine, config).healthcheck == Healthcheck(test=("CMD-SHELL", "ask"), interval=5, retries=7)
    asked = Healthcheck(interval=9, timeout=1)
    merged = Healthcheck(test=("CMD-SHELL", "ask"), interval=9, timeout=1, retries=7)
    assert _merge(engine, config, healthcheck=asked).healthcheck == merged
    assert not _merge(engine, config, no_healthcheck=True).has_healthcheck
    assert _merge(engine, ImageConfig(cmd=("c",)), healthcheck=asked).healthcheck == asked


def test_each_volume_of_the_image_is_anonymous_unless_it_is_mounted_over(engine: Engine) -> None:
    config = ImageConfig(cmd=("c",), volumes=("/data/", "/log", "//spool"))
    mounts = {m.target: m for m in _merge(engine, config).mounts}
    assert set(mounts) == {"/data", "/log", "/spool"} and all(m.anonymous for m in mounts.values())
    named = Mount(kind="volume", source="db", target="/data/../data")
    mounts = {m.target: m for m in _merge(engine, config, mounts=(named,)).mounts}
    assert mounts["/data"] == named.replace(target="/data") and mounts["/log"].anonymous


@pytest.mark.parametrize("target", ["/", "//", "/x/..", "data"])
def test_a_mount_over_the_root_or_nowhere_is_invalid(engine: Engine, target: str) -> None:
    with pytest.raises(Invalid):
        _merge(engine, ImageConfig(cmd=("c",)), mounts=(Mount(kind="tmpfs", target=target),))


def test_a_volume_of_the_image_over_the_root_is_invalid(engine: Engine) -> None:
    with pytest.raises(Invalid, match="destination can't be '/'"):
        _merge(engine, ImageConfig(cmd=("c",), volumes=("/",)))


def test_one_target_mounted_twice_is_invalid(engine: Engine) -> None:
    mounts = (Mount(kind="tmpfs", target="/a"), Mount(kind="tmpfs", target="/b/../a/"))
    with pytest.raises(Invalid, match="Duplicate mount point: /a"):
        _merge(engine, ImageConfig(cmd=("c",)), mounts=mounts)


def test_publishing_all_takes_each_exposed_port_that_is_not_named(engine: Engine) -> None:
    config = ImageConfig(cmd=("c",), exposed_ports=("80/tcp", "53/udp", "443"))
    own = PortBinding(container_port=80, host_port=8080)
    ports = _merge(engine, config, ports=(own,), publish_all=True, exposed=("9/tcp", "80/tcp")).ports
    assert ports[0] == own
    assert [(p.container_port, p.protocol, p.host_port) for p in ports[1:]] == [
        (53, "udp", 0),
        (443, "tcp", 0),
        (9, "tcp", 0),
    ]
    assert _merge(engine, config, ports=(own,)).ports == (own,)


@pytest.mark.parametrize(
    "asked",
    [
        {"working_dir": "relative"},
        {"hostname": "x" * 65},
        {"hostname": "a/b"},
        {"hostname": "a b"},
        {"stop_signal": "SIGWHAT"},
        {"network_mode": "host", "networks": (NetworkAttachment(network="n"),)},
        {"networks": (NetworkAttachment(network="bridge", aliases=("a",)),)},
    ],
)
def test_what_cannot_be_meant_is_invalid(engine: Engine, asked: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        _merge(engine, ImageConfig(cmd=("c",)), **asked)


def test_the_network_of_a_container_that_is_not_there_is_not_found(engine: Engine) -> None:
    with pytest.raises(NotFound, match="No such container: ghost"):
        _merge(engine, ImageConfig(cmd=("c",)), network_mode="container:ghost")


@pytest.mark.parametrize("name", ["ab", "A0", "a_b.c-d", "0" * 200])
def test_names_docker_allows_are_allowed(name: str) -> None:
    create.check_name(name)


@pytest.mark.parametrize("name", ["", "a", "_a", ".a", "-a", "a/b", "a b", "é1", "a\n"])
def test_names_docker_refuses_are_refused(name: str) -> None:
    with pytest.raises(Invalid):
        create.check_name(name)
