"""What is measured. A row prepares a peer, yields one repeatable measurement, and clears up after itself."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import memory
from peers import Peer

Measure = Callable[[], float]
_STACK = """\
services:
  db:
    image: busybox
    command: httpd -f -p 5432 -h /bin
    healthcheck: {test: ["CMD", "true"], interval: 200ms, timeout: 5s, retries: 20}
    stop_grace_period: 1s
    stop_signal: SIGKILL
  web:
    image: busybox
    command: httpd -f -p 80 -h /bin
    stop_signal: SIGKILL
    depends_on: {db: {condition: service_healthy}}
"""
_DOCKERFILE = """\
FROM busybox
WORKDIR /srv
COPY index.html .
RUN echo built > /srv/stamp
CMD ["httpd", "-f"]
"""


@dataclass(frozen=True)
class Row:
    """*unit* is "ms" or "MB"; *rounds* how often each peer is measured."""

    title: str
    unit: str
    rounds: int
    open: Callable[[Peer, Path], AbstractContextManager[Measure]]


@contextmanager
def _running(peer: Peer, count: int = 1, *extra: str) -> Iterator[list[str]]:
    """Names of *count* containers that sleep; all removed at the end."""
    names = [f"bench-{number}" for number in range(count)]
    try:
        for name in names:
            peer.run("run", "-d", "--name", name, *(extra or ("--network", "none")), "busybox", "sleep", "100000")
        yield names
    finally:
        if names:
            peer.run(*peer.remove, *names)


def _run(*network: str) -> Callable[[Peer, Path], AbstractContextManager[Measure]]:
    @contextmanager
    def row(peer: Peer, scratch: Path) -> Iterator[Measure]:
        yield lambda: peer.timed("run", "--rm", *network, "busybox", "true")

    return row


@contextmanager
def _run_detached(peer: Peer, scratch: Path) -> Iterator[Measure]:
    def measure() -> float:
        started = peer.timed("run", "-d", "--name", "bench-d", "busybox", "sleep", "100000")
        return started + peer.timed(*peer.remove, "bench-d")

    yield measure


@contextmanager
def _exec(peer: Peer, scratch: Path) -> Iterator[Measure]:
    with _running(peer) as (name,):
        yield lambda: peer.timed("exec", name, "true")


def _ps(count: int) -> Callable[[Peer, Path], AbstractContextManager[Measure]]:
    @contextmanager
    def row(peer: Peer, scratch: Path) -> Iterator[Measure]:
        with _running(peer, count):
            yield lambda: peer.timed("ps")

    return row


@contextmanager
def _images(peer: Peer, scratch: Path) -> Iterator[Measure]:
    yield lambda: peer.timed("images")


@contextmanager
def _logs(peer: Peer, scratch: Path) -> Iterator[Measure]:
    peer.run("run", "--name", "bench-l", "--network", "none", "busybox", "seq", "100")
    try:
        yield lambda: peer.timed("logs", "bench-l")
    finally:
        peer.run(*peer.remove, "bench-l")


@contextmanager
def _start_to_health(peer: Peer, scratch: Path) -> Iterator[Measure]:
    def measure() -> float:
        begun = time.perf_counter()
        peer.run("run", "-d", "--name", "bench-h", "-p", "18080:8000", "bench-api")
        _answered("http://127.0.0.1:18080/health")
        seconds = time.perf_counter() - begun
        peer.run(*peer.remove, "bench-h")
        return seconds

    yield measure


def _answered(url: str, *, within: float = 60.0) -> None:
    deadline = time.monotonic() + within
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1.0) as answer:
                answer.read()
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


@contextmanager
def _compose(peer: Peer, scratch: Path) -> Iterator[Measure]:
    project = scratch / f"stack-{peer.name.lower()}"
    project.mkdir(exist_ok=True)
    (project / "compose.yaml").write_text(_STACK)

    def measure() -> float:
        up = peer.compose_timed("up", "-d", "--wait", cwd=project)
        return up + peer.compose_timed("down", cwd=project)

    yield measure


@contextmanager
def _cached_build(peer: Peer, scratch: Path) -> Iterator[Measure]:
    context = scratch / "context"
    context.mkdir(exist_ok=True)
    (context / "Dockerfile").write_text(_DOCKERFILE)
    (context / "index.html").write_text("bench\n")
    build = ("build", "--network", "none", "-t", "bench-built", context)
    peer.run(*build)
    yield lambda: peer.timed(*build)
    peer.run("rmi", "-f", "bench-built")


def _held(count: int) -> Callable[[Peer, Path], AbstractContextManager[Measure]]:
    @contextmanager
    def row(peer: Peer, scratch: Path) -> Iterator[Measure]:
        def measure() -> float:
            before = memory.processes()
            with _running(peer, count, "--network", "bridge" if peer.name != "Podman" else "podman"):
                return memory.engine_bytes(memory.processes() - before) / count

        yield measure

    return row


@contextmanager
def _idle(peer: Peer, scratch: Path) -> Iterator[Measure]:
    yield lambda: float(memory.engine_bytes(memory.named(peer.daemons))) if peer.daemons else 0.0


ROWS = (
    Row("`run --rm busybox true`", "ms", 15, _run()),
    Row("`run --rm --network none busybox true`", "ms", 15, _run("--network", "none")),
    Row("`run -d` + `rm -f`", "ms", 10, _run_detached),
    Row("`exec true`", "ms", 20, _exec),
    Row("`ps`, no container", "ms", 20, _ps(0)),
    Row("`ps`, 10 containers", "ms", 20, _ps(10)),
    Row("`ps`, 100 containers", "ms", 20, _ps(100)),
    Row("`images`", "ms", 20, _images),
    Row("`logs`, 100 lines", "ms", 20, _logs),
    Row("start to first answered `/health`", "ms", 5, _start_to_health),
    Row("`compose up -d --wait` + `down`, two services", "ms", 5, _compose),
    Row("cached `build`, four steps", "ms", 10, _cached_build),
    Row("memory held for one running container", "MB", 3, _held(1)),
    Row("memory held per container, ten running", "MB", 1, _held(10)),
    Row("memory held at idle", "MB", 1, _idle),
)
