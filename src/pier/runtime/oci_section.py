"""Read a JSON object so that nothing in it is overlooked: what nobody took is an error that names its path. Pure."""

from __future__ import annotations

from pier.errors import Invalid, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Any

_NAME_OF = {str: "a string", int: "a number", bool: "true or false", list: "an array", dict: "an object"}


class Section:
    """One object of the configuration at *path*. Used with `with`: leaving it checks that every field was taken.

    A field nobody takes may be there when it asks for nothing: null, false, zero or empty.
    """

    def __init__(self, value: Any, path: str) -> None:
        self.path = path
        self._fields: dict[str, Any] = _typed(value if value is not None else {}, dict, path or "config.json")
        self._taken: set[str] = set()

    def __enter__(self) -> Section:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            for name, found in self._fields.items():
                if name not in self._taken and found:
                    raise Unsupported(f"{self.at(name)} is not supported", why="pier would have to ignore it")

    def at(self, name: str) -> str:
        """The full name of the field *name*."""
        return f"{self.path}.{name}" if self.path else name

    def _take(self, name: str, kind: type, default: Any) -> Any:
        self._taken.add(name)
        value = self._fields.get(name)
        return default if value is None else _typed(value, kind, self.at(name))

    def has(self, name: str) -> bool:
        return self._fields.get(name) is not None

    def text(self, name: str, default: str = "") -> str:
        return str(self._take(name, str, default))

    def number(self, name: str, default: int = 0) -> int:
        return int(self._take(name, int, default))

    def flag(self, name: str, *, default: bool = False) -> bool:
        return bool(self._take(name, bool, default))

    def texts(self, name: str) -> tuple[str, ...]:
        values = self._take(name, list, [])
        return tuple(_typed(value, str, f"{self.at(name)}[{number}]") for number, value in enumerate(values))

    def numbers(self, name: str) -> tuple[int, ...]:
        values = self._take(name, list, [])
        return tuple(_typed(value, int, f"{self.at(name)}[{number}]") for number, value in enumerate(values))

    def pairs(self, name: str) -> dict[str, str]:
        values = self._take(name, dict, {})
        return {key: _typed(value, str, f"{self.at(name)}.{key}") for key, value in values.items()}

    def section(self, name: str) -> Section:
        """The object *name*; an empty one when it is absent."""
        return Section(self._take(name, dict, {}), self.at(name))

    def sections(self, name: str) -> Iterator[Section]:
        """The objects of the array *name*."""
        for number, value in enumerate(self._take(name, list, [])):
            yield Section(value, f"{self.at(name)}[{number}]")

    def whole(self, name: str) -> dict[str, Any]:
        """The object *name* as it stands: whoever gets it answers for every field of it."""
        return dict(self._take(name, dict, {}))

    def answered_elsewhere(self, name: str) -> None:
        """The field is read by somebody else."""
        self._taken.add(name)

    def refuse(self, name: str, why: str) -> None:
        """Unsupported, for the reason *why*, when the field asks for something."""
        self._taken.add(name)
        if self._fields.get(name):
            raise Unsupported(f"{self.at(name)} is not supported", why=why)

    def required(self, name: str) -> None:
        """Invalid unless the field is there."""
        if not self.has(name):
            raise Invalid(f"{self.at(name)} is missing")


def _typed(value: Any, kind: type, path: str) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Invalid(f"{path} is not {_NAME_OF[kind]}")
    return value
