"""Change a container that exists: stand still, go on, other limits, another restart policy."""

from __future__ import annotations

import os

from pier.engine import controls, lifecycle, listing, records
from pier.errors import Conflict
from pier.runtime import frames, limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pier.engine.context import Engine
    from pier.model.container import Container, RestartPolicy


def pause(engine: Engine, reference: str) -> Container:
    """No process of the container runs until `unpause`. Conflict; Unsupported where the host has no freezer."""
    container = listing.find(engine, reference)
    if not container.state.running:
        raise Conflict(f"Container {container.id} is not running", hint=f"pier start {container.name}")
    lifecycle.administer(engine, container, frames.PAUSE)
    return container


def unpause(engine: Engine, reference: str) -> Container:
    """The container's processes run again. Conflict when they did not stand still."""
    container = listing.find(engine, reference)
    if container.state.status != "paused":
        raise Conflict(f"Container {container.id} is not paused")
    lifecycle.administer(engine, container, frames.RESUME)
    return container


def update(
    engine: Engine, reference: str, given: Sequence[tuple[str, object]], *, restart: RestartPolicy | None = None
) -> Container:
    """The container has the limits *given* (field of `Resources`, value) and the policy *restart*, at once if it runs.

    What this host cannot enforce is warned of. Invalid, in Docker's words.
    """
    container = listing.find(engine, reference)
    with records.lock(engine.paths, container.id):
        container = records.read(engine.paths, container.id)
        spec = container.spec
        wanted = limits.merge(spec.resources, given)
        limits.check(wanted, cpus=os.cpu_count() or 1)
        if restart is not None and restart.name != "no" and spec.auto_remove:
            raise Conflict("Restart policy cannot be updated because AutoRemove is enabled for the container")
        missing = controls.change(container, wanted) if container.state.running else ()
        spec = spec.replace(resources=wanted, restart=spec.restart if restart is None else restart)
        records.write_spec(engine.paths, spec)
    if container.state.running or container.state.status == "restarting":
        lifecycle.administer(engine, container, frames.RELOAD)
    if missing:
        engine.warn(limits.warning(missing))
    engine.record("container", "update", container.id, name=container.name, image=spec.image)
    return container.replace(spec=spec)
