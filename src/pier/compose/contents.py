"""What secrets and configs hold, and laying them into a fresh container. Reads files and the project's environment."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

from pier.compose.model import FileGrant, FileObject, Project, Service
from pier.errors import Denied, Invalid, NotFound
from pier.model.container import Mount
from pier.model.record import Record
from pier.state import files

if TYPE_CHECKING:
    from pier.state.paths import Paths


class Content(Record):
    """One granted file: *data* as found now, *path* where it lies on the host, or "" when it lies nowhere yet."""

    grant: FileGrant
    data: bytes
    path: str = ""


def contents(project: Project, service: Service) -> list[Content]:
    """The files of all the service's secrets and configs."""
    found = [_content(project, project.secrets[grant.source], grant) for grant in service.secrets]
    return found + [_content(project, project.configs[grant.source], grant) for grant in service.configs]


def by_target(found: list[Content]) -> dict[str, bytes]:
    """What the config hash covers."""
    return {item.grant.target: item.data for item in found}


def target_of(grant: FileGrant) -> str:
    """The absolute path inside the container: relative ones lie in /run/secrets."""
    return grant.target if grant.target.startswith("/") else f"/run/secrets/{grant.target}"


def folder_of(paths: Paths, project: str) -> str:
    """Where the project's contents lie that are no file of the host's; `down` removes it."""
    return f"{paths.root}/compose/{project}"


def lay(found: list[Content], folder: str) -> tuple[Mount, ...]:
    """Read-only bind mounts of the files: of the host's own, or of copies written into *folder*."""
    return tuple(
        Mount(kind="bind", source=item.path or _copy(item, folder), target=target_of(item.grant), read_only=True)
        for item in found
    )


def _copy(item: Content, folder: str) -> str:
    """The copy with the owner and mode the grant gives, named by what it is: equal ones are one file."""
    grant = item.grant
    mode = 0o444 if grant.mode is None else grant.mode
    identity = hashlib.sha256(f"{grant.uid}:{grant.gid}:{mode:o}:".encode() + item.data).hexdigest()
    path = f"{files.ensure_dir(folder)}/{identity[:32]}"
    if not files.exists(path):
        files.write_text(path, item.data.decode(), mode=mode)
        os.chmod(path, mode)
        if grant.uid or grant.gid:
            os.chown(path, _number(grant.uid, grant), _number(grant.gid, grant))
    return path


def value_of(project: Project, source: FileObject) -> bytes:
    """What the secret or config holds now. NotFound; Denied."""
    if source.content:
        return source.content.encode()
    if source.environment:
        value = project.environment.get(source.environment)
        if value is None:
            raise NotFound(
                f'environment variable "{source.environment}" required by "{source.key}" is not set',
                hint=f"export {source.environment}=…, or put it into .env",
            )
        return value.encode()
    return _read(source)


def _content(project: Project, source: FileObject, grant: FileGrant) -> Content:
    return Content(grant=grant, data=value_of(project, source), path=source.file)


def _read(source: FileObject) -> bytes:
    try:
        if stat.S_ISDIR(os.stat(source.file).st_mode):
            return b""
        with open(source.file, "rb") as file:
            return file.read()
    except FileNotFoundError as exc:
        raise NotFound(f'the file of "{source.key}" does not exist: {source.file}') from exc
    except PermissionError as exc:
        raise Denied(f'cannot read the file of "{source.key}": {source.file}') from exc


def _number(text: str, grant: FileGrant) -> int:
    if not text:
        return -1
    if not text.isdigit():
        raise Invalid(f'the owner "{text}" of {grant.target} must be a number')
    return int(text)
