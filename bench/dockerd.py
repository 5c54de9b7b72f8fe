"""A private Docker daemon: its own data, socket and pid file, started here and gone afterwards.

Usage by hand: `unshare -n -m python bench/dockerd.py FOLDER COMMAND...` runs COMMAND with DOCKER_HOST set. Wants a
network namespace of its own, because a starting dockerd changes the firewall and the forwarding of the one it is in.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_START_SECONDS = 30.0
_STOP_SECONDS = 20.0
_CGROUPS = Path("/sys/fs/cgroup")


class Absent(Exception):
    """There is no such peer on this machine; the message says why."""


@contextmanager
def private_dockerd(folder: Path) -> Iterator[str]:
    """The DOCKER_HOST of a running daemon whose every file lies in *folder*. Absent when it does not start."""
    daemon = shutil.which("dockerd", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if daemon is None:
        raise Absent("no dockerd (Debian: docker.io)")
    folder.mkdir(parents=True, exist_ok=True)
    host = f"unix://{folder}/docker.sock"
    arguments = ["--data-root", folder / "data", "--exec-root", folder / "exec", "--pidfile", folder / "dockerd.pid"]
    with (folder / "dockerd.log").open("wb") as log:
        process = subprocess.Popen(
            [daemon, *map(str, arguments), "--host", host], stdout=log, stderr=log, start_new_session=True
        )
    try:
        _await_answer(process, host, folder / "dockerd.log")
        yield host
    finally:
        _stop(process)
        remove_cgroups("docker")


def remove_cgroups(name: str) -> None:
    """The empty control groups called *name* are gone from every hierarchy."""
    for top in _CGROUPS.glob(f"*/{name}"):
        for directory, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(directory)
            except OSError:
                continue


def _await_answer(process: subprocess.Popen[bytes], host: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        asked = subprocess.run(["docker", "--host", host, "version"], capture_output=True, check=False)
        if asked.returncode == 0:
            return
        time.sleep(0.05)
    last = log.read_text(errors="replace").splitlines()[-1:]
    raise Absent(f"dockerd does not start here: {' '.join(last)}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """The daemon, its containerd and its shims have ended."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def main(folder: str, *command: str) -> int:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    try:
        with private_dockerd(Path(folder).resolve()) as host:
            return subprocess.run(command, env={**os.environ, "DOCKER_HOST": host}, check=False).returncode
    except Absent as exc:
        print(f"dockerd.py: {exc}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
