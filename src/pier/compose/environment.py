"""A service's variables from `env_file`, `environment` and the caller's own, in that order of growing weight.

Reads the env files and label files a service names; writes into the service's tree.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from pier.compose import dotenv
from pier.compose.locate import read_source
from pier.compose.source import Mark, MarkedList, MarkedMap
from pier.errors import NotFound


def resolve_environment_of(service: MarkedMap, environment: Mapping[str, str], shown_from: str) -> None:
    """Replace `env_file` and value-less names by their values; a name without any value stays null."""
    found: dict[str, str | None] = {}
    files = service.get("env_file")
    if isinstance(files, MarkedList):
        for entry, at in files.marked():
            known = {name: value for name, value in found.items() if value is not None}
            found.update(_read(entry, at, {**known, **environment}, shown_from))
        service.drop("env_file")
    own = service.get("environment")
    for name, value in (own or {}).items():
        found[name] = environment.get(name) if value is None else value
    if found:
        if isinstance(own, MarkedMap):
            own.clear()
            own.update(found)
        else:
            service.put("environment", found, service.mark, service.mark)


def resolve_labels_of(service: MarkedMap, shown_from: str) -> None:
    """Fold `label_file` into `labels`, which win."""
    files = service.get("label_file")
    if not isinstance(files, MarkedList):
        return
    found: dict[str, str] = {}
    for path, at in files.marked():
        entry = MarkedMap(at)
        entry["path"] = path
        found.update({name: value or "" for name, value in _read(entry, at, {}, shown_from).items()})
    service["labels"] = {**found, **(service.get("labels") or {})}
    service.drop("label_file")


def resolve_build_arguments(service: MarkedMap, environment: Mapping[str, str]) -> None:
    """Give value-less build arguments the caller's value; a name the caller lacks stays null."""
    arguments = (service.get("build") or {}).get("args") or {}
    for name, value in arguments.items():
        if value is None and name in environment:
            arguments[name] = environment[name]


def _read(entry: MarkedMap, at: Mark, outer: Mapping[str, str], shown_from: str) -> dict[str, str | None]:
    path = entry["path"]
    if not entry.get("required", True) and not os.path.exists(path):
        return {}
    try:
        source = read_source(path, shown_from, "env file")
    except NotFound as exc:
        raise at.problem(
            f"env file {path} not found", hint="create it, or write `required: false` beside its `path:`"
        ) from exc
    if entry.get("format") == "raw":
        return dotenv.raw(source)
    return dotenv.parse(source, outer)
