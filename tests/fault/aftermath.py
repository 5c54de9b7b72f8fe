"""What must hold after any process of pier's was killed: no lie, no leak, no lost byte, and every command works."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import leaks
from harness import Pier, Result, wait_until

PRECIOUS = "precious"
_BYTES = "the quick brown fox " * 500


def keep_something_precious(pier: Pier) -> None:
    """A named volume with bytes that no crash may touch."""
    script = f"echo '{_BYTES}' > /data/a; cp /data/a /data/b"
    pier("run", "--rm", "-v", f"{PRECIOUS}:/data", "busybox", "sh", "-c", script)


def lies(pier: Pier) -> list[str]:
    """Where the listings contradict /proc, each other or the precious volume; and commands that fail."""
    found: list[str] = []
    for words in (("ps", "-aq"), ("volume", "ls", "-q"), ("network", "ls", "-q"), ("images", "-q"), ("system", "df")):
        found += _complaints(pier.run(*words))
    listed = pier.run("ps", "-a", "--no-trunc", "--format", "json")
    for row in listed.rows() if listed.code == 0 else ():
        found += _lies_about(pier, row)
    return [*found, *_lost_bytes(pier)]


def _complaints(result: Result) -> Iterator[str]:
    if result.code or "Traceback" in result.err or "bug" in result.err.lower():
        yield str(result)


def _lies_about(pier: Pier, row: dict[str, str]) -> Iterator[str]:
    inspected = pier.run("inspect", row["ID"])
    if inspected.code:
        yield f"listed, but: {inspected}"
        return
    state = inspected.json()[0]["State"]
    if state["Running"] != (row["State"] == "running"):
        yield f"ps says {row['State']}, inspect says {state}"
    alive = state["Pid"] > 0 and leaks._state(Path(f"/proc/{state['Pid']}")) not in ("", "Z", "X")
    if state["Running"] and not alive:
        yield f"{row['Names']} is said to run as {state['Pid']}, which does not exist"
    strangers = [pid for pid in processes_in(row["ID"]) if not state["Running"]]
    if strangers:
        yield f"{row['Names']} is {row['State']}, and yet there are its processes {strangers}"


def processes_in(container_id: str) -> list[int]:
    """The processes whose root is the container's: their mount table names its folder."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and f"/containers/{container_id}/" in leaks._own_mounts(Path("/proc", entry)):
            found.append(int(entry))
    return found


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


def leaks_after_sweep(pier: Pier, before: leaks.Snapshot) -> list[str]:
    """What is left once all containers and networks were removed by the commands there are for it."""
    found: list[str] = []
    pier.note_networks()
    names = pier.run("ps", "-aq").lines
    if names:
        found += _complaints(pier.run("rm", "-f", "-v", *names))
    for volume in pier.run("volume", "ls", "-q").lines:
        if volume != PRECIOUS:
            found += _complaints(pier.run("volume", "rm", volume))
    found += _complaints(pier.run("network", "prune", "-f"))
    # The next ordinary command is what sweeps.
    done = pier.run("run", "--rm", "--name", "after", "-v", f"{PRECIOUS}:/data", "busybox", "cat", "/data/a")
    found += _complaints(done)
    if done.code == 0 and done.out != _BYTES + "\n":
        found.append("a container sees other bytes in the precious volume")
    left = leaks.left_behind(pier.root, before, networks=pier.networks, wait=wait_until)
    return found + left + list(_stale_files(pier.root))


def _stale_files(root: Path) -> Iterator[str]:
    """Temporary files anywhere, names and leases without a container, run folders without a process."""
    for folder in ("containers", "names", "networks", "tmp", "run", "locks", "volumes", "images", "layers"):
        listed = subprocess.run(
            ["find", str(root / folder), "-path", "*/_data/*", "-prune", "-o", "-path", "*/layers/*/*", "-prune", "-o",
             "-name", "*~", "-print"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        yield from (f"a temporary file stays: {line}" for line in listed.stdout.splitlines())
    for folder in ("containers", "run", "tmp"):
        if (root / folder).is_dir():
            yield from (f"stays: {folder}/{name}" for name in os.listdir(root / folder) if not name.endswith("lock"))
    for lease in (root / "networks").glob("*/endpoints/*"):
        yield f"an address stays leased: {lease}"
    for name in (root / "names").iterdir():
        if not name.name.startswith("."):
            yield f"a name stays taken: {name.name}"
