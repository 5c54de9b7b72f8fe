"""`--filter` for containers: Docker's keys, each turned into a condition. Pure, but for the image a name stands for.

Several values of one key are alternatives, except labels; different keys must all hold.
"""

from __future__ import annotations

from pier.errors import Invalid, NotFound
from pier.model import ports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pier.engine.context import Engine
    from pier.model.container import Container

    Condition = Callable[[Container], bool]

STATUSES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
HEALTHS = ("starting", "healthy", "unhealthy", "none")
SHOWS_STOPPED = ("status", "exited")


def condition(engine: Engine, filters: Mapping[str, Sequence[str]], everything: Sequence[Container]) -> Condition:
    """True for the containers that *filters* keep. *everything* is where `before` and `since` look for their container.

    Invalid for an unknown key or value; NotFound where `before` or `since` name no container.
    """
    checks: list[Condition] = []
    for key, values in filters.items():
        make = _MAKERS.get(key)
        if make is None:
            raise invalid_filter(key)
        checks.append(make(engine, tuple(values), everything))
    return lambda found: all(check(found) for check in checks)


def invalid_filter(text: str) -> Invalid:
    """The refusal of an unknown filter, in Docker's words."""
    return Invalid(f"invalid filter '{text}'")


def matches_text(pattern: str, text: str) -> bool:
    """Docker takes a name as a regular expression found anywhere; plain words, the usual case, do without `re`."""
    if not set(pattern) & set("\\.[]{}()*+?^$|"):
        return pattern in text
    import re

    try:
        return re.search(pattern, text) is not None
    except re.error as exc:
        raise invalid_filter(f"name={pattern}") from exc


def has_labels(wanted: Iterable[str], labels: Mapping[str, str]) -> bool:
    """Does each of *wanted* (`key` or `key=value`) stand in *labels*?"""
    for word in wanted:
        key, equals, text = word.partition("=")
        if key not in labels or equals and labels[key] != text:
            return False
    return True


def _name(_engine: Engine, values: tuple[str, ...], _all: Sequence[Container]) -> Condition:
    # Docker's names begin with a slash, and patterns may or may not say so.
    return lambda found: any(matches_text(value, name) for value in values for name in (found.name, "/" + found.name))


def _id(_engine: Engine, values: tuple[str, ...], _all: Sequence[Container]) -> Condition:
    return lambda found: any(found.id.startswith(value) for value in values)


def _label(_engine: Engine, values: tuple[str, ...], _all: Sequence[Container]) -> Condition:
    return lambda found: has_labels(values, found.spec.labels)


def _status(_engine: Engine, values: tuple[str, ...], _all: Sequence[Container]) -> Condition:
    _check("status", values, STATUSES)
    return lambda found: found.state.status in values


def _health(_engine: Engine, values: tuple[str, ...], _all: Sequence[Container]) -> Condition:
    _check("health", values, HEALTHS)
    return lambda found: (found.state.health.status if found.state.health else "none") in values


def _check(key: str, values: Iterable[str], known: Sequence[str]) -> None:
    for value in values:
        if value not in known:
            raise Invalid(f"invalid filter '{key}={value}'", hint="one of " + ", ".join(known))


def _exited(_engine: Engine, values: tuple[str, ...], _all: Sequence[Container]) -> Condition:
    codes = []
    for value in values:
        if not value.lstrip("-").isdigit():
            raise invalid_filter(f"exited={value}")
        codes.append(int(value))
    return lambda found: found.state.status == "exited" and found.state.exit_code in codes


def _ancestor(engine: Engine, values: tuple[str, ...], _all: Sequence[Container]) -> Condition:
    ids = set()
    for value in values:
        try:
            ids.add(engine.images.resolve(value).id)
        except NotFound:
            # Docker, too, shows an empty list for an image that is not there.
            continue
    return lambda found: found.spec.image_id in ids or found.spec.image in values


def _before(_engine: Engine, values: tuple[str, ...], everything: Sequence[Container]) -> Condition:
    moments = [_named(value, everything).spec.created for value in values]
    return lambda found: found.spec.created < min(moments)


def _since(_engine: Engine, values: tuple[str, ...], everything: Sequence[Container]) -> Condition:
    moments = [_named(value, everything).spec.created for value in values]
    return lambda found: found.spec.created > max(moments)


def _named(text: str, everything: Iterable[Container]) -> Container:
    for found in everything:
        if found.name == text or found.id.startswith(text):
            return found
    raise NotFound(f"No such container: {text}")


def _volume(_engine: Engine, values: tuple[str, ...], _all: Sequence[Container]) -> Condition:
    return lambda found: any(mount.source in values or mount.target in values for mount in found.spec.mounts)


def _network(_engine: Engine, values: tuple[str, ...], _all: Sequence[Container]) -> Condition:
    def joined(found: Container) -> bool:
        names = [attachment.network for attachment in found.spec.networks] or [found.spec.network_mode]
        ids = [address.get("network_id", "") for address in found.state.addresses.values()]
        return any(value in names or any(known.startswith(value) for known in ids if known) for value in values)

    return joined


def _publish(_engine: Engine, values: tuple[str, ...], _all: Sequence[Container]) -> Condition:
    wanted = {name for value in values for name in ports.parse_expose(value)}
    return lambda found: any(f"{port.container_port}/{port.protocol}" in wanted for port in found.spec.ports)


def _expose(_engine: Engine, values: tuple[str, ...], _all: Sequence[Container]) -> Condition:
    wanted = {name for value in values for name in ports.parse_expose(value)}
    published = _publish(_engine, values, _all)
    return lambda found: published(found) or any(name in wanted for name in found.spec.exposed)


_MAKERS: dict[str, Callable[[Engine, tuple[str, ...], Sequence[Container]], Condition]] = {
    "name": _name,
    "id": _id,
    "label": _label,
    "status": _status,
    "health": _health,
    "exited": _exited,
    "ancestor": _ancestor,
    "before": _before,
    "since": _since,
    "volume": _volume,
    "network": _network,
    "publish": _publish,
    "expose": _expose,
}
