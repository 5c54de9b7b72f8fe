"""What a container engine can leave behind, read from the kernel: compare a snapshot before with one after.

Only what belongs to one store is counted where the kernel tells (processes, mounts, sockets, files), so that other
work on the machine is not blamed. Bridges say in their alias whose they are; interfaces and rules that no bridge of
another store claims are all compared.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_NET = Path("/sys/class/net")
# A warning that was given once is remembered as long as the store.
_REMEMBERED = ("egress-warning",)
_TEMPORARY = ("tmp", "run", "names", "containers")
_COUNTERS = re.compile(r"counter packets \d+ bytes \d+|# handle \d+")


@dataclass(frozen=True)
class Snapshot:
    """One moment of the machine, as seen for one store. Every entry is a line a person can act on."""

    processes: frozenset[str]
    mounts: frozenset[str]
    cgroups: frozenset[str]
    interfaces: frozenset[str]
    rules: frozenset[str]
    files: frozenset[str]

    def leaked_since(self, before: Snapshot) -> list[str]:
        """What is here now and was not *before*, one line each."""
        found = []
        for subject in fields(self):
            surplus = getattr(self, subject.name) - getattr(before, subject.name)
            found += [f"{subject.name}: {entry}" for entry in sorted(surplus)]
        return found


def take(root: Path) -> Snapshot:
    """The machine now, for the store at *root*."""
    return Snapshot(
        processes=frozenset(_processes(str(root))),
        mounts=frozenset(_mounts(str(root))),
        cgroups=frozenset(_cgroups()),
        interfaces=frozenset(_interfaces(root)),
        rules=frozenset(_rules(root)),
        files=frozenset(_files(root)),
    )


def processes_of(root: Path) -> list[int]:
    """Pids of monitors, commands and containers of the store at *root*."""
    return [int(entry.split()[0]) for entry in _processes(str(root))]


def _processes(root: str) -> Iterator[str]:
    """A process is the store's when its environment, its command line or its mount table names the root."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        base = Path("/proc") / entry
        command = _read(base / "cmdline").replace("\0", " ").strip()
        if _state(base) == "Z":
            continue
        told = (
            f"PIER_ROOT={root}\0" in _read(base / "environ") + "\0",
            root in _own_mounts(base),
            f"{root} " in command,
        )
        if any(told) and "pytest" not in command:
            yield f"{entry} {command or _read(base / 'comm').strip()}"


def all_processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def own_mounts(pid: int) -> str:
    """The process's mount table when it is not this process's own, else ""."""
    return _own_mounts(Path("/proc", str(pid)))


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and no zombie."""
    return pid > 0 and _state(Path("/proc", str(pid))) not in ("", "Z", "X")


def _own_mounts(base: Path) -> str:
    """The process's mount table when it is not this process's own."""
    try:
        if os.readlink(base / "ns/mnt") == os.readlink("/proc/self/ns/mnt"):
            return ""
    except OSError:
        return ""
    return _read(base / "mountinfo")


def _state(base: Path) -> str:
    return _read(base / "stat").rpartition(")")[2].strip()[:1]


def _mounts(root: str) -> Iterator[str]:
    """Mount points below the root, and overlays or bind mounts of it anywhere, in this mount namespace."""
    for line in _read(Path("/proc/self/mountinfo")).splitlines():
        words = line.split()
        if words[4].startswith(root + "/") or root in words[-1] or words[3].startswith(root + "/"):
            yield words[4]


def _cgroups() -> Iterator[str]:
    """Control groups of pier's without a process: one that has some is seen with them."""
    for directory, names, _ in os.walk(_CGROUPS):
        if "pier" in Path(directory).name:
            yield from (f"{directory}/{name}" for name in names if not _read(Path(directory, name, "cgroup.procs")))


def _foreign_bridges(root: Path) -> dict[str, str]:
    """The bridges of other stores, each with its network's id: the alias is the network's folder."""
    aliases = {entry.name: _read(entry / "ifalias").strip() for entry in _NET.iterdir()}
    return {
        name: os.path.basename(alias)
        for name, alias in aliases.items()
        if alias.startswith("/") and not alias.startswith(f"{root}/")
    }


def _interfaces(root: Path) -> Iterator[str]:
    foreign = _foreign_bridges(root)
    for entry in _NET.iterdir():
        try:
            bridge = os.path.basename(os.path.realpath(entry / "master"))
        except FileNotFoundError:
            continue
        if entry.name not in foreign and bridge not in foreign:
            yield entry.name


def _rules(root: Path) -> Iterator[str]:
    foreign = tuple(f'comment "pier {network[:32]}"' for network in _foreign_bridges(root).values())
    ruleset = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=False).stdout
    table = ""
    for line in ruleset.splitlines():
        table = line.strip() if line.startswith("table") else table
        if not line.endswith(foreign):
            yield f"{table} {_COUNTERS.sub('', line).strip()}"


def _files(root: Path) -> Iterator[str]:
    """Names in the folders that hold nothing but locks when no container exists and no command runs."""
    for folder in _TEMPORARY:
        directory = root / folder
        if directory.is_dir():
            yield from (f"{folder}/{name}" for name in os.listdir(directory) if _is_left(name))


def _is_left(name: str) -> bool:
    return not name.endswith(".lock") and name not in _REMEMBERED


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def left_behind(root: Path, before: Snapshot, *, networks: Collection[str], wait: Callable[..., object]) -> list[str]:
    """What the store at *root* has leaked, once what was told to end has ended: at most five seconds' patience."""

    def found() -> list[str]:
        journal = _read(root / "events.jsonl")
        return [entry for entry in take(root).leaked_since(before) if _own(entry, journal, networks)]

    try:
        wait(lambda: not found(), timeout=5.0, what="nothing is left behind")
    except AssertionError:
        return found()
    return []


def _own(entry: str, journal: str, networks: Collection[str]) -> bool:
    kind, _, told = entry.partition(": ")
    if kind == "interfaces":
        return any(identity.startswith(told.removeprefix("pier-").removeprefix("pv")[:6]) for identity in networks)
    if kind == "rules":
        return any(identity[:8] in told for identity in networks)
    if kind == "cgroups":
        return told.rpartition("/")[2] in journal
    return True


def remove_network(identity: str) -> None:
    """The bridge and the firewall rules of the network *identity* are gone; for `bridge` no command does it."""
    subprocess.run(["ip", "link", "delete", f"pier-{identity[:8]}"], capture_output=True, check=False)
    listed = subprocess.run(["nft", "-a", "list", "table", "ip", "pier"], capture_output=True, text=True, check=False)
    chain = ""
    for line in listed.stdout.splitlines():
        words = line.split()
        chain = words[1] if words[:1] == ["chain"] else chain
        if f'comment "pier {identity[:32]}' in line:
            rule = ["nft", "delete", "rule", "ip", "pier", chain, "handle", words[-1]]
            subprocess.run(rule, capture_output=True, check=False)
