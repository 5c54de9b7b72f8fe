"""Where each value of a compose file was written: texts, marks, and maps and lists that remember their marks.

Marks survive interpolation and merging, so that an error found late still names file, line and column. Parses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pier.errors import SyntaxProblem


class Source:
    """One text with the name it is shown under."""

    __slots__ = ("_lines", "name", "path", "text")

    def __init__(self, name: str, text: str, path: str = "") -> None:
        self.name = name
        self.path = path or name
        self.text = text
        self._lines: list[str] | None = None

    def line(self, number: int) -> str:
        """Line *number*, 1-based; empty past the end."""
        if self._lines is None:
            self._lines = self.text.splitlines()
        return self._lines[number - 1] if 0 < number <= len(self._lines) else ""


class Mark:
    """A place in a source: line and column, both 1-based."""

    __slots__ = ("column", "line", "source")

    def __init__(self, source: Source, line: int, column: int) -> None:
        self.source = source
        self.line = line
        self.column = column

    def problem(self, message: str, *, why: str = "", hint: str = "") -> SyntaxProblem:
        """An error that points at this place."""
        return SyntaxProblem(
            message,
            file=self.source.name,
            line=self.line,
            column=self.column,
            text=self.source.line(self.line),
            why=why,
            hint=hint,
        )


class MarkedMap(dict[str, Any]):
    """A mapping that knows where it, its keys and its values stand. *tag*: `!reset` or `!override`, else empty."""

    __slots__ = ("keys_at", "mark", "tag", "values_at")

    def __init__(self, mark: Mark, tag: str = "") -> None:
        super().__init__()
        self.mark = mark
        self.tag = tag
        self.keys_at: dict[str, Mark] = {}
        self.values_at: dict[str, Mark] = {}

    def put(self, key: str, value: Any, key_at: Mark, value_at: Mark) -> None:
        """Set *key* together with its marks."""
        self[key] = value
        self.keys_at[key] = key_at
        self.values_at[key] = value_at

    def put_like(self, key: str, value: Any, other: MarkedMap, other_key: str | None = None) -> None:
        """Set *key*, marked as *other_key* (default: *key*) is in *other*."""
        name = key if other_key is None else other_key
        self.put(key, value, other.key_at(name), other.value_at(name))

    def key_at(self, key: str) -> Mark:
        return self.keys_at.get(key, self.mark)

    def value_at(self, key: str) -> Mark:
        return self.values_at.get(key, self.mark)

    def drop(self, key: str) -> None:
        self.pop(key, None)
        self.keys_at.pop(key, None)
        self.values_at.pop(key, None)

    def blank(self) -> MarkedMap:
        """An empty map at the same place."""
        return MarkedMap(self.mark, self.tag)


class MarkedList(list[Any]):
    """A sequence that knows where it and its items stand."""

    __slots__ = ("items_at", "mark", "tag")

    def __init__(self, mark: Mark, tag: str = "") -> None:
        super().__init__()
        self.mark = mark
        self.tag = tag
        self.items_at: list[Mark] = []

    def add(self, value: Any, at: Mark) -> None:
        self.append(value)
        self.items_at.append(at)

    def item_at(self, index: int) -> Mark:
        return self.items_at[index] if index < len(self.items_at) else self.mark

    def marked(self) -> Iterable[tuple[Any, Mark]]:
        """Each item with its mark."""
        return ((value, self.item_at(index)) for index, value in enumerate(self))


class Tagged:
    """A scalar carrying `!reset` or `!override`."""

    __slots__ = ("tag", "value")

    def __init__(self, value: Any, tag: str) -> None:
        self.value = value
        self.tag = tag


def plain(value: Any) -> Any:
    """The same data without marks: dicts, lists, scalars."""
    if isinstance(value, Tagged):
        return plain(value.value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value
