"""Mistakes in a valid project that cost people hours, seen before anything starts. Pure; each is one warning."""

from __future__ import annotations

from collections.abc import Iterator

from pier.compose.model import Project, Service
from pier.errors import Invalid
from pier.model import reference

_POSTGRES_DATA = "/var/lib/postgresql/data"
_POSTGRES_MOVED = 18


def advice(project: Project) -> Iterator[str]:
    """What a person should know about *project* before it starts."""
    for service in project.services.values():
        yield from _postgres(service)


def _postgres(service: Service) -> Iterator[str]:
    """From version 18 on the image keeps its data elsewhere, and refuses the old mount."""
    try:
        name = reference.parse(service.image)
    except Invalid:
        return
    if name.path != "library/postgres" or name.digest:
        return
    digits = name.tag[: len(name.tag) - len(name.tag.lstrip("0123456789"))]
    if digits and int(digits) < _POSTGRES_MOVED:
        return
    for mount in service.mounts:
        if mount.target.rstrip("/") == _POSTGRES_DATA:
            yield (
                f"service {service.name}: {service.image} keeps its data below /var/lib/postgresql since version 18 "
                f"and refuses a volume at {_POSTGRES_DATA}; mount it at /var/lib/postgresql, or pin postgres:16"
            )
