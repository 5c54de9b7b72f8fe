"""The engines compared: one command-line prefix each, over a private store. They are given the same words."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import compose_plugin
from dockerd import Absent, private_dockerd, remove_cgroups

COMMAND_SECONDS = 300.0
_CGROUP2 = Path("/sys/fs/cgroup/unified/cgroup.controllers")
_PODMAN_CONFIGURATION = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


class Failed(Exception):
    """A peer's command ended with an error; the message is its last line."""


@dataclass(frozen=True)
class Peer:
    """An engine under test. *daemons*: substrings of the names of the processes that stay when nothing runs."""

    name: str
    version: str
    prefix: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    compose: tuple[str, ...] | None = None
    no_compose: str = ""
    daemons: tuple[str, ...] = ()
    remove: tuple[str, ...] = ("rm", "-f")

    def run(self, *words: object, cwd: Path | None = None) -> str:
        """The command's output; Failed on a non-zero exit."""
        return self._call((*self.prefix, *map(str, words)), cwd)[0]

    def timed(self, *words: object, cwd: Path | None = None) -> float:
        """Seconds from starting the client to its end."""
        return self._call((*self.prefix, *map(str, words)), cwd)[1]

    def compose_timed(self, *words: object, cwd: Path) -> float:
        if self.compose is None:
            raise Absent(self.no_compose)
        return self._call((*self.compose, *map(str, words)), cwd)[1]

    def _call(self, argv: tuple[str, ...], cwd: Path | None) -> tuple[str, float]:
        environment = {**os.environ, **self.env}
        begun = time.perf_counter()
        try:
            done = subprocess.run(
                argv,
                capture_output=True,
                text=True,
                errors="replace",
                cwd=cwd,
                env=environment,
                timeout=COMMAND_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"{' '.join(argv[-6:])}: no end after {COMMAND_SECONDS:g} s") from None
        seconds = time.perf_counter() - begun
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise Failed(f"{' '.join(argv[len(self.prefix) :][:6])}: exit {done.returncode}: {' '.join(last)}")
        return done.stdout, seconds

    def load(self, image: str, archive: Path, changes: list[str]) -> None:
        """Have *image*, made of a root file system's *archive* and Dockerfile-like *changes*."""
        options = [word for change in changes for word in ("--change", change)]
        self.run("import", *options, archive, image)


def pier_peer(command: str, root: Path) -> Peer:
    version = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    environment = {"PIER_ROOT": str(root)}
    return Peer("pier", version, (command,), environment, compose=(command, "compose"))


@contextmanager
def docker_peer(folder: Path, plugins: Path) -> Iterator[Peer]:
    """Docker with a private daemon; Absent when client or daemon is missing."""
    client = _client_of_the_daemon()
    with private_dockerd(folder) as host:
        environment = {"DOCKER_HOST": host}
        server = _words(client, "version", "--format", "{{.Server.Version}}", env=environment)
        with_plugin = compose_plugin.ready(plugins)
        found = (client, "--config", str(with_plugin), "compose") if with_plugin else None
        yield Peer(
            "Docker",
            server.split("+")[0],
            (client,),
            environment,
            compose=found,
            no_compose="no compose plugin",
            daemons=("dockerd", "containerd"),
        )


def _client_of_the_daemon() -> str:
    """The docker client that came with the daemon, where the machine has several."""
    for candidate in ("/usr/bin/docker", shutil.which("docker")):
        if candidate and os.path.exists(candidate):
            return candidate
    raise Absent("no docker client (Debian: docker.io)")


@contextmanager
def podman_peer(folder: Path) -> Iterator[Peer]:
    """Podman over a private store; Absent when it is not installed."""
    if shutil.which("podman") is None:
        raise Absent("not installed (Debian: podman)")
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "containers.conf"
    configuration.write_text(_PODMAN_CONFIGURATION)
    store = ("--root", f"{folder}/data", "--runroot", f"{folder}/run", "--tmpdir", f"{folder}/tmp")
    with _legacy_cgroups() as entered:
        yield Peer(
            "Podman",
            _words("podman", "--version").split()[-1],
            (*entered, "podman", *store),
            {"CONTAINERS_CONF": str(configuration)},
            no_compose="no compose of its own",
            remove=("rm", "-f", "-t", "0"),  # without -t it waits ten seconds for a program that ignores SIGTERM
        )
    remove_cgroups("libpod_parent")


@contextmanager
def _legacy_cgroups() -> Iterator[tuple[str, ...]]:
    """A prefix that hides the cgroup v2 tree where crun refuses a mixture: the mount namespace of a sleeper (1 ms)."""
    if not _CGROUP2.exists() or not _CGROUP2.read_text().strip():
        yield ()
        return
    script = f"umount {_CGROUP2.parent} && echo ready && exec sleep infinity"
    sleeper = subprocess.Popen(["unshare", "-m", "sh", "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert sleeper.stdout is not None
        sleeper.stdout.readline()
        yield ("nsenter", "-t", str(sleeper.pid), "-m", "--")
    finally:
        sleeper.kill()
        sleeper.communicate()


def _words(*argv: str, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, **(env or {})}, check=False)
    return done.stdout.strip()
