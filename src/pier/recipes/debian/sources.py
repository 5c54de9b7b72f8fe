"""Where this machine gets Debian from: apt's source lists (sources.list(5)), both styles. The reading is pure.

Names no mirror: what is not configured here must be given by the user.
"""

from __future__ import annotations

import os

from pier.errors import Corrupt, NotFound
from pier.model.record import Record
from pier.recipes.debian import control

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Debian's release names, and the names that move from one to the next: an archive listed under one of them is Debian's.
DEBIAN_SUITES = frozenset(
    ("bullseye", "bookworm", "trixie", "forky", "duke", "sid")
    + ("oldoldstable", "oldstable", "stable", "testing", "unstable", "experimental")
)
NO_MIRROR_HINT = "name a Debian mirror: PIER_DEBIAN_MIRROR=http://HOST/debian"


class Source(Record):
    """One archive and suite of the lists. *signed_by*: files, or an armoured key block; empty: apt's own trust."""

    uri: str
    suite: str
    components: tuple[str, ...] = ()
    signed_by: str = ""
    where: str = ""


class Archive(Record):
    """One suite to take packages from. An *optional* one may be missing from its server."""

    uri: str
    suite: str
    signed_by: str = ""
    optional: bool = False


def parse_list(text: str, where: str) -> tuple[Source, ...]:
    """The enabled binary sources of a one-line-style list. Lines apt would refuse are refused here too."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.partition("#")[0].strip()
        if not line:
            continue
        kind, _, rest = line.partition(" ")
        options: dict[str, str] = {}
        rest = rest.strip()
        if rest.startswith("["):
            inside, bracket, rest = rest[1:].partition("]")
            if not bracket:
                raise Corrupt(f"{where}:{number}: options without a closing ']'")
            options = dict(_option(word) for word in inside.split())
        words = rest.split()
        if kind not in ("deb", "deb-src") or len(words) < 2:
            raise Corrupt(f"{where}:{number}: not an apt source: {line!r}", hint="compare sources.list(5)")
        if kind == "deb":
            signed_by = options.get("signed-by", "").replace(",", "\n")
            found.append(
                Source(
                    uri=words[0].rstrip("/"),
                    suite=words[1],
                    components=tuple(words[2:]),
                    signed_by=signed_by,
                    where=f"{where}:{number}",
                )
            )
    return tuple(found)


def _option(word: str) -> tuple[str, str]:
    name, _, value = word.partition("=")
    return name.rstrip("+-").lower(), value


def parse_deb822(text: str, where: str) -> tuple[Source, ...]:
    """The enabled binary sources of a deb822-style file: one for each URI and suite of a stanza."""
    found = []
    for fields in control.stanzas(text):
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                found.append(
                    Source(
                        uri=uri.rstrip("/"),
                        suite=suite,
                        components=tuple(fields.get("components", "").split()),
                        signed_by=_signed_by(fields.get("signed-by", "")),
                        where=where,
                    )
                )
    return tuple(found)


def _signed_by(value: str) -> str:
    value = value.strip()
    if value.startswith("-----BEGIN"):
        # deb822(5): a line holding only "." stands for an empty one.
        return "\n".join("" if line.strip() == "." else line for line in value.split("\n")) + "\n"
    return "\n".join(value.replace(",", " ").split())


def read_sources(list_file: str, parts_dir: str) -> tuple[Source, ...]:
    """The sources of this machine: *list_file* and the .list and .sources files of *parts_dir*. Absent: none."""
    found: list[Source] = []
    names = [list_file]
    if os.path.isdir(parts_dir):
        names += sorted(os.path.join(parts_dir, name) for name in os.listdir(parts_dir))
    for name in names:
        parse = {".list": parse_list, ".sources": parse_deb822}.get(os.path.splitext(name)[1])
        if parse is None or not os.path.isfile(name):
            continue
        with open(name, encoding="utf-8", errors="replace") as file:
            found.extend(parse(file.read(), name))
    return tuple(found)


def archives(sources: Iterable[Source], release: str, *, mirror: str = "") -> tuple[Archive, ...]:
    """The archives to make *release* from: the release itself, its updates, its security updates.

    *mirror* replaces the main archive; where no list names the security archive, the one beside the mirror is tried.
    NotFound when nothing here says where Debian is.
    """
    debian = [
        source for source in sources if "main" in source.components and _base_suite(source.suite) in DEBIAN_SUITES
    ]
    main = [source for source in debian if not _is_security(source.suite)]
    security = [source for source in debian if _is_security(source.suite)]
    trust = main[0].signed_by if main else ""
    uri = mirror.rstrip("/") if mirror else main[0].uri if main else ""
    if not uri:
        raise NotFound(
            "this machine's apt configuration names no Debian mirror",
            why="base images are made from Debian packages where no registry answers",
            hint=NO_MIRROR_HINT,
        )
    found = [
        Archive(uri=uri, suite=release, signed_by=trust),
        Archive(uri=uri, suite=release + "-updates", signed_by=trust, optional=True),
    ]
    if security:
        found.append(Archive(uri=security[0].uri, suite=release + "-security", signed_by=security[0].signed_by))
    elif uri.endswith("/debian"):
        found.append(Archive(uri=uri + "-security", suite=release + "-security", signed_by=trust, optional=True))
    return tuple(found)


def _base_suite(suite: str) -> str:
    return suite.partition("/")[0].partition("-")[0]


def _is_security(suite: str) -> bool:
    return suite.endswith(("-security", "/updates"))


def without_password(uri: str) -> str:
    """*uri* without what stands before an "@": images and messages are shown to others."""
    scheme, separator, rest = uri.partition("://")
    authority, slash, path = rest.partition("/")
    return scheme + separator + authority.rpartition("@")[2] + slash + path


def render_deb822(chosen: Iterable[Archive], components: str, keyring: str) -> str:
    """The .sources file for the image: the same archives, trusted through the image's own *keyring*."""
    by_uri: dict[str, list[str]] = {}
    for archive in chosen:
        by_uri.setdefault(without_password(archive.uri), []).append(archive.suite)
    return "\n".join(
        f"Types: deb\nURIs: {uri}\nSuites: {' '.join(suites)}\nComponents: {components}\nSigned-By: {keyring}\n"
        for uri, suites in by_uri.items()
    )
