"""Merge a compose file over another (Compose specification, "Merge"). Both are in long syntax; neither is changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pier.compose.source import MarkedList, MarkedMap, Tagged

_REPLACED = ("command", "entrypoint", "test")
Identity = Callable[[Any], Any]


def merged(base: MarkedMap, over: MarkedMap) -> MarkedMap:
    """*base* with *over* on top: maps are joined, lists are appended and made unique, scalars replaced."""
    return _maps(base, over, ())


def merged_service(base: MarkedMap, over: MarkedMap) -> MarkedMap:
    """A service over the one it extends."""
    return _maps(base, over, ("services", "*"))


def settled(value: Any) -> Any:
    """*value* without the tags that only matter while merging: what is `!reset` disappears."""
    if isinstance(value, MarkedMap):
        result = MarkedMap(value.mark)
        for key, item in value.items():
            if not _reset(item):
                result.put_like(key, settled(item), value)
        return result
    if isinstance(value, MarkedList):
        items = MarkedList(value.mark)
        for item, at in value.marked():
            items.add(settled(item), at)
        return items
    return value.value if isinstance(value, Tagged) else value


def _reset(value: Any) -> bool:
    return getattr(value, "tag", "") == "!reset"


def _maps(base: MarkedMap, over: MarkedMap, path: tuple[str, ...]) -> MarkedMap:
    result = base.blank()
    for key, value in base.items():
        if key not in over:
            result.put_like(key, value, base)
        elif not _reset(over[key]):
            result.put_like(key, _values(value, over[key], (*path, key)), over)
    for key, value in over.items():
        if key not in base and not _reset(value):
            result.put_like(key, value, over)
    return result


def _values(base: Any, over: Any, path: tuple[str, ...]) -> Any:
    key = path[-1]
    if getattr(over, "tag", "") == "!override" or key.startswith("x-") or _replaces(path):
        return over
    if isinstance(base, MarkedMap) and isinstance(over, MarkedMap):
        if key == "logging" and base.get("driver", over.get("driver")) != over.get("driver", base.get("driver")):
            return over
        return _maps(base, over, path)
    if isinstance(base, MarkedList) and isinstance(over, MarkedList):
        return _lists(base, over, _IDENTITIES.get(key, _scalar_identity))
    return base if over is None and isinstance(base, MarkedMap) else over


def _replaces(path: tuple[str, ...]) -> bool:
    if path[0] != "services":
        return False
    return path[-1] in _REPLACED and len(path) <= 4 or (len(path) == 4 and path[2] == "ulimits")


def _lists(base: MarkedList, over: MarkedList, identity: Identity) -> MarkedList:
    result = MarkedList(base.mark)
    seen: dict[Any, int] = {}
    for value, at in (*base.marked(), *over.marked()):
        known = identity(value)
        if known in seen:
            result[seen[known]] = value
            result.items_at[seen[known]] = at
            continue
        seen[known] = len(result)
        result.add(value, at)
    return result


def _scalar_identity(value: Any) -> Any:
    return value if not isinstance(value, (dict, list)) else id(value)


def _port_identity(value: MarkedMap) -> Any:
    return (value.get("host_ip", ""), value.get("published"), value["target"], value.get("protocol"))


_IDENTITIES: dict[str, Identity] = {
    "volumes": lambda value: value["target"],
    "ports": _port_identity,
    "secrets": lambda value: value["target"],
    "configs": lambda value: value.get("target") or "/" + str(value.get("source")),
    "devices": lambda value: value["target"],
    "env_file": lambda value: value["path"],
}
