"""The functions templates may call: Go's own and those Docker adds. Pure."""

from __future__ import annotations

from pier.ui import goprint, jsonout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class CallProblem(Exception):
    """A function refuses its arguments, in Go's words."""


def truth(value: Any) -> bool:
    """Go's truth: not false, 0, empty or nil."""
    return bool(value)


def length(value: Any) -> int:
    if isinstance(value, (str, list, tuple, dict)):
        return len(value.encode()) if isinstance(value, str) else len(value)
    raise CallProblem(f"len of type {goprint.type_name(value)}" if value is not None else "len of nil pointer")


def index(value: Any, *keys: Any) -> Any:
    """`index x 1 "a"`: x[1]["a"]; a map without the key gives nothing, a list without the place is an error."""
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key) if isinstance(key, str) else None
        elif isinstance(value, (list, tuple, str)):
            if isinstance(key, bool) or not isinstance(key, int):
                raise CallProblem(f"cannot index slice/array with type {goprint.type_name(key)}")
            if not 0 <= key < len(value):
                raise CallProblem(f"index out of range: {key}")
            value = value.encode()[key] if isinstance(value, str) else value[key]
        elif value is None:
            raise CallProblem("index of untyped nil")
        else:
            raise CallProblem(f"can't index item of type {goprint.type_name(value)}")
    return value


def cut(value: Any, *ends: Any) -> Any:
    """`slice x 1 3`: x[1:3]."""
    if not isinstance(value, (str, list, tuple)):
        raise CallProblem(f"can't slice item of type {goprint.type_name(value)}")
    low = ends[0] if ends else 0
    high = ends[1] if len(ends) > 1 else len(value)
    for end in (low, high):
        if isinstance(end, bool) or not isinstance(end, int) or not 0 <= end <= len(value):
            raise CallProblem(f"index out of range: {goprint.text_of(end)}")
    if low > high:
        raise CallProblem(f"invalid slice index: {low} > {high}")
    return value[low:high]


def _comparable(left: Any, right: Any) -> None:
    kinds = [
        "bool" if isinstance(value, bool) else "number" if isinstance(value, (int, float)) else type(value).__name__
        for value in (left, right)
    ]
    if any(isinstance(value, (dict, list, tuple)) for value in (left, right)):
        raise CallProblem("non-comparable type")
    if kinds[0] != kinds[1] and None not in (left, right):
        raise CallProblem("incompatible types for comparison")


def equal(left: Any, *others: Any) -> bool:
    """`eq a b c`: is a equal to b or to c?"""
    if not others:
        raise CallProblem("missing argument for comparison")
    for right in others:
        _comparable(left, right)
        if left == right:
            return True
    return False


def less(left: Any, right: Any) -> bool:
    if left is None or right is None or isinstance(left, bool) or isinstance(right, bool):
        raise CallProblem("invalid type for comparison")
    _comparable(left, right)
    return bool(left < right)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise CallProblem(f"wrong type for value; expected string; got {goprint.type_name(value)}")
    return value


def _join(values: Any, separator: Any = "") -> str:
    if not isinstance(values, (list, tuple)):
        raise CallProblem(f"wrong type for value; expected []string; got {goprint.type_name(values)}")
    return _text(separator).join(_text(value) for value in values)


def _title(text: Any) -> str:
    """Every letter that follows a space or punctuation becomes a capital; the rest stays (Go's strings.Title)."""
    out, inside = [], False
    for letter in _text(text):
        out.append(letter if inside else letter.upper())
        inside = letter.isalnum() or letter in "_'"
    return "".join(out)


def _pad(text: Any, before: int, after: int) -> str:
    return " " * before + _text(text) + " " * after if _text(text) else ""


def _truncate(text: Any, width: int) -> str:
    return _text(text)[: max(0, width)]


_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;", "\0": "\ufffd"}


def _html(*values: Any) -> str:
    return "".join(_ENTITIES.get(letter, letter) for letter in goprint.sprint(values))


def _urlquery(*values: Any) -> str:
    safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~"
    return "".join(
        chr(byte) if chr(byte) in safe else "+" if byte == 32 else f"%{byte:02X}"
        for byte in goprint.sprint(values).encode()
    )


# `and` and `or` stop early, so the evaluator does them itself; the grammar asks here for their names only.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "and": truth,
    "or": truth,
    "not": lambda value: not truth(value),
    "len": length,
    "index": index,
    "slice": cut,
    "eq": equal,
    "ne": lambda left, right: not equal(left, right),
    "lt": less,
    "le": lambda left, right: less(left, right) or equal(left, right),
    "gt": lambda left, right: less(right, left),
    "ge": lambda left, right: less(right, left) or equal(left, right),
    "print": lambda *values: goprint.sprint(values),
    "println": lambda *values: " ".join(map(goprint.text_of, values)) + "\n",
    "printf": lambda template, *values: goprint.sprintf(_text(template), values),
    "html": _html,
    "js": lambda *values: jsonout.quote(goprint.sprint(values))[1:-1],
    "urlquery": _urlquery,
    "call": lambda function, *values: function(*values),
    "json": jsonout.compact,
    "split": lambda text, separator: _text(text).split(_text(separator)) if separator else list(_text(text)),
    "join": _join,
    "title": _title,
    "lower": lambda text: _text(text).lower(),
    "upper": lambda text: _text(text).upper(),
    "pad": _pad,
    "truncate": _truncate,
}

# What the same names do while a table's header row is written: they leave the column's name as it is.
HEADER_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **FUNCTIONS,
    "json": lambda text: text,
    "split": lambda text, _separator: [text],
    "join": lambda values, _separator="": "".join(values) if isinstance(values, list) else values,
    "title": lambda text: text,
    "lower": lambda text: text,
    "upper": lambda text: text,
    "truncate": lambda text, _width: text,
}
