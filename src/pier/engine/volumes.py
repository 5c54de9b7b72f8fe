"""Volumes as verbs: the store's folders, and which containers use them. A named volume is never taken unasked."""

from __future__ import annotations

from pier.engine import listing
from pier.volumes import store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pier.engine.context import Engine
    from pier.volumes.store import Volume


def create(
    engine: Engine,
    name: str = "",
    *,
    driver: str = "local",
    labels: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
) -> Volume:
    """The volume *name*, made when absent; a random name when empty. Invalid, Unsupported."""
    volume = store.create(engine.paths, name, driver=driver, labels=labels, options=options)
    engine.record("volume", "create", volume.name, driver=volume.driver)
    return volume


def find(engine: Engine, name: str) -> Volume:
    """The volume of that name. NotFound."""
    return store.find(engine.paths, name)


def list(engine: Engine) -> tuple[Volume, ...]:
    """Every volume, by name."""
    return store.list(engine.paths)


def users(engine: Engine) -> dict[str, tuple[str, ...]]:
    """Volume name → ids of the containers, running or not, that mount it."""
    found: dict[str, tuple[str, ...]] = {}
    for container in listing.containers(engine, all=True):
        for mount in container.spec.mounts:
            if mount.kind == "volume":
                found[mount.source] = (*found.get(mount.source, ()), container.id)
    return found


def remove(engine: Engine, name: str, *, force: bool = False) -> str:
    """The volume and its data are gone. Conflict while a container uses it; NotFound unless *force*."""
    if force and not store.exists(engine.paths, name):
        return name
    volume = store.find(engine.paths, name)
    holders = users(engine).get(volume.name)
    if holders:
        raise store.in_use(name, holders)
    store.remove(engine.paths, volume.name)
    engine.record("volume", "destroy", volume.name, driver=volume.driver)
    return volume.name


def prune(engine: Engine, *, everything: bool = False, keep: Callable[[Volume], bool]) -> tuple[str, ...]:
    """Names of the unused volumes removed: the anonymous ones, with *everything* the named ones too."""
    used = users(engine)
    removed = []
    for volume in store.list(engine.paths):
        if volume.name in used or keep(volume) or not (everything or volume.anonymous):
            continue
        removed.append(remove(engine, volume.name))
    return tuple(removed)
