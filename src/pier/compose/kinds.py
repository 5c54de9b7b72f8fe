"""The vocabulary of the compose grammar: kinds of values, and keys with what pier does with them. Pure data."""

from __future__ import annotations

from typing import ClassVar

from pier.model.record import Record


class Kind(Record):
    """What a value may be."""


class Scalar(Kind):
    """A text, number or boolean. *want* names what it must read as: text, int, number, flag, bytes, duration."""

    want: str


class Choice(Kind):
    """One of *values*."""

    values: tuple[str, ...]


class ListOf(Kind):
    item: Kind


class MapOf(Kind):
    """Free names to values."""

    value: Kind


class Either(Kind):
    """The first of *kinds* whose shape (map, list, scalar) is the value's."""

    kinds: tuple[Kind, ...]


class Key(Record):
    """A key of the specification. *support*: done, warned (read, has no effect here, said so) or refused (an error).

    *note* says what pier lacks and what to do instead; empty for done keys.
    """

    NESTED: ClassVar[dict[str, type[Record]]] = {}

    kind: Kind
    support: str = "done"
    note: str = ""


class Fields(Kind):
    """A mapping with these keys, and `x-` extensions unless *closed*. *what* names it in messages."""

    what: str
    keys: dict[str, Key]
    required: tuple[str, ...] = ()
    closed: bool = False


class Anything(Kind):
    """Whatever stands there."""


TEXT = Scalar(want="text")
INT = Scalar(want="int")
NUMBER = Scalar(want="number")
FLAG = Scalar(want="flag")
BYTES = Scalar(want="bytes")
DURATION = Scalar(want="duration")
SCALAR = Scalar(want="scalar")
ANYTHING = Anything()
TEXTS = ListOf(item=TEXT)
TEXT_OR_TEXTS = Either(kinds=(TEXT, TEXTS))
PAIRS = Either(kinds=(MapOf(value=SCALAR), TEXTS))


def done(kind: Kind) -> Key:
    return Key(kind=kind)


def warned(kind: Kind, note: str) -> Key:
    return Key(kind=kind, support="warned", note=note)


def refused(kind: Kind, note: str) -> Key:
    return Key(kind=kind, support="refused", note=note)
