"""Kill pier's processes at chosen points: before their N-th system call of a kind, or after a random time.

strace(1) injects the SIGKILL, which makes each point repeatable: "before the 3rd rename of each process". Imports
nothing of pier.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import leaks
from harness import Pier, wait_until

# What changes a file system, a namespace or the set of processes; openat and write are too many to say more.
CALLS = (
    "clone,clone3,fork,vfork,link,linkat,mkdir,mkdirat,mount,rename,renameat,renameat2,rmdir,sendmsg,sendto,setns"
    ",symlink,symlinkat,umount2,unlink,unlinkat,unshare,write"
).split(",")
_COUNTED = re.compile(r"^(\d+)\s+(\w+)\(")
_COMMAND_SECONDS = 120.0
_SETTLE_SECONDS = 3.0


@dataclass(frozen=True)
class Point:
    """Before the *number*-th *call* of the command alone, or (*all*) of each of its processes."""

    call: str
    number: int
    all: bool
    effect: str = "signal=SIGKILL"

    def __str__(self) -> str:
        return f"({self.effect}) before {self.call} {self.number} of {'each process' if self.all else 'the command'}"

    @property
    def arguments(self) -> list[str]:
        follow = ["-f"] if self.all else []
        return [*follow, "-e", f"trace={self.call}", "-e", f"inject={self.call}:{self.effect}:when={self.number}"]


def missing() -> str:
    """What these tests need and this machine lacks, or ""."""
    if os.geteuid() != 0:
        return "needs root (place R)"
    return "" if shutil.which("strace") else "needs strace (Debian: strace)"


def points(pier: Pier, argv: Sequence[str], *, stdin: str, cwd: Path) -> list[Point]:
    """Every point at which *argv* can be killed, found by running it once to its end."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        with _traced(pier, ["-f", "-o", str(log), "-e", "trace=" + ",".join(CALLS)], argv, stdin=stdin, cwd=cwd) as run:
            code = run.wait(_COMMAND_SECONDS)
        text = log.read_text(errors="replace")
    assert code == 0, f"pier {' '.join(argv)} exits {code} when nobody kills it"
    per_process: Counter[tuple[str, str]] = Counter()
    for line in text.splitlines():
        if found := _COUNTED.match(line):
            per_process[found[1], found[2]] += 1
    first = text.split(maxsplit=1)[0] if text else ""
    most: Counter[tuple[str, bool]] = Counter()
    for (pid, call), number in per_process.items():
        most[call, True] = max(most[call, True], number)
        if pid == first:
            most[call, False] = number
    return [Point(call, n, everyone) for (call, everyone), count in sorted(most.items()) for n in range(1, count + 1)]


def chosen(found: Sequence[Point], count: int, seed: int) -> list[Point]:
    """*count* of the points; calls that are rare are not drowned by those that are frequent."""
    source = random.Random(seed)
    by_kind: dict[tuple[str, bool], list[Point]] = {}
    for point in found:
        by_kind.setdefault((point.call, point.all), []).append(point)
    kinds = [source.sample(group, len(group)) for group in by_kind.values()]
    source.shuffle(kinds)
    picked: list[Point] = []
    while any(kinds) and len(picked) < count:
        picked += [group.pop() for group in kinds if group]
    return picked[:count]


def strike(pier: Pier, point: Point, argv: Sequence[str], *, stdin: str, cwd: Path) -> None:
    """Run *argv* and kill at *point*; returns when the command has ended and nobody traces any more."""
    with _traced(pier, point.arguments, argv, stdin=stdin, cwd=cwd) as run:
        run.wait(_COMMAND_SECONDS)
        # The monitor reaches its own points after the command has gone.
        if point.all:
            _await_calm(pier.root)


def _await_calm(root: Path) -> None:
    """No process of the store has begun or ended for a moment."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    seen, since = leaks.processes_of(root), time.monotonic()
    while time.monotonic() < deadline and time.monotonic() - since < 0.15:
        now = leaks.processes_of(root)
        if now != seen:
            seen, since = now, time.monotonic()


@contextmanager
def _traced(
    pier: Pier, arguments: Sequence[str], argv: Sequence[str], *, stdin: str, cwd: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """The command itself as a child of ours, its tracer a stranger (-D); the tracer ends with the block."""
    with tempfile.NamedTemporaryFile(prefix="strike") as mark, tempfile.TemporaryFile() as text:
        text.write(stdin.encode())
        text.seek(0)
        output = [] if "-o" in arguments else ["-o", "/dev/null"]
        command = ["strace", "-D", "-qq", "-E", f"STRIKE={mark.name}", *output, *arguments, *pier.argv(argv)]
        run = subprocess.Popen(
            command, stdin=text, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=cwd, env=pier.env
        )
        try:
            yield run
        finally:
            if run.poll() is None:
                run.kill()
                run.wait()
            _end_tracers(mark.name)


def _end_tracers(mark: str) -> None:
    """The tracer is gone; whom it traced goes on by itself (ptrace(2), PTRACE_O_EXITKILL is not set)."""

    def tracers() -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                words = _bytes(entry / "cmdline").split(b"\0")
                if words[0] == b"strace" and f"STRIKE={mark}".encode() in words:
                    found.append(int(entry.name))
        return found

    def told() -> bool:
        for pid in tracers():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return not tracers()

    wait_until(told, what="the tracer is gone")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def shoot(pier: Pier, argv: Sequence[str], source: random.Random, *, stdin: str, cwd: Path, longest: float) -> str:
    """Run *argv*, and at a random moment kill one of the store's processes at random. Returns what was shot."""
    with tempfile.TemporaryFile() as text:
        text.write(stdin.encode())
        text.seek(0)
        run = subprocess.Popen(
            pier.argv(argv), stdin=text, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=cwd, env=pier.env
        )
        moment = source.uniform(0.0, longest)
        time.sleep(moment)  # The moment is the experiment, no condition to wait for.
        targets = leaks.processes_of(pier.root)
        shot = "nobody"
        if targets:
            victim = source.choice(targets)
            shot = f"{_bytes(Path(f'/proc/{victim}/cmdline'))[:60]!r} of {len(targets)} after {moment * 1000:.0f} ms"
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                shot = "a process already gone"
        try:
            run.wait(_COMMAND_SECONDS)
        finally:
            if run.poll() is None:
                run.kill()
                run.wait()
    return shot
