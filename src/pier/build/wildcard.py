"""File patterns as regular expressions: Go's `filepath.Match`, and `**` where the caller wants it. Loads `re`."""

from __future__ import annotations

import re

from pier.errors import Invalid

_MAGIC = "*?["


def is_pattern(text: str) -> bool:
    """Whether *text* holds a wildcard; an escaped one counts, since its backslash has to be removed."""
    return any(char in text for char in _MAGIC) or "\\" in text


def compiled(pattern: str, *, below: bool = False) -> re.Pattern[str]:
    """Matches whole relative paths; with *below* also everything under a matching directory. Invalid for a bad
    pattern.
    """
    try:
        return re.compile(f"(?:{expression(pattern)}){'(?:/.*)?' if below else ''}", re.DOTALL)
    except re.error as exc:
        raise Invalid(f"bad pattern: {pattern}", why=str(exc)) from exc


def expression(pattern: str) -> str:
    """The regular expression of *pattern*. `*` and `?` stop at "/"; `**/` is any directories, none included."""
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**", at):
            at += 2
            if pattern.startswith("/", at):
                out.append("(?:.*/)?")
                at += 1
            else:
                out.append(".*")
            continue
        if char == "*":
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            piece, at = _character_class(pattern, at)
            out.append(piece)
            continue
        elif char == "\\" and at + 1 < len(pattern):
            at += 1
            out.append(re.escape(pattern[at]))
        else:
            out.append(re.escape(char))
        at += 1
    return "".join(out)


def _character_class(pattern: str, start: int) -> tuple[str, int]:
    """`[a-z]`, `[^a-z]`: never matches "/". Returns the expression and the position behind it."""
    at = start + 1
    negated = pattern[at : at + 1] == "^"
    at += negated
    ranges: list[str] = []
    while pattern[at : at + 1] != "]" or not ranges:
        first, at = _class_member(pattern, at)
        last = first
        if pattern[at : at + 1] == "-":
            last, at = _class_member(pattern, at + 1)
        ranges.append(first if first == last else f"{first}-{last}")
    return f"(?!/)[{'^' if negated else ''}{''.join(ranges)}]", at + 1


def _class_member(pattern: str, at: int) -> tuple[str, int]:
    if pattern[at : at + 1] == "\\":
        at += 1
    if at >= len(pattern):
        raise Invalid(f"bad pattern: {pattern}", why="a [ is never closed")
    return re.escape(pattern[at]), at + 1
