"""Which files make up a project, which environment it sees, and what it is called (docker compose's rules).

Reads `.env` files and looks for compose files; parses none of them.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Mapping

from pier.compose import dotenv
from pier.compose.source import Source
from pier.errors import Denied, Invalid, NotFound
from pier.model.record import Record

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDES = (
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
Warn = Callable[[str], None]


class Request(Record):
    """What the command line says about the project; *environ* and *directory* are the caller's own."""

    directory: str
    environ: dict[str, str]
    files: tuple[str, ...] = ()
    project_name: str = ""
    project_directory: str = ""
    env_files: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    resolve_environment: bool = True
    stdin: str = ""


class Location(Record):
    """*environment* is `.env` under the caller's own; *name* is empty until the files' `name:` is known."""

    directory: str
    files: tuple[str, ...]
    environment: dict[str, str]
    name: str
    profiles: tuple[str, ...]


def locate(request: Request, warn: Warn) -> Location:
    """Find the project. NotFound when there is no compose file here or above."""
    early = _environment(request, request.project_directory or request.directory)
    files = request.files or _from_variable(early)
    paths = tuple(item if item == "-" else posixpath.join(request.directory, item) for item in files)
    if not paths:
        paths = _search(request.directory, warn)
    directory = _directory(request, paths)
    environment = _environment(request, directory)
    name = request.project_name or environment.get("COMPOSE_PROJECT_NAME", "")
    if name and name != normal_name(name):
        raise invalid_name(name)
    profiles = request.profiles or tuple(
        item.strip() for item in environment.get("COMPOSE_PROFILES", "").split(",") if item.strip()
    )
    return Location(directory=directory, files=paths, environment=environment, name=name, profiles=profiles)


def read_source(path: str, directory: str, what: str = "compose file") -> Source:
    """The text at *path*, shown relative to *directory* where it lies below."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            return Source(shown_path(path, directory), file.read(), path)
    except FileNotFoundError as exc:
        raise NotFound(f"no such {what}: {path}") from exc
    except IsADirectoryError as exc:
        raise Invalid(f"{path} is a folder, not a {what}") from exc
    except PermissionError as exc:
        raise Denied(f"cannot read the {what} {path}", why=exc.strerror or "") from exc
    except UnicodeDecodeError as exc:
        raise Invalid(f"{path} is not UTF-8 text", why=f"byte {exc.start} is 0x{exc.object[exc.start]:02x}") from exc


def shown_path(path: str, directory: str) -> str:
    """*path* relative to *directory* where it lies below it."""
    short = posixpath.relpath(path, directory)
    return path if short.startswith("..") else short


def normal_name(text: str) -> str:
    """*text* as a project name: lower case letters, digits, `-` and `_`, starting with a letter or digit."""
    return re.sub(r"[^-_a-z0-9]", "", text.lower()).lstrip("_-")


def invalid_name(name: str) -> Invalid:
    """The error for a name that is none."""
    usable = normal_name(name)
    return Invalid(
        f'invalid project name "{name}": must consist only of lowercase alphanumeric characters, hyphens, and '
        "underscores as well as start with a letter or number",
        hint=f"use -p {usable}" if usable else "",
    )


def _from_variable(environment: Mapping[str, str]) -> tuple[str, ...]:
    text = environment.get("COMPOSE_FILE", "")
    separator = environment.get("COMPOSE_PATH_SEPARATOR") or os.pathsep
    return tuple(item for item in text.split(separator) if item)


def _search(directory: str, warn: Warn) -> tuple[str, ...]:
    folder = directory
    while True:
        found = [name for name in NAMES if os.path.isfile(posixpath.join(folder, name))]
        if found:
            if len(found) > 1:
                warn(f"Found multiple config files with supported names: {', '.join(found)}; using {found[0]}")
            extra = [name for name in OVERRIDES if os.path.isfile(posixpath.join(folder, name))][:1]
            return tuple(posixpath.join(folder, name) for name in (found[0], *extra))
        parent = posixpath.dirname(folder)
        if parent == folder:
            raise NotFound(
                "no configuration file provided: not found",
                why=f"there is no {', '.join(NAMES)} in {directory} or any folder above it",
                hint="change into the project's folder, or name the file: pier compose -f FILE",
            )
        folder = parent


def _directory(request: Request, files: tuple[str, ...]) -> str:
    if request.project_directory:
        return posixpath.normpath(posixpath.join(request.directory, request.project_directory))
    if files and files[0] != "-":
        return posixpath.dirname(posixpath.normpath(files[0]))
    return request.directory


def _environment(request: Request, directory: str) -> dict[str, str]:
    if request.environ.get("COMPOSE_DISABLE_ENV_FILE", "").lower() in ("1", "true") and not request.env_files:
        return dict(request.environ)
    listed = request.env_files or tuple(filter(None, request.environ.get("COMPOSE_ENV_FILES", "").split(",")))
    paths = [posixpath.join(request.directory, item) for item in listed]
    if not listed:
        usual = posixpath.join(directory, ".env")
        paths = [usual] if os.path.isfile(usual) else []
    found: dict[str, str] = {}
    for path in paths:
        source = read_source(path, request.directory, "env file")
        for name, value in dotenv.parse(source, {**found, **request.environ}).items():
            if value is not None:
                found[name] = value
    return {**found, **request.environ}
