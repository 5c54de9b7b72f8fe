"""Find containers and tell which there are, as they truly are."""

from __future__ import annotations

from pier.engine import reconcile, records
from pier.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.engine.context import Engine
    from pier.model.container import Container


def find(engine: Engine, reference: str) -> Container:
    """The container meant by a name, an id or the beginning of an id. NotFound; Conflict when several match."""
    container = reconcile.load(engine, records.resolve_id(engine, reference))
    if container is None:
        raise NotFound(f"No such container: {reference}", hint="`pier ps -a` lists the containers there are")
    return container


def containers(engine: Engine, *, all: bool = False) -> list[Container]:
    """Running containers, or all of them; the newest first."""
    found = []
    for container_id in records.ids(engine.paths):
        container = reconcile.load(engine, container_id)
        if container is not None and (all or container.state.running or container.state.status == "restarting"):
            found.append(container)
    found.sort(key=lambda container: container.spec.created, reverse=True)
    return found
