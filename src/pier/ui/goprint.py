"""Values as Go's fmt package prints them: `%v` of maps, slices and structures, and Printf. Pure."""

from __future__ import annotations

from pier.ui.jsonout import is_struct, ordered, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def plain(value: Any) -> str:
    """What a template prints for *value*: `%v`, and `<no value>` for nothing."""
    return "<no value>" if value is None else text_of(value)


def text_of(value: Any) -> str:
    """`%v`: `map[a:1]`, `[a b]`, `{field field}`, `true`, `1.5`."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _general(value)
    if isinstance(value, dict):
        items = ordered(value)
        if is_struct(value):
            return "{" + " ".join(text_of(item) for _, item in items) + "}"
        return "map[" + " ".join(f"{key}:{text_of(item)}" for key, item in items) + "]"
    if isinstance(value, (list, tuple)):
        return "[" + " ".join(map(text_of, value)) + "]"
    return str(value)


def _general(value: float) -> str:
    """`%v` of a float: the shortest digits, an exponent from 1e21 on (package strconv, format 'g')."""
    if value != value or value in (float("inf"), float("-inf")):
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[repr(value)]
    if value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return repr(value)


def type_name(value: Any) -> str:
    """The Go type a user would expect for *value*, for messages."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "bool"
    for kind, name in ((int, "int"), (float, "float64"), (str, "string"), (dict, "map[string]interface {}")):
        if isinstance(value, kind):
            return name
    if isinstance(value, (list, tuple)):
        return "[]string" if all(isinstance(item, str) for item in value) else "[]interface {}"
    return type(value).__name__


def go_quote(text: str) -> str:
    """A Go string literal for *text*."""
    return quote(text)


def sprint(values: Sequence[Any]) -> str:
    """Go's Sprint: spaces only between operands when neither is a string."""
    parts: list[str] = []
    for index, value in enumerate(values):
        if index and not isinstance(value, str) and not isinstance(values[index - 1], str):
            parts.append(" ")
        parts.append(text_of(value))
    return "".join(parts)


def sprintf(template: str, values: Sequence[Any]) -> str:
    """Go's Sprintf, its `%!d(string=x)` complaints included."""
    out: list[str] = []
    position, used = 0, 0
    while (percent := template.find("%", position)) >= 0:
        out.append(template[position:percent])
        spec, position = _spec(template, percent + 1)
        verb = template[position : position + 1]
        position += 1
        if verb == "":
            out.append("%!(NOVERB)")
        elif verb == "%":
            out.append("%")
        elif used >= len(values):
            out.append(f"%!{verb}(MISSING)")
        else:
            out.append(_formatted(spec, verb, values[used]))
            used += 1
    out.append(template[position:])
    if used < len(values):
        surplus = ", ".join(f"{type_name(value)}={text_of(value)}" for value in values[used:])
        out.append(f"%!(EXTRA {surplus})")
    return "".join(out)


class _Spec:
    """Flags, width and precision of one verb."""

    __slots__ = ("flags", "precision", "width")

    def __init__(self, flags: str, width: int, precision: int) -> None:
        self.flags = flags
        self.width = width
        self.precision = precision

    def padded(self, text: str) -> str:
        if "-" in self.flags:
            return text.ljust(self.width)
        return text.rjust(self.width)


def _spec(template: str, at: int) -> tuple[_Spec, int]:
    start = at
    while template[at : at + 1] in tuple("+-# 0"):
        at += 1
    flags = template[start:at]
    width, at = _digits(template, at)
    precision = -1
    if template[at : at + 1] == ".":
        precision, at = _digits(template, at + 1)
    return _Spec(flags, width, precision), at


def _digits(template: str, at: int) -> tuple[int, int]:
    start = at
    while template[at : at + 1].isascii() and template[at : at + 1].isdigit():
        at += 1
    return int(template[start:at] or 0), at


def _formatted(spec: _Spec, verb: str, value: Any) -> str:
    if verb == "v":
        return spec.padded(go_quote(value) if "#" in spec.flags and isinstance(value, str) else text_of(value))
    if verb == "T":
        return spec.padded(type_name(value))
    if verb in "sq" and isinstance(value, (list, tuple)):
        return "[" + " ".join(_formatted(spec, verb, item) for item in value) + "]"
    if isinstance(value, str):
        text = _string(spec, verb, value)
    elif isinstance(value, bool):
        text = text_of(value) if verb == "t" else None
    elif isinstance(value, int):
        return _integer(spec, verb, value)
    elif isinstance(value, float) and verb in "feEgG":
        return _number(spec, _float(spec, verb, value))
    else:
        text = None
    return spec.padded(text) if text is not None else _wrong(verb, value)


def _wrong(verb: str, value: Any) -> str:
    return f"%!{verb}({type_name(value)}={text_of(value)})" if value is not None else f"%!{verb}(<nil>)"


def _string(spec: _Spec, verb: str, value: str) -> str | None:
    short = value[: spec.precision] if spec.precision >= 0 else value
    if verb == "s":
        return short
    if verb == "q":
        return f"`{short}`" if "#" in spec.flags and "`" not in short else go_quote(short)
    if verb in "xX":
        text = short.encode().hex()
        return text.upper() if verb == "X" else text
    return None


def _integer(spec: _Spec, verb: str, value: int) -> str:
    if verb == "d":
        return _number(spec, str(value))
    if verb in "xXob":
        prefix = {"x": "0x", "X": "0X", "o": "0", "b": "0b"}[verb] if "#" in spec.flags else ""
        return _number(spec, f"{'-' if value < 0 else ''}{prefix}{abs(value):{verb}}")
    if verb == "c":
        return spec.padded(chr(value))
    if verb == "q":
        return spec.padded(f"'{chr(value)}'")
    return _wrong(verb, value)


def _float(spec: _Spec, verb: str, value: float) -> str:
    if spec.precision < 0 and verb in "gG":
        return _general(value)
    return f"{value:.{6 if spec.precision < 0 else spec.precision}{verb}}"


def _number(spec: _Spec, text: str) -> str:
    if not text.startswith("-"):
        text = ("+" if "+" in spec.flags else " " if " " in spec.flags else "") + text
    if "0" in spec.flags and "-" not in spec.flags:
        return text.zfill(spec.width)
    return spec.padded(text)
