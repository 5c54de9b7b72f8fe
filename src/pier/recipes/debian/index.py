"""Packages indices of an archive: which packages there are, newest first. Pure; what it reads was verified before.

An index holds some 60,000 stanzas of which a base needs about a hundred, so stanzas are read when asked for.
"""

from __future__ import annotations

from pier.errors import Corrupt
from pier.model.record import Record
from pier.recipes.debian import control
from pier.recipes.debian import version as versions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Package(Record):
    """One binary package of the archive. *base* is the URI that *filename* is relative to."""

    name: str
    version: str
    architecture: str
    filename: str
    size: int
    sha256: str
    base: str = ""
    priority: str = ""
    essential: bool = False
    depends: tuple[tuple[control.Relation, ...], ...] = ()
    provides: tuple[tuple[control.Relation, ...], ...] = ()

    @property
    def url(self) -> str:
        return f"{self.base}/{self.filename}"


class Index:
    """The packages of several archives together; where two hold a package, the newer version counts."""

    def __init__(self) -> None:
        self._stanzas: dict[bytes, list[tuple[str, bytes]]] = {}
        self._providers: dict[str, set[str]] = {}
        self._wanted_by_priority: set[str] = set()
        self._packages: dict[str, Package | None] = {}

    def add(self, base: str, text: bytes) -> None:
        """Add the stanzas of one Packages file, whose packages lie under the URI *base*."""
        for stanza in text.split(b"\n\n"):
            if not stanza.startswith(b"Package: "):
                if stanza.strip():
                    raise Corrupt(f"an index of {base} holds a stanza that does not begin with Package")
                continue
            name = stanza[9 : stanza.find(b"\n")]
            self._stanzas.setdefault(name, []).append((base, stanza))
            if b"\nProvides: " in stanza:
                self._note_provider(name.decode(), stanza)
            if b"\nPriority: required\n" in stanza or b"\nEssential: yes\n" in stanza:
                self._wanted_by_priority.add(name.decode())
        self._packages.clear()

    def get(self, name: str) -> Package | None:
        """The newest package called *name*."""
        if name not in self._packages:
            self._packages[name] = self._newest(name)
        return self._packages[name]

    def providers(self, name: str) -> tuple[str, ...]:
        """Names of the packages that provide the virtual package *name*, sorted."""
        return tuple(sorted(self._providers.get(name, ())))

    def minimal(self) -> tuple[str, ...]:
        """Packages that every Debian system has: Essential, or Priority required (Debian policy 2.5, 3.8)."""
        return tuple(sorted(self._wanted_by_priority))

    def _note_provider(self, name: str, stanza: bytes) -> None:
        field = _field(stanza, b"\nProvides: ")
        for clause in control.relations(field):
            for relation in clause:
                self._providers.setdefault(relation.name, set()).add(name)

    def _newest(self, name: str) -> Package | None:
        best: Package | None = None
        for base, stanza in self._stanzas.get(name.encode(), ()):
            package = _package(base, stanza)
            if best is None or versions.compare(package.version, best.version) > 0:
                best = package
        return best

    def __iter__(self) -> Iterator[str]:
        return (name.decode() for name in self._stanzas)


def _field(stanza: bytes, marker: bytes) -> str:
    start = stanza.find(marker) + len(marker)
    end = stanza.find(b"\n", start)
    while end != -1 and stanza[end + 1 : end + 2] in (b" ", b"\t"):
        end = stanza.find(b"\n", end + 1)
    return stanza[start : end if end != -1 else len(stanza)].decode()


def _package(base: str, stanza: bytes) -> Package:
    fields = next(control.stanzas(stanza.decode("utf-8", "replace")))
    try:
        return Package(
            name=fields["package"],
            version=fields["version"],
            architecture=fields["architecture"],
            filename=fields["filename"],
            size=int(fields["size"]),
            sha256=fields["sha256"].lower(),
            base=base,
            priority=fields.get("priority", ""),
            essential=fields.get("essential", "") == "yes",
            depends=control.relations(fields.get("pre-depends", "") + "," + fields.get("depends", "")),
            provides=control.relations(fields.get("provides", "")),
        )
    except (KeyError, ValueError) as exc:
        raise Corrupt(f"the index of {base} describes {fields['package']} incompletely", why=str(exc)) from exc


def installed(status: str) -> dict[str, Package]:
    """The installed packages that dpkg's status file lists, by name; they have no file to fetch."""
    found = {}
    for fields in control.stanzas(status):
        if fields.get("status", "").split()[-1:] == ["installed"]:
            found[fields["package"]] = Package(
                name=fields["package"],
                version=fields["version"],
                architecture=fields.get("architecture", ""),
                filename="",
                size=0,
                sha256="",
                provides=control.relations(fields.get("provides", "")),
            )
    return found
