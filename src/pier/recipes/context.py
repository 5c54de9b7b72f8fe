"""The build context of a recipe: its shipped files, and the packages it needs, fetched and verified beforehand.

A context is a new folder of the assembly; nothing of the user's machine but verified packages gets into it.
"""

from __future__ import annotations

import os
import shutil

from pier.errors import Corrupt, NotFound, Unsupported
from pier.recipes import greeting
from pier.recipes.debian import archive, bootstrap
from pier.recipes.debian.index import installed
from pier.recipes.debian.resolve import closure
from pier.recipes.debian.unpack import Filter, RootTree
from pier.recipes.machine import architecture
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.recipes.catalogue import Recipe
    from pier.recipes.debian.index import Package
    from pier.recipes.machine import Archives, Debian

FILES = os.path.join(os.path.dirname(__file__), "files")


def prepare(recipe: Recipe, folder: str, archives: Archives, over: tuple[str, ...]) -> None:
    """Fill the new *folder* with what the recipe's Dockerfile copies and mounts.

    *over*: the layer folders of its first base, bottom first.
    """
    shutil.copytree(os.path.join(FILES, os.path.dirname(recipe.dockerfile)), folder)
    if recipe.greets:
        _write_program(folder)
    if recipe.installs:
        _collect_packages(recipe, files.ensure_dir(folder + "/packages"), archives.debian(), over)
    for name, prefix in recipe.extracts:
        _extract(name, prefix, files.ensure_dir(f"{folder}/debs/{name}"), archives.debian())


def _write_program(folder: str) -> None:
    path = files.ensure_dir(folder + "/made") + "/hello"
    with open(path, "wb") as file:
        file.write(greeting.program(architecture(os.uname().machine)))
    os.chmod(path, 0o755)


def _collect_packages(recipe: Recipe, folder: str, debian: Debian, over: tuple[str, ...]) -> None:
    """The packages that *recipe* installs and what they need beyond its base, as links to the cache's files."""
    present = installed(_dpkg_status(over, recipe.bases[0]))
    packages = closure(debian.catalogue.index, recipe.installs, present)
    by_digest = {package.sha256: package for package in packages}
    for package, data in debian.downloader.each(
        [bootstrap.wanted(package) for package in packages], lambda item, data: (by_digest[item.sha256], data)
    ):
        with open(f"{folder}/{package.name}_{package.architecture}.deb", "xb") as file:
            file.write(data)


def _dpkg_status(over: tuple[str, ...], base: str) -> str:
    """dpkg's status file of the image whose layers are *over*, the topmost that has one."""
    for layer in reversed(over):
        try:
            return files.read_text(layer + "/var/lib/dpkg/status")
        except (FileNotFoundError, NotADirectoryError):
            continue
    raise Unsupported(
        f"the image {base} in this store is not a Debian system",
        why="the recipe installs Debian packages over it",
        hint=f"pier rmi {base}, so that the recipe's own base is made",
    )


def _extract(name: str, prefix: str, folder: str, debian: Debian) -> None:
    """The paths below *prefix* of the package *name*, unpacked into *folder*."""
    package = debian.catalogue.index.get(name)
    if package is None:
        raise NotFound(f"no package {name} in the archive", hint="name another mirror with PIER_DEBIAN_MIRROR")
    deb = archive.read_deb(_read(debian, package), name)
    root_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        tree = RootTree(root_fd, "", Filter(exclude=("*",), include=("/" + prefix + "*",)))
        tree.add(name, deb.data)
    finally:
        os.close(root_fd)
    if not os.path.exists(os.path.join(folder, prefix)):
        raise Corrupt(f"the package {name} holds nothing below {prefix}")


def _read(debian: Debian, package: Package) -> bytes:
    with open(debian.downloader.cached(bootstrap.wanted(package)), "rb") as file:
        return file.read()
