"""The processes of a running container, and what they use: `top` and `stats`. Reads /proc and cgroup files only."""

from __future__ import annotations

import os
import time

from pier.errors import Conflict
from pier.kernel import cgroup
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pier.engine.context import Engine
    from pier.model.container import Container

_TICKS = os.sysconf("SC_CLK_TCK")


class Process(Record):
    """One process, as `ps -ef` shows it. *started* is seconds since 1970, *cpu_seconds* what it has used."""

    pid: int
    parent: int
    uid: int
    started: float
    cpu_seconds: float
    terminal: int
    command: str


class Sample(Record):
    """A container's counters at one moment. Times in nanoseconds, sizes in bytes; *memory_limit* is the host's memory
    where the container has none of its own."""

    taken: int
    cpu: int
    memory: int
    memory_limit: int
    received: int
    sent: int
    blocks_read: int
    blocks_written: int
    pids: int


def pids(container: Container) -> tuple[int, ...]:
    """Every process in the container's pid namespace, as the host numbers them. Conflict when it is not running."""
    if not container.state.running:
        raise Conflict(f"container {container.name} is not running", hint=f"pier start {container.name}")
    if container.spec.pid_mode:
        # The namespace holds others' processes too; its own are in its groups.
        return tuple(sorted(cgroup.processes(container.state.cgroups[0]))) if container.state.cgroups else ()
    try:
        own = os.readlink(f"/proc/{container.state.pid}/ns/pid")
    except FileNotFoundError:
        return ()
    return tuple(sorted(int(name) for name in os.listdir("/proc") if name.isdigit() and _namespace(name) == own))


def _namespace(pid: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        # It has ended since the listing, or is a kernel thread.
        return ""


def listing(container: Container) -> tuple[Process, ...]:
    """The container's processes, oldest number first."""
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    found = []
    for pid in pids(container):
        try:
            found.append(_process(pid, boot))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return tuple(found)


def _process(pid: int, boot: float) -> Process:
    text = cgroup.read(f"/proc/{pid}/stat")
    name, _, rest = text.partition("(")[2].rpartition(")")
    # proc(5): the fields behind the name begin with number 3, the state.
    fields = rest.split()
    with open(f"/proc/{pid}/cmdline", "rb") as stream:
        words = stream.read().rstrip(b"\0").split(b"\0")
    command = b" ".join(words).decode("utf-8", "replace") or f"[{name}]"
    return Process(
        pid=pid,
        parent=int(fields[1]),
        uid=os.stat(f"/proc/{pid}").st_uid,
        started=boot + int(fields[19]) / _TICKS,
        cpu_seconds=(int(fields[11]) + int(fields[12])) / _TICKS,
        terminal=int(fields[4]),
        command=command,
    )


def sample(engine: Engine, container: Container) -> Sample:
    """The container's counters now; zeros for what this host does not count, and for a container that is down."""
    groups = container.state.cgroups if container.state.running else ()
    received, sent = _network(container.state.pid) if container.state.running else (0, 0)
    read, written = _blocks(groups)
    return Sample(
        taken=time.monotonic_ns(),
        cpu=_cpu(groups),
        memory=_memory(groups),
        memory_limit=container.spec.resources.memory or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        received=received,
        sent=sent,
        blocks_read=read,
        blocks_written=written,
        pids=len(pids(container)) if container.state.running else 0,
    )


def _cpu(groups: Iterable[str]) -> int:
    for group in groups:
        if (number := cgroup.read_number(f"{group}/cpuacct.usage")) is not None:
            return number
        if micros := cgroup.flat_keyed(f"{group}/cpu.stat").get("usage_usec"):
            return micros * 1000
    return 0


def _memory(groups: Iterable[str]) -> int:
    """Without the page cache that the kernel would drop first, as Docker's client counts."""
    for group in groups:
        for current, idle in (("memory.usage_in_bytes", "total_inactive_file"), ("memory.current", "inactive_file")):
            number = cgroup.read_number(f"{group}/{current}")
            if number is not None:
                return max(0, number - cgroup.flat_keyed(f"{group}/memory.stat").get(idle, 0))
    return 0


def _blocks(groups: Iterable[str]) -> tuple[int, int]:
    """(bytes read, bytes written) from blkio.throttle.io_service_bytes or io.stat."""
    read = written = 0
    for group in groups:
        for line in _lines(f"{group}/blkio.throttle.io_service_bytes"):
            words = line.split()
            if len(words) == 3:
                read += int(words[2]) if words[1] == "Read" else 0
                written += int(words[2]) if words[1] == "Write" else 0
        for line in _lines(f"{group}/io.stat"):
            pairs = dict(word.partition("=")[::2] for word in line.split()[1:])
            read += int(pairs.get("rbytes", 0))
            written += int(pairs.get("wbytes", 0))
    return read, written


def _lines(path: str) -> list[str]:
    try:
        return cgroup.read(path).splitlines()
    except OSError:
        return []


def _network(pid: int) -> tuple[int, int]:
    """(received, sent) bytes of the container's interfaces, its loopback left out."""
    received = sent = 0
    for line in _lines(f"/proc/{pid}/net/dev")[2:]:
        name, _, counters = line.partition(":")
        fields = counters.split()
        if name.strip() != "lo" and len(fields) > 8:
            received += int(fields[0])
            sent += int(fields[8])
    return received, sent
