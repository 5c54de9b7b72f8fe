"""A compose `volumes:` item in long form (Compose specification, "Volumes"). Looks at no file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pier.compose.source import Mark, MarkedMap

_PROPAGATIONS = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
_CONSISTENCIES = ("consistent", "cached", "delegated")
Resolve = Callable[[str], str]


def long_form(item: Any, at: Mark, resolve: Resolve) -> MarkedMap:
    """*item* as a mapping with type, source and target; *resolve* makes host paths absolute."""
    entry = _completed(item, at) if isinstance(item, MarkedMap) else _short(str(item), at)
    if entry["type"] == "bind" and entry.get("source"):
        entry["source"] = resolve(entry["source"])
    return entry


def _completed(item: MarkedMap, at: Mark) -> MarkedMap:
    entry = MarkedMap(at)
    entry.update(item)
    kind = entry["type"]
    if kind in ("cluster", "npipe", "image"):
        raise at.problem(f"volumes: the type {kind} is not supported by pier", hint="use volume, bind or tmpfs")
    if not entry.get("target"):
        raise at.problem("volumes: `target` is missing", why="it is the path inside the container")
    if kind == "bind" and not entry.get("source"):
        raise at.problem("volumes: a bind mount needs its `source`", why="it is the path on this machine")
    if kind == "tmpfs" and entry.get("source"):
        raise at.problem("volumes: a tmpfs mount has no `source`")
    if kind == "tmpfs" and "mode" in (entry.get("tmpfs") or {}):
        mode = entry["tmpfs"]["mode"]
        if not isinstance(mode, int):
            entry["tmpfs"]["mode"] = int(str(mode), 8)
    if kind != "tmpfs":
        entry.setdefault(kind, MarkedMap(at))
    labels = (entry.get("volume") or {}).get("labels")
    if isinstance(labels, list):
        entry["volume"]["labels"] = dict(str(label).partition("=")[::2] for label in labels)
    return entry


def _short(text: str, at: Mark) -> MarkedMap:
    parts = text.split(":")
    if not text or len(parts) > 3 or not parts[-1] or (len(parts) > 1 and not parts[0]):
        hint = "write NAME:/path, ./folder:/path or /path, with :ro for read-only"
        raise at.problem(f'volumes: "{text}" is not a volume', hint=hint)
    entry = MarkedMap(at)
    if len(parts) == 1:
        entry.update({"type": "volume", "target": parts[0], "volume": MarkedMap(at)})
        _check_target(entry, text, at)
        return entry
    source, target = parts[0], parts[1]
    kind = "bind" if source.startswith(("/", ".", "~")) else "volume"
    entry.update({"type": kind, "source": source, "target": target})
    _check_target(entry, text, at)
    details = MarkedMap(at)
    for option in parts[2].split(",") if len(parts) == 3 else ():
        _option(option, entry, details, text, at)
    entry[kind] = details
    return entry


def _option(option: str, entry: MarkedMap, details: MarkedMap, text: str, at: Mark) -> None:
    if option == "ro":
        entry["read_only"] = True
    elif option in ("z", "Z"):
        details["selinux"] = option
    elif option == "nocopy":
        details["nocopy"] = True
    elif option in _PROPAGATIONS:
        details["propagation"] = option
    elif option in _CONSISTENCIES:
        entry["consistency"] = option
    elif option != "rw":
        raise at.problem(f'volumes: unknown option "{option}" in "{text}"', hint="ro, rw, nocopy and z are known")


def _check_target(entry: MarkedMap, text: str, at: Mark) -> None:
    if not str(entry["target"]).startswith("/"):
        why = "the path inside the container must be absolute"
        raise at.problem(f'volumes: "{text}" has the target "{entry["target"]}"', why=why)
