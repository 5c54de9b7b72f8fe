"""What the engine is asked for, and when a fingerprint changes."""

from __future__ import annotations

from typing import Any

import pytest

from pier.compose import confighash, contents, creation
from pier.compose.creation import Placement
from pier.engine.request import CreateRequest
from pier.errors import NotFound, Unsupported
from pier.model.container import Mount, NetworkAttachment
from unit.compose.projects import Folder

PLACE = Placement(name="demo-web-1", number=1, config_hash="hash", image_id="sha256:1")


def asked(folder: Folder, body: str, top: str = "", **place: Any) -> CreateRequest:
    folder.file("compose.yaml", f"services:\n  web:\n    image: a\n{body}\n  other:\n    image: b\n{top}")
    project = folder.load()
    return creation.request(project, project.services["web"], PLACE.replace(**place))


def test_labels_let_every_compose_find_the_container(folder: Folder) -> None:
    labels = asked(folder, "    labels: {own: x}\n    depends_on: [other]").labels
    assert labels["own"] == "x"
    assert labels["com.docker.compose.project"] == "demo"
    assert labels["com.docker.compose.service"] == "web"
    assert labels["com.docker.compose.container-number"] == "1"
    assert labels["com.docker.compose.oneoff"] == "False"
    assert labels["com.docker.compose.depends_on"] == "other:service_started:false"
    assert labels["com.docker.compose.project.config_files"] == str(folder.path / "compose.yaml")


def test_the_service_is_found_by_its_name_and_aliases_on_each_network(folder: Folder) -> None:
    top = "    links: ['web:linked']\nnetworks: {front: {name: public}}\n"
    found = asked(folder, "    networks: {front: {aliases: [www], ipv4_address: 10.0.0.9}}", top)
    assert found.networks == (NetworkAttachment(network="public", aliases=("web", "linked", "www"), ip="10.0.0.9"),)
    assert asked(folder, "", one_off=True).networks[0].aliases == ()


def test_mounts_are_named_resolved_and_inherited(folder: Folder) -> None:
    body = "    volumes: ['data:/d:ro', './x:/x', /anon, {type: tmpfs, target: /t, tmpfs: {size: 1m, mode: 0700}}]"
    found = asked(folder, body, "volumes: {data: }\n", inherited={"/anon": "old", "/image": "kept"})
    assert found.mounts == (
        Mount(kind="volume", source="demo_data", target="/d", read_only=True),
        Mount(kind="bind", source=str(folder.path / "x"), target="/x", create_source=True),
        Mount(kind="volume", source="old", target="/anon", anonymous=True),
        Mount(kind="tmpfs", target="/t", options=("size=1048576", "mode=700")),
        Mount(kind="volume", source="kept", target="/image", anonymous=True),
    )


def test_limits_security_and_policies_are_passed_on(folder: Folder) -> None:
    found = asked(
        folder,
        """\
    mem_limit: 512m
    cpus: 1.5
    cap_add: [NET_ADMIN]
    security_opt: ["no-new-privileges:true", "seccomp:unconfined"]
    restart: on-failure:3
    stop_grace_period: 1m30s
    healthcheck: {disable: true}
    network_mode: service:other
    environment: {A: x, B: }
    ulimits: {nofile: {soft: 1, hard: 2}}""",
    )
    assert (found.resources.memory, found.resources.nano_cpus) == (512 << 20, 1_500_000_000)
    assert found.security.no_new_privileges and found.security.seccomp == "unconfined"
    assert (found.restart.name, found.restart.maximum, found.stop_timeout) == ("on-failure", 3, 90)
    assert (found.no_healthcheck, found.healthcheck) == (True, None)
    assert (found.network_mode, found.networks) == ("container:demo-other-1", ())
    assert found.env == ("A=x", "B")
    assert (found.resources.ulimits[0].soft, found.resources.ulimits[0].hard) == (1, 2)


def test_a_profile_nobody_has_here_is_refused_by_name(folder: Folder) -> None:
    with pytest.raises(Unsupported, match="security_opt apparmor:mine is not supported"):
        asked(folder, "    security_opt: ['apparmor:mine']")


def fingerprint(folder: Folder, body: str, **environ: str) -> str:
    folder.file("compose.yaml", f"services:\n  web:\n    image: a\n{body}\n")
    project = folder.load(environ=environ)
    found = contents.contents(project, project.services["web"])
    return confighash.service_hash(project, project.services["web"], contents.by_target(found))


def test_the_fingerprint_follows_what_a_container_is_made_of(folder: Folder) -> None:
    plain = fingerprint(folder, "")
    assert fingerprint(folder, "    profiles: []") == plain
    assert fingerprint(folder, "    scale: 3") == plain
    assert fingerprint(folder, "    deploy: {replicas: 3}") == plain
    assert fingerprint(folder, "    build: .") == plain
    assert fingerprint(folder, "    environment: {A: x}") != plain
    assert fingerprint(folder, "    environment: {A: x}") == fingerprint(folder, "    environment: [A=x]")


def test_the_fingerprint_follows_the_contents_of_secrets(folder: Folder) -> None:
    body = "    secrets: [word]\nsecrets: {word: {environment: WORD}}"
    assert fingerprint(folder, body, WORD="a") != fingerprint(folder, body, WORD="b")
    with pytest.raises(NotFound, match='environment variable "WORD" required by "word" is not set'):
        fingerprint(folder, body)
