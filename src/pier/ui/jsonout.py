"""JSON as Docker's client prints it: compact for `{{json .}}`, indented for `inspect`; no letter is escaped needlessly.

Written out here because importing `json` costs more than most commands take. Reads nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

try:
    from _json import encode_basestring as _quote  # type: ignore[import-not-found, unused-ignore]
except ImportError:
    from json.encoder import py_encode_basestring as _quote  # type: ignore[attr-defined, no-redef, unused-ignore]


def quote(text: str) -> str:
    """*text* as a JSON string."""
    quoted: str = _quote(text)
    return quoted


def is_struct(value: dict[str, Any]) -> bool:
    """Does *value* stand for one of Docker's fixed structures (all keys capitalised) and not for a free map?"""
    return bool(value) and all(str(key)[:1].isupper() for key in value)


def ordered(value: dict[str, Any]) -> list[tuple[str, Any]]:
    """Items in Go's order: a structure's fields as declared, a map's keys sorted; functions are no data."""
    items = [(str(key), item) for key, item in value.items() if not callable(item)]
    return items if is_struct(value) else sorted(items, key=lambda item: item[0])


def compact(value: Any) -> str:
    """One line of JSON."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{quote(key)}:{compact(item)}" for key, item in ordered(value)) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(compact, value)) + "]"
    return _scalar(value)


def indented(value: Any, margin: str = "    ") -> str:
    """JSON over several lines, as `docker inspect` prints it."""
    return _indented(value, margin, "\n")


def _indented(value: Any, margin: str, line: str) -> str:
    inner = line + margin
    if isinstance(value, dict) and value:
        parts = [f"{quote(key)}: {_indented(item, margin, inner)}" for key, item in ordered(value)]
        return "{" + inner + ("," + inner).join(parts) + line + "}"
    if isinstance(value, (list, tuple)) and value:
        return "[" + inner + ("," + inner).join(_indented(item, margin, inner) for item in value) + line + "]"
    return compact(value)


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value)
    if isinstance(value, int):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


