"""What must hold after any process of pier's was killed: no lie, no leak, no lost byte, and every command works."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import leaks
from harness import Pier, Result, wait_until

if TYPE_CHECKING:
    from fault.scenarios import Stage

PRECIOUS = "precious"
_BYTES = "the quick brown fox " * 500
_FOLDERS = ("containers", "names", "networks", "tmp", "run", "locks", "volumes", "images")
# What stays by design: locks, and the names of what is no container's.
_LASTING = (".lock", "lock")


def keep_something_precious(pier: Pier) -> None:
    """A named volume with bytes that no crash may touch."""
    script = f"echo '{_BYTES}' > /data/a; cp /data/a /data/b"
    pier("run", "--rm", "-v", f"{PRECIOUS}:/data", "busybox", "sh", "-c", script)


class Aftermath:
    """Judges the store after each fault, against what it was at the beginning, and gives one verdict at the end."""

    def __init__(self, stage: Stage) -> None:
        self._pier = stage.pier
        self._before = leaks.take(stage.pier.root)
        self._contents = _contents(stage.pier.root)
        self._found: list[str] = []

    def judge(self, fault: str) -> None:
        """Look, clean up with the commands there are for it, and look again."""
        complaints = [*lies(self._pier), *self._leaks()]
        if complaints:
            told = "\n".join("    " + line for complaint in complaints for line in complaint.strip().splitlines())
            self._found.append(f"{fault}:\n{told}")
            self._before, self._contents = leaks.take(self._pier.root), _contents(self._pier.root)

    def verdict(self) -> None:
        assert not self._found, f"{len(self._found)} faults did harm:\n" + "\n".join(self._found)

    def sweep(self) -> list[str]:
        """Containers, volumes, networks and images that scenarios make are removed; what a command had to say to it."""
        pier = self._pier
        pier.note_networks()
        found: list[str] = []
        for listing, removal in (
            (("ps", "-aq"), ("rm", "-f", "-v")),
            (("volume", "ls", "-q"), ("volume", "rm")),
            (("network", "ls", "-q", "--filter", "type=custom"), ("network", "rm")),
            (("images", "-q", "--filter", "reference=*cut*"), ("rmi", "-f")),
            (("images", "-q", "--filter", "reference=*/cut"), ("rmi", "-f")),
        ):
            names = [name for name in pier.run(*listing).lines if name != PRECIOUS]
            if names:
                found += _complaints(pier.run(*removal, *dict.fromkeys(names)))
        for prune in (("builder", "prune", "-a", "-f"), ("image", "prune", "-f")):
            found += _complaints(pier.run(*prune))
        return found

    def _leaks(self) -> Iterator[str]:
        pier = self._pier
        yield from self.sweep()
        # The next ordinary command is what sweeps up after killed ones.
        done = pier.run("run", "--rm", "--name", "after", "-v", f"{PRECIOUS}:/data", "busybox", "cat", "/data/a")
        yield from _complaints(done)
        if done.code == 0 and done.out != _BYTES + "\n":
            yield "a container sees other bytes in the precious volume"
        yield from leaks.left_behind(pier.root, self._before, networks=pier.networks, wait=wait_until)
        yield from _stale(pier.root)
        contents = _contents(pier.root)
        yield from (f"stays: {name}" for name in sorted(contents - self._contents))
        yield from (f"is lost: {name}" for name in sorted(self._contents - contents))


def lies(pier: Pier) -> Iterator[str]:
    """Where the listings contradict /proc, each other or the precious volume; and commands that fail."""
    for words in (("ps", "-aq"), ("volume", "ls", "-q"), ("network", "ls", "-q"), ("images", "-q"), ("system", "df")):
        yield from _complaints(pier.run(*words))
    listed = pier.run("ps", "-a", "--no-trunc", "--format", "json")
    for row in listed.rows() if listed.code == 0 else ():
        yield from _lies_about(pier, row)
    yield from _lost_bytes(pier)


def _complaints(result: Result) -> Iterator[str]:
    if result.code or "Traceback" in result.err or "this is a bug" in result.err:
        yield str(result)


def _lies_about(pier: Pier, row: dict[str, str]) -> Iterator[str]:
    inspected = pier.run("inspect", row["ID"])
    if inspected.code:
        yield f"listed, but: {inspected}"
        return
    state = inspected.json()[0]["State"]
    # Between two commands a restart policy may have had its way.
    settled = "restarting" not in (row["State"], state["Status"])
    if settled and state["Running"] != (row["State"] == "running"):
        yield f"ps says {row['State']}, inspect says {state}"
    if state["Running"] and not leaks.is_alive(state["Pid"]) and pier.status(row["ID"]) == "running":
        yield f"{row['Names']} is said to run as {state['Pid']}, which does not exist"
    if state["Status"] in ("exited", "created", "dead") and (strangers := processes_in(row["ID"])):
        yield f"{row['Names']} is {state['Status']}, and yet there are its processes {strangers}"


def processes_in(container_id: str) -> list[int]:
    """The processes whose mount table names the container's folder."""
    return [pid for pid in leaks.all_processes() if f"/containers/{container_id}/" in leaks.own_mounts(pid)]


def _lost_bytes(pier: Pier) -> Iterator[str]:
    folder = pier.root / "volumes" / PRECIOUS / "_data"
    for name in ("a", "b"):
        try:
            text = (folder / name).read_text()
        except OSError as exc:
            yield f"the precious volume lost a file: {exc}"
            continue
        if text != _BYTES + "\n":
            yield f"the precious volume's {name} has other bytes: {text[:80]!r}"


def _contents(root: Path) -> frozenset[str]:
    """Blobs, layers, volumes and networks by their paths."""
    found = []
    for pattern in ("images/blobs/*/*", "layers/*", "volumes/*", "networks/*", "networks/names/*"):
        found += [str(path.relative_to(root)) for path in root.glob(pattern)]
    return frozenset(found)


def _stale(root: Path) -> Iterator[str]:
    """Temporary files anywhere, names and leases without a container, run folders without a process."""
    for folder in _FOLDERS:
        listed = subprocess.run(
            ["find", str(root / folder), "-name", "_data", "-prune", "-o", "-name", "*~", "-print"],
            capture_output=True,
            text=True,
            check=False,
        )
        yield from (f"a temporary file stays: {line}" for line in listed.stdout.splitlines())
    for folder in ("containers", "run", "tmp", "names"):
        for name in os.listdir(root / folder) if (root / folder).is_dir() else ():
            if not name.endswith(_LASTING):
                yield f"stays: {folder}/{name}"
    yield from (f"an address stays leased: {lease}" for lease in (root / "networks").glob("*/endpoints/*"))
