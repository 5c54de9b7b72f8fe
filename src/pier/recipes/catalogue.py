"""Which images have a recipe, under which names, and what each is made of. A table; makes nothing."""

from __future__ import annotations

from pier.model.record import Record
from pier.model.reference import DEFAULT_DOMAIN, OFFICIAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.model.reference import Reference

LABEL = "dev.pier.recipe"
NOTE_LABEL = "dev.pier.recipe.note"
DEBIAN_LABEL = "dev.pier.recipe.debian"  # the point release, "12.11"


class Recipe(Record):
    """One image that pier can make. *name*: what it is called here; *asked*: the reference it is wanted under.

    A recipe with a *dockerfile* (below `files/`) is built with the folder it lies in as context. Beside those files,
    `packages/` holds the packages that *installs* needs over the first base, `debs/NAME/` the unpacked paths that
    *extracts* names, and `made/hello` the greeting's program. Without a dockerfile it is a Debian base. *bases* are the
    recipes it stands on, that of its final stage first.
    """

    name: str
    summary: str
    note: str
    bases: tuple[str, ...] = ()
    dockerfile: str = ""
    installs: tuple[str, ...] = ()
    extracts: tuple[tuple[str, str], ...] = ()
    slim: bool = False
    greets: bool = False
    asked: str = ""


_PYTHON = (
    ("python3", "python3.11-venv", "python3-distutils")
    + ("python3-pip-whl", "python3-setuptools-whl", "python3-wheel-whl")
    + ("ca-certificates", "netbase")
)
_BUILD_TOOLS = (
    "gcc",
    "g++",
    "make",
    "patch",
    "pkg-config",
    "git",
    "openssh-client",
    "curl",
    "wget",
    "unzip",
    "xz-utils",
    "procps",
) + ("python3-dev", "libc6-dev", "libffi-dev", "libssl-dev", "libpq-dev", "libsqlite3-dev", "zlib1g-dev")

RECIPES = (
    Recipe(
        name="hello-world:latest",
        summary="a greeting",
        note="prints pier's greeting",
        dockerfile="hello-world/Dockerfile",
        greets=True,
    ),
    Recipe(
        name="busybox:latest",
        summary="Debian's static busybox",
        note="Debian's busybox 1.35, statically linked",
        dockerfile="busybox/Dockerfile",
        extracts=(("busybox-static", "bin/"),),
    ),
    Recipe(
        name="alpine:latest",
        summary="a busybox userland without apk",
        note="a busybox userland in place of Alpine Linux: no apk, no musl",
        bases=("busybox:latest",),
        dockerfile="alpine/Dockerfile",
    ),
    Recipe(
        name="debian:bookworm",
        summary="Debian 12 from this machine's mirror",
        note="Debian 12 made from the packages of the machine's own mirror",
    ),
    Recipe(
        name="debian:bookworm-slim",
        summary="Debian 12 from this machine's mirror, without documentation",
        note="Debian 12 made from the packages of the machine's own mirror, without documentation and translations",
        slim=True,
    ),
    Recipe(
        name="python:3.11",
        summary="Debian's Python 3.11 with pip and build tools",
        note="Debian's Python 3.11.2 with pip, compilers and git, in place of Python's own build",
        bases=("debian:bookworm",),
        dockerfile="python/Dockerfile.full",
        installs=(*_PYTHON, *_BUILD_TOOLS),
    ),
    Recipe(
        name="python:3.11-slim",
        summary="Debian's Python 3.11 with pip",
        note="Debian's Python 3.11.2 with pip, in place of Python's own build",
        bases=("debian:bookworm-slim",),
        dockerfile="python/Dockerfile.slim",
        installs=_PYTHON,
        extracts=(("libpython3.11-dev", "usr/include/"),),
    ),
    Recipe(
        name="postgres:16",
        summary="PostgreSQL 16 from a relocatable build",
        note="PostgreSQL 16.14 from a relocatable build: with pgvector, without TLS, ICU, JIT and contrib",
        bases=("debian:bookworm-slim", "python:3.11-slim"),
        dockerfile="postgres/Dockerfile",
        installs=("less", "xz-utils", "zstd", "libnss-wrapper"),
        extracts=(("locales", "usr/share/i18n/"),),
    ),
)

# Tags that mean a recipe beside the one in its name. "#" stands for a number.
_TAGS = {
    "hello-world:latest": ("linux",),
    "busybox:latest": ("stable", "1", "1.35", "1.35.0", "stable-glibc", "glibc"),
    "alpine:latest": ("3", "3.#", "3.#.#"),
    "debian:bookworm": ("latest", "12", "12.#"),
    "debian:bookworm-slim": ("12-slim", "12.#-slim"),
    "python:3.11": ("3.11-bookworm", "3.11.2", "3.11.2-bookworm"),
    "python:3.11-slim": ("3.11-slim-bookworm", "3.11.2-slim", "3.11.2-slim-bookworm"),
    "postgres:16": ("16-bookworm", "16.#", "16.#-bookworm"),
}


def find(reference: Reference) -> Recipe | None:
    """The recipe for *reference*, to be assembled under that name; None where there is none.

    A recipe stands in for a name of Docker Hub's library only, and never for a digest.
    """
    if reference.domain != DEFAULT_DOMAIN or reference.digest or not reference.path.startswith(OFFICIAL):
        return None
    repository = reference.path[len(OFFICIAL) :]
    for recipe in RECIPES:
        own, _, tag = recipe.name.partition(":")
        if own == repository and any(_matches(reference.tag, known) for known in (tag, *_TAGS[recipe.name])):
            return recipe.replace(asked=reference.familiar())
    return None


def by_name(name: str) -> Recipe:
    """The recipe called *name*, under its own name. KeyError when there is none: names come from this table."""
    for recipe in RECIPES:
        if recipe.name == name:
            return recipe.replace(asked=name)
    raise KeyError(name)


def names() -> tuple[str, ...]:
    """The images that can be made without a registry, as a person would type them."""
    return tuple(recipe.name.removesuffix(":latest") for recipe in RECIPES)


def _matches(tag: str, known: str) -> bool:
    """Whether *tag* is *known*, where "#" in *known* stands for any number."""
    parts, wanted = _split(tag), _split(known)
    return len(parts) == len(wanted) and all(
        part == word or (word == "#" and part.isdecimal()) for part, word in zip(parts, wanted, strict=True)
    )


def _split(tag: str) -> list[str]:
    return tag.replace("-", ".-.").split(".")
