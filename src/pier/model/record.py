"""Immutable records without `dataclasses` or `typing`, whose imports cost more than a container start may.

A subclass annotates its fields; defaults make a field optional. Records compare by value and convert to and from the
JSON objects of the store. Knows no files.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Self, dataclass_transform
else:

    def dataclass_transform(**_: object):
        return lambda cls: cls


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Record:
    """Base of every record: keyword-only constructor, frozen, value equality.

    `NESTED` names the fields that hold other records (one, or a tuple of them), so that `from_dict` can rebuild them.
    """

    NESTED: ClassVar[dict[str, type[Record]]] = {}
    FIELDS: ClassVar[tuple[str, ...]] = ()
    KNOWN: ClassVar[frozenset[str]] = frozenset()
    DEFAULTS: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls) -> None:
        own = [name for name, kind in cls.__annotations__.items() if not str(kind).startswith("ClassVar")]
        cls.FIELDS = cls.FIELDS + tuple(own)
        cls.KNOWN = frozenset(cls.FIELDS)
        cls.DEFAULTS = {**cls.DEFAULTS, **{name: cls.__dict__[name] for name in own if name in cls.__dict__}}

    def __init__(self, **values: Any) -> None:
        fields = self.__dict__
        fields.update(self.DEFAULTS)
        fields.update(values)
        if len(fields) != len(self.FIELDS):
            surplus = [name for name in values if name not in self.FIELDS]
            missing = [name for name in self.FIELDS if name not in fields]
            raise TypeError(f"{type(self).__name__}: unknown fields {surplus}, missing fields {missing}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} is immutable; use replace()")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        inner = ", ".join(f"{name}={self.__dict__[name]!r}" for name in self.FIELDS)
        return f"{type(self).__name__}({inner})"

    def replace(self, **changes: Any) -> Self:
        """The same record with *changes*."""
        return type(self)(**{**self.__dict__, **changes})

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists and scalars: what `jsontext.dumps` writes."""
        return {name: _plain(self.__dict__[name]) for name in self.FIELDS}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Rebuild a record; fields of a newer pier are ignored so that stores survive a downgrade."""
        values: dict[str, Any] = {}
        nested = cls.NESTED
        for name, value in data.items():
            if value.__class__ is list:
                kind = nested.get(name)
                values[name] = tuple(map(kind.from_dict, value)) if kind else tuple(value)
            elif name in nested and value is not None:
                values[name] = nested[name].from_dict(value)
            else:
                values[name] = value
        if not values.keys() <= cls.KNOWN:
            values = {name: value for name, value in values.items() if name in cls.KNOWN}
        return cls(**values)


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value
