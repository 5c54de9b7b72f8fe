"""dpkg's database for packages that were unpacked without dpkg: status, file lists, scripts, triggers (dpkg(1), FILES).

What is written is what `dpkg --unpack` leaves behind, so that `dpkg --configure -a` goes on from there.
"""

from __future__ import annotations

from pier.model.record import Record
from pier.recipes.debian import control

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pier.recipes.debian.unpack import RootTree, Unpacked

_SCRIPTS = ("preinst", "postinst", "prerm", "postrm", "config")
_FOLDER = "var/lib/dpkg"


class Entry(Record):
    """One unpacked package: its control files and its stanza."""

    name: str
    stanza: str
    files: dict[str, bytes]
    unpacked: Unpacked

    @property
    def label(self) -> str:
        """What names the package's files in `info`: with the architecture where two may be installed side by side."""
        fields = self.fields
        return f"{self.name}:{fields['architecture']}" if fields.get("multi-arch") == "same" else self.name

    @property
    def fields(self) -> dict[str, str]:
        return next(control.stanzas(self.stanza))


def conffiles(files: dict[str, bytes]) -> tuple[str, ...]:
    """The configuration files of a package that it ships; lines with a flag name files to remove instead."""
    lines = files.get("conffiles", b"").decode("utf-8").split("\n")
    return tuple(line for line in (line.strip() for line in lines) if line.startswith("/"))


def status_stanza(entry: Entry) -> str:
    """The package's stanza of the status file: unpacked, its configuration files in place with their checksums."""
    lines = entry.stanza.rstrip("\n").split("\n")
    lines.insert(1, "Status: install ok unpacked")
    hashed = [f" {path} {entry.unpacked.md5[path]}" for path in conffiles(entry.files) if path in entry.unpacked.md5]
    if hashed:
        lines += ["Conffiles:", *hashed]
    return "\n".join(lines) + "\n"


def trigger_files(entries: Iterable[Entry]) -> dict[str, str]:
    """The files of `triggers` that record who waits for what (deb-triggers(5)): `File` for paths, one per name."""
    found: dict[str, list[str]] = {"File": []}
    for entry in entries:
        for line in entry.files.get("triggers", b"").decode("utf-8").split("\n"):
            words = line.partition("#")[0].split()
            if len(words) != 2 or not words[0].startswith("interest"):
                continue
            package = entry.name + ("/noawait" if words[0].endswith("-noawait") else "")
            if words[1].startswith("/"):
                found["File"].append(f"{words[1]} {package}")
            else:
                found.setdefault(words[1], []).append(package)
    return {name: "".join(line + "\n" for line in lines) for name, lines in found.items()}


def write(tree: RootTree, entries: tuple[Entry, ...]) -> None:
    """Write the database of *entries* into *tree*, which has none yet."""
    for entry in entries:
        info = f"{_FOLDER}/info/{entry.label}"
        tree.put(info + ".list", "".join(path + "\n" for path in entry.unpacked.paths).encode("utf-8"))
        for name, data in entry.files.items():
            if name != "control" and "/" not in name:
                tree.put(f"{info}.{name}", data, 0o755 if name in _SCRIPTS else 0o644)
    status = "\n".join(status_stanza(entry) for entry in entries)
    tree.put(f"{_FOLDER}/status", status.encode("utf-8"))
    tree.put(f"{_FOLDER}/info/format", b"1\n")
    tree.put(f"{_FOLDER}/cmethopt", b"apt apt\n")
    for name in ("available", "diversions", "statoverride"):
        tree.put(f"{_FOLDER}/{name}", b"")
    for name, text in trigger_files(entries).items():
        tree.put(f"{_FOLDER}/triggers/{name}", text.encode("utf-8"))
    tree.make(f"{_FOLDER}/updates")
