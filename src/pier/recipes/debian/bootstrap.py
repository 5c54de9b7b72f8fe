"""A minimal Debian, unpacked and configured: Essential and required packages and apt, as in the official base image.

Unpacks by itself; the packages' own scripts run in the new root file system through the caller's *configure*.
"""

from __future__ import annotations

import os
from contextlib import closing

from pier.model.record import Record
from pier.recipes.debian import archive, database, mirror, sources
from pier.recipes.debian.download import Downloader, Wanted
from pier.recipes.debian.resolve import closure
from pier.recipes.debian.unpack import Filter, RootTree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from pier.recipes.debian.aptconf import AptSettings
    from pier.recipes.debian.index import Package

RELEASE = "bookworm"
# usr-is-merged satisfies "usrmerge | usr-is-merged" without usrmerge's perl.
_ALSO = ("apt", "usr-is-merged")
_IMAGE_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_FILES = os.path.join(os.path.dirname(os.path.dirname(__file__)), "files", "debian")


class Plan(Record):
    """What a base will hold, decided before anything is fetched."""

    packages: tuple[Package, ...]
    archives: tuple[sources.Archive, ...]
    version: str
    slim: bool

    @property
    def bytes(self) -> int:
        return sum(package.size for package in self.packages)


def plan(catalogue: mirror.Catalogue, *, slim: bool) -> Plan:
    """The base's packages, from the verified *catalogue*."""
    # A mirror that is reached over TLS needs the certificates inside the image, too.
    trust = ("ca-certificates",) if any(source.uri.startswith("https:") for source in catalogue.archives) else ()
    packages = closure(catalogue.index, (*_ALSO, *trust, *catalogue.index.minimal()))
    return Plan(packages=packages, archives=catalogue.archives, version=catalogue.version, slim=slim)


def unpack(
    plan: Plan,
    rootfs: str,
    architecture: str,
    downloader: Downloader,
    settings: AptSettings,
    on_package: Callable[[Package], None],
) -> tuple[str, ...]:
    """Fetch and unpack the plan into *rootfs*, an empty directory, with dpkg's database and the image's apt settings.

    Returns the labels of the packages whose preinst script `configure` must run, base-passwd's first.
    """
    root_fd = os.open(rootfs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        tree = RootTree(root_fd, architecture, _slim_filter() if plan.slim else Filter())
        entries = []
        with closing(_decompressed(plan, downloader)) as arriving:
            for package, deb in arriving:
                unpacked = tree.add(package.name, deb.data, database.conffiles(deb.control))
                stanza = deb.control["control"].decode("utf-8")
                entries.append(database.Entry(name=package.name, stanza=stanza, files=deb.control, unpacked=unpacked))
                on_package(package)
        ordered = tuple(sorted(entries, key=lambda entry: entry.name))
        database.write(tree, ordered)
        _settle(tree, plan, settings)
    finally:
        os.close(root_fd)
    labels = [entry.label for entry in ordered if "preinst" in entry.files]
    return tuple(sorted(labels, key=lambda label: (label != "base-passwd", label)))


def _decompressed(plan: Plan, downloader: Downloader) -> Generator[tuple[Package, archive.Deb], None, None]:
    """The packages of the plan in the order in which they are ready; the largest are begun first."""
    by_digest = {package.sha256: package for package in plan.packages}
    largest_first = sorted(plan.packages, key=lambda package: -package.size)

    def read(item: Wanted, data: bytes) -> tuple[Package, archive.Deb]:
        package = by_digest[item.sha256]
        return package, archive.read_deb(data, package.name)

    return downloader.each([wanted(package) for package in largest_first], read)


def wanted(package: Package) -> Wanted:
    """What to download for *package*."""
    return Wanted(url=package.url, sha256=package.sha256, size=package.size)


def _settle(tree: RootTree, plan: Plan, settings: AptSettings) -> None:
    """The files that make it a container's system: no services, no kept packages, the machine's own mirror."""
    for variant in ("base", "slim") if plan.slim else ("base",):
        folder = os.path.join(_FILES, variant)
        for directory, _, names in os.walk(folder):
            for name in names:
                source = os.path.join(directory, name)
                with open(source, "rb") as file:
                    tree.put(os.path.relpath(source, folder), file.read(), 0o755 if name == "policy-rc.d" else 0o644)
    listed = sources.render_deb822(plan.archives, mirror.COMPONENT, _IMAGE_KEYRING)
    tree.put("etc/apt/sources.list.d/debian.sources", listed.encode("utf-8"))
    if not settings.check_valid_until:
        text = '// The machine that made this image reads a frozen mirror.\nAcquire::Check-Valid-Until "false";\n'
        tree.put("etc/apt/apt.conf.d/frozen-mirror", text.encode("utf-8"))
    tree.put("etc/hostname", b"localhost\n")
    tree.put("etc/fstab", b"# UNCONFIGURED FSTAB FOR BASE SYSTEM\n")


def _slim_filter() -> Filter:
    """The paths that slim leaves out, as the file that dpkg reads in the image says."""
    with open(os.path.join(_FILES, "slim", "etc/dpkg/dpkg.cfg.d/docker"), encoding="utf-8") as file:
        words = [line.split() for line in file if line.startswith("path-")]
    return Filter(
        exclude=tuple(pattern for kind, pattern in words if kind == "path-exclude"),
        include=tuple(pattern for kind, pattern in words if kind == "path-include"),
    )


def configure_command(labels: tuple[str, ...]) -> tuple[str, ...]:
    """The command that finishes the unpacked system; it must run inside, as root."""
    with open(os.path.join(_FILES, "configure.sh"), encoding="utf-8") as file:
        return ("/bin/sh", "-c", file.read(), "configure", *labels)
