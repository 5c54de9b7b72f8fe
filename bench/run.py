"""Compare pier with Docker and Podman in one run, alternating, in a network and mount namespace of its own.

Usage: run.py --pier PATH [--rounds N] [--only TEXT] [--write FILE]. Nothing of it stays: the namespaces end with it,
and the stores lie in a folder that is removed; pier's store is kept in `.cache/bench` so that images are made once.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import compose_plugin
import report
from dockerd import Absent, remove_cgroups
from peers import Failed, Peer, docker_peer, pier_peer, podman_peer
from rows import ROWS, Row

CHECKOUT = Path(__file__).resolve().parent.parent
CACHE = CHECKOUT / ".cache" / "bench"
API_CHANGES = [
    'CMD ["uvicorn", "app:app", "--host", "0.0.0.0", "--port", "8000"]',
    "WORKDIR /app",
    "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
]

# busybox's tar knows no --exclude.
ROOT_ARCHIVE = "cd / && tar -cf - $(ls -A | grep -vx -e proc -e sys -e dev)"


def main() -> int:
    options = _options()
    if os.geteuid() != 0:
        print("make bench: lacking: root (private daemons and namespaces)", file=sys.stderr)
        return 1
    if options.inside:
        return _measure(options)
    _prepare(options.pier)
    # A shell as pid 1 reaps what the engines' helpers leave to it; --kill-child ends everything with the run.
    enter = [
        "unshare",
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "--propagation",
        "private",
    ]
    again = [sys.executable, __file__, "--inside", *sys.argv[1:]]
    try:
        return subprocess.run([*enter, "sh", "-c", '"$@"; exit $?', "sh", *again], check=False).returncode
    finally:
        remove_cgroups("docker")
        remove_cgroups("libpod_parent")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pier", type=Path, required=True, help="the pier command to measure")
    parser.add_argument("--rounds", type=int, default=0, help="rounds for every row instead of the row's own number")
    parser.add_argument("--only", default="", help="measure rows whose title holds this text")
    parser.add_argument("--peers", default="docker,podman", help="peers to start, by comma")
    parser.add_argument("--write", type=Path, help="write the table between the markers of this file")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.pier = options.pier.absolute()
    return options


def _prepare(command: Path) -> None:
    """What comes from outside is here before the network is left: pier's two images, Docker's compose plugin."""
    peer = pier_peer(str(command), CACHE / "store")
    peer.run("pull", "busybox")
    peer.run("build", "-t", "bench-api", CHECKOUT / "examples" / "simple-api")
    compose_plugin.ready(CACHE / "client")


def _measure(options: argparse.Namespace) -> int:
    load = os.getloadavg()[0]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    rows = [row for row in ROWS if options.only in row.title]
    scratch = Path(tempfile.mkdtemp(prefix="pier-bench-"))
    try:
        with ExitStack() as stack:
            peers, absent = _peers(options, stack, scratch)
            _share_images(peers, scratch)
            lines = [_row(row, peers, absent, options.rounds or row.rounds, scratch) for row in rows]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    names = [f"{peer.name} {peer.version}" for peer in peers] + list(absent)
    text = f"{_machine(load)}\n\n{report.table(names, lines)}"
    print(text)
    if options.write:
        report.write_between_markers(options.write, text)
    return 0


def _peers(options: argparse.Namespace, stack: ExitStack, scratch: Path) -> tuple[list[Peer], dict[str, str]]:
    """Those that run, pier first, and those that do not, with the reason."""
    peers = [pier_peer(str(options.pier), CACHE / "store")]
    absent: dict[str, str] = {}
    wanted = {
        "Docker": lambda: docker_peer(scratch / "docker", CACHE / "client"),
        "Podman": lambda: podman_peer(scratch / "podman"),
    }
    for name, opened in wanted.items():
        if name.lower() not in options.peers.split(","):
            continue
        try:
            peers.append(stack.enter_context(opened()))
        except Absent as exc:
            absent[name] = f"{name} is absent: {exc}"
    return peers, absent


def _share_images(peers: Sequence[Peer], scratch: Path) -> None:
    """Give the others the images that pier has, as root file systems."""
    pier, *others = peers
    for image, shown, changes in (("busybox", "busybox", ['CMD ["sh"]']), ("bench-api", "bench-api", API_CHANGES)):
        archive = scratch / f"{image}.tar"
        with archive.open("wb") as out:
            argv = [*pier.prefix, "run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "sh", image]
            subprocess.run([*argv, "-c", ROOT_ARCHIVE], stdout=out, env={**os.environ, **pier.env}, check=True)
        for peer in others:
            peer.load(shown, archive, changes)
        archive.unlink()


def _row(row: Row, peers: Sequence[Peer], absent: dict[str, str], rounds: int, scratch: Path) -> report.Line:
    """Measure *row*: every round asks each peer once, so that what else the machine does falls on all alike."""
    values: dict[str, list[float]] = {peer.name: [] for peer in peers}
    problems: dict[str, str] = {}
    begun = time.monotonic()
    with ExitStack() as stack:
        measures = {}
        for peer in peers:
            try:
                measures[peer.name] = stack.enter_context(row.open(peer, scratch))
                measures[peer.name]()
            except (Failed, Absent, OSError) as exc:
                problems[peer.name] = f"{peer.name}: {exc}"
        for _ in range(rounds):
            for name, measure in measures.items():
                if name not in problems:
                    _once(name, measure, values, problems)
    print(f"  {row.title}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    cells = [
        report.Cell(problem=problems[peer.name]) if peer.name in problems else report.Cell(tuple(values[peer.name]))
        for peer in peers
    ]
    return report.Line(row.title, row.unit, [*cells, *(report.Cell(problem=reason) for reason in absent.values())])


def _once(name: str, measure: object, values: dict[str, list[float]], problems: dict[str, str]) -> None:
    assert callable(measure)
    try:
        values[name].append(measure())
    except (Failed, Absent, OSError) as exc:
        problems[name] = f"{name}: {exc}"


def _machine(load: float) -> str:
    """What was measured on, without naming the machine."""
    processor = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return (
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores ({processor}), Linux {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}, load average at the start {load:.1f}. "
        "Medians; one warm-up and then rounds that alternate between the peers."
    )


if __name__ == "__main__":
    sys.exit(main())
