"""podman with pier as its runtime: an engine that knows nothing of pier drives `pier oci`."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import bundles
from harness import Pier, wait_until

_CONFIGURATION = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
_TRIES = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"'
Podman = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def podman(pier: Pier, tmp_path: Path) -> Iterator[Podman]:
    """podman over a store of its own, with the image busybox and `pier oci` as its runtime."""
    if shutil.which("podman") is None:
        pytest.skip("needs podman (apt)")
    (tmp_path / "containers.conf").write_text(_CONFIGURATION)
    runtime = tmp_path / "pier-oci"
    words = " ".join([*pier.command, "--root", str(pier.root), "oci", "--root", str(tmp_path / "state")])
    runtime.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    runtime.chmod(0o755)
    env = {**os.environ, "CONTAINERS_CONF": str(tmp_path / "containers.conf")}
    # podman refuses a longer path than 50 characters.
    short = tempfile.mkdtemp(prefix="pier")
    store = [f"--{name}={short}/{name}" for name in ("root", "runroot", "tmpdir")]
    # conmon takes a mixture of cgroup versions for version 2: the version 2 tree is hidden.
    prefix = ["unshare", "-m", "sh", "-c", _TRIES, "sh", "podman", *store, "--runtime", str(runtime)]

    def run(*argv: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*prefix, *argv], input=stdin, capture_output=True, text=True, timeout=120, env=env)

    archive = tmp_path / "rootfs.tar"
    subprocess.run(
        ["tar", "-C", str(bundles.busybox(pier, tmp_path / "bundle").rootfs), "-cf", str(archive), "."], check=True
    )
    imported = run("import", str(archive), "busybox")
    assert imported.returncode == 0, imported.stderr
    yield run
    run("rm", "-f", "-a", "-t", "0")
    wait_until(_groups_are_gone, what="conmon has left podman's control groups")
    shutil.rmtree(short)


def _groups_are_gone() -> bool:
    for name in ("conmon", ""):
        for folder in Path("/sys/fs/cgroup").glob(f"*/libpod_parent/{name}"):
            try:
                folder.rmdir()
            except OSError:
                return False
    return True


def test_podman_runs_a_container(podman: Podman) -> None:
    done = podman("run", "--rm", "--network", "none", "-i", "busybox", "sh", "-c", "cat; id -u; exit 5", stdin="in\n")
    assert (done.stdout.split(), done.returncode) == (["in", "0"], 5), done.stderr


def test_podman_sets_limits_and_mounts(podman: Podman, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("from the host\n")
    limit = "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null"
    script = f"cat /file; {limit}; grep Seccomp: /proc/self/status"
    options = ("--network", "host", "--pids-limit", "50", "-v", f"{tmp_path}/file:/file:ro")
    done = podman("run", "--rm", *options, "busybox", "sh", "-c", script)
    assert done.stdout.split() == ["from", "the", "host", "50", "Seccomp:", "2"], done.stderr


def test_podman_keeps_a_container(podman: Podman) -> None:
    script = "trap 'exit 3' TERM; while :; do sleep 0.05; done"
    begun = podman("run", "-d", "--name", "kept", "--network", "none", "busybox", "sh", "-c", script)
    assert begun.returncode == 0, begun.stderr
    assert podman("exec", "kept", "id", "-u").stdout == "0\n"
    assert podman("exec", "-t", "kept", "tty").stdout.startswith("/dev/pts/")
    assert podman("stop", "kept").returncode == 0
    assert podman("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "kept").stdout == "exited 3\n"
    assert podman("rm", "kept").returncode == 0


def test_podman_tells_of_a_program_that_is_not_there(podman: Podman) -> None:
    done = podman("run", "--rm", "--network", "none", "busybox", "nosuch")
    assert done.returncode == 127
    assert "not found in $PATH" in done.stderr
