"""`pier oci` itself: what it refuses, what it logs, and the hooks inside the container."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import bundles
from bundles import Bundle, Runtime
from harness import Pier, wait_until

_NAME = "pier-oci-test"


@pytest.fixture
def runtime(pier: Pier, tmp_path: Path) -> Iterator[Runtime]:
    found = bundles.runtime("pier", pier, tmp_path / "state")
    found.containers.add(_NAME)
    yield found
    found.close()


@pytest.fixture
def bundle(pier: Pier, tmp_path: Path) -> Bundle:
    return bundles.busybox(pier, tmp_path / "bundle")


def test_a_start_container_hook_runs_inside_with_the_state(runtime: Runtime, bundle: Bundle) -> None:
    script = "cat > /dev/shm/state"
    hook = {"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"]}
    bundle.changed(lambda config: config.update(hooks={"startContainer": [hook]})).script("cat /dev/shm/state")
    state = json.loads(runtime.run("run", "--bundle", bundle.folder, _NAME).stdout)
    assert (state["id"], state["status"], state["pid"]) == (_NAME, "created", 1)


def test_a_failing_poststart_hook_stops_the_container(runtime: Runtime, bundle: Bundle) -> None:
    hook = {"path": "/bin/sh", "args": ["sh", "-c", "echo because >&2; exit 3"]}
    bundle.changed(lambda config: config.update(hooks={"poststart": [hook]})).script("sleep 1000")
    assert runtime.quiet("create", "--bundle", bundle.folder, _NAME) == 0
    done = runtime.run("start", _NAME)
    assert done.returncode != 0
    assert "hooks.poststart[0]" in done.stderr
    assert "because" in done.stderr
    wait_until(lambda: runtime.status(_NAME) == "stopped", what="the container is stopped")


def test_what_fails_is_logged_as_json(runtime: Runtime, bundle: Bundle, tmp_path: Path) -> None:
    bundle.changed(lambda config: config["linux"].update(mountLabel="x"))
    log = tmp_path / "log"
    done = runtime.run("--log", log, "--log-format", "json", "create", "--bundle", bundle.folder, _NAME)
    assert done.returncode == 1
    assert "linux.mountLabel" in done.stderr
    (entry,) = [json.loads(line) for line in log.read_text().splitlines()]
    assert (entry["level"], "linux.mountLabel" in entry["msg"]) == ("error", True)
    assert runtime.run("state", _NAME).returncode == 1


@pytest.mark.parametrize(
    "words",
    [
        ("--systemd-cgroup", "list"),
        ("run", "--no-pivot", _NAME),
        ("checkpoint", _NAME),
        ("exec", "--apparmor", "p", _NAME),
    ],
)
def test_what_is_not_supported_is_refused_by_name(runtime: Runtime, words: tuple[str, ...]) -> None:
    done = runtime.run(*words)
    assert done.returncode != 0
    refused = next(word for word in words if word.startswith("--") or word == "checkpoint")
    assert refused.removeprefix("--") in done.stderr
    assert "Traceback" not in done.stderr


def test_a_paused_container_stands_still(runtime: Runtime, bundle: Bundle) -> None:
    assert runtime.quiet("run", "--detach", "--bundle", bundle.script("sleep 1000").folder, _NAME) == 0
    assert runtime.quiet("pause", _NAME) == 0
    wait_until(lambda: runtime.status(_NAME) == "paused", what="the container is paused")
    assert runtime.quiet("resume", _NAME) == 0
    assert runtime.status(_NAME) == "running"
    assert _NAME in runtime.run("list", "--quiet").stdout.split()


def test_a_bundle_that_is_not_there_is_named(runtime: Runtime, tmp_path: Path) -> None:
    done = runtime.run("create", "--bundle", tmp_path / "none", _NAME)
    assert done.returncode == 1
    assert f"{tmp_path}/none/config.json" in done.stderr
