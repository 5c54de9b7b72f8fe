"""The table of keys against the specification's own JSON schema: nothing missing, nothing invented, nothing silent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pier.compose.grammar import PROJECT
from pier.compose.kinds import Either, Fields, Kind, ListOf, MapOf

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parent / "compose-spec.json").read_text())


def described(schema: dict[str, Any], path: str = "", seen: tuple[str, ...] = ()) -> Iterator[str]:
    """Every key path the schema names; `*` stands for free names and list items."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        if name not in seen:
            yield from described(SCHEMA["definitions"][name], path, (*seen, name))
        return
    for option in schema.get("oneOf", ()):
        yield from described(option, path, seen)
    for key, value in schema.get("properties", {}).items():
        yield f"{path}{key}"
        yield from described(value, f"{path}{key}.", seen)
    for pattern, value in schema.get("patternProperties", {}).items():
        if pattern != "^x-":
            yield from described(value, f"{path}*.", seen)
    if "items" in schema:
        yield from described(schema["items"], path, seen)


def tabled(kind: Kind, path: str = "") -> Iterator[str]:
    if isinstance(kind, Either):
        for option in kind.kinds:
            yield from tabled(option, path)
    elif isinstance(kind, Fields):
        for key, entry in kind.keys.items():
            yield f"{path}{key}"
            yield from tabled(entry.kind, f"{path}{key}.")
    elif isinstance(kind, MapOf):
        yield from tabled(kind.value, f"{path}*.")
    elif isinstance(kind, ListOf):
        yield from tabled(kind.item, path)


def entries(kind: Kind, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(kind, Either):
        for option in kind.kinds:
            yield from entries(option, path)
    elif isinstance(kind, Fields):
        for key, entry in kind.keys.items():
            yield f"{path}{key}", entry
            yield from entries(entry.kind, f"{path}{key}.")
    elif isinstance(kind, MapOf):
        yield from entries(kind.value, f"{path}*.")
    elif isinstance(kind, ListOf):
        yield from entries(kind.item, path)


def test_every_key_of_the_specification_is_in_the_table() -> None:
    assert sorted(set(described(SCHEMA)) - set(tabled(PROJECT))) == []


def test_the_table_invents_no_key() -> None:
    assert sorted(set(tabled(PROJECT)) - set(described(SCHEMA))) == []


def test_every_key_is_done_warned_or_refused_with_a_reason() -> None:
    for path, entry in entries(PROJECT):
        assert entry.support in ("done", "warned", "refused"), path
        assert bool(entry.note) == (entry.support != "done"), path


def test_required_keys_are_those_of_the_schema() -> None:
    build = SCHEMA["definitions"]["service"]["properties"]["volumes"]["items"]["oneOf"][1]
    volumes = PROJECT.keys["services"].kind.value.keys["volumes"].kind.item.kinds[1]  # type: ignore[attr-defined]
    assert list(volumes.required) == build["required"]
