"""Compose files into one merged tree: interpolation, checks, `extends`, `include` and overrides, in the order the
specification gives. Knows nothing of what the keys mean to the engine."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Mapping
from typing import Any

from pier.compose import dotenv, merge
from pier.compose.canonical import Place, canonical
from pier.compose.check import check
from pier.compose.interpolate import TreeInterpolation
from pier.compose.locate import read_source
from pier.compose.source import Mark, MarkedList, MarkedMap, Source, plain
from pier.compose.yamltree import parse
from pier.errors import NotFound

Warn = Callable[[str], None]
_RESOURCES = ("services", "networks", "volumes", "secrets", "configs")


class Layers:
    """Loads files seen from *directory* (the folder paths are shown from). *home* is what `~` means."""

    def __init__(self, *, directory: str, home: str, warn: Warn, stdin: str = "") -> None:
        self.directory = directory
        self.home = home
        self.warn = warn
        self.stdin = stdin
        self._including: list[str] = []
        self._unset: set[str] = set()

    def source(self, path: str) -> Source:
        if path == "-":
            return Source("<stdin>", self.stdin, "-")
        return read_source(path, self.directory)

    def merged(self, sources: list[Source], base: str, environment: Mapping[str, str]) -> MarkedMap:
        """The *sources* merged in order, with what they include; relative paths start at *base*."""
        result: MarkedMap | None = None
        for source in sources:
            tree = self.layer(source, base, environment)
            tree = self.extended(tree, result, source, environment)
            result = tree if result is None else merge.merged(result, tree)
        if result is None:
            return MarkedMap(Mark(Source("", ""), 1, 1))
        return self.included(merge.settled(result), base, environment)

    def layer(self, source: Source, base: str, environment: Mapping[str, str]) -> MarkedMap:
        """One file: expanded, checked, in long syntax."""
        tree = TreeInterpolation(environment.get, self.unset).map(parse(source))
        return canonical(check(tree, self.warn), Place(base=base, home=self.home))

    def unset(self, name: str) -> None:
        if name not in self._unset:
            self._unset.add(name)
            self.warn(f'The "{name}" variable is not set. Defaulting to a blank string.')

    def extended(
        self, tree: MarkedMap, below: MarkedMap | None, source: Source, environment: Mapping[str, str]
    ) -> MarkedMap:
        services = tree.get("services")
        if not isinstance(services, MarkedMap) or not any("extends" in item for item in services.values() if item):
            return tree
        result = tree.blank()
        for key in tree:
            result.put_like(key, tree[key], tree)
        expanded = services.blank()
        for name in services:
            expanded.put_like(name, self.extend(name, services, below, source, environment, ()), services)
        result["services"] = expanded
        return result

    def extend(
        self,
        name: str,
        services: MarkedMap,
        below: MarkedMap | None,
        source: Source,
        environment: Mapping[str, str],
        chain: tuple[tuple[str, str], ...],
    ) -> Any:
        own = services[name]
        extends = own.get("extends") if isinstance(own, MarkedMap) else None
        if extends is None:
            return own
        at = own.value_at("extends")
        if (source.path, name) in chain:
            path = " -> ".join(service for _, service in (*chain, (source.path, name)))
            raise at.problem(f"services extend each other in a circle: {path}")
        chain = (*chain, (source.path, name))
        base_name, path = extends["service"], extends.get("file") or source.path
        if path == source.path:
            if base_name not in services and below is not None and base_name in below.get("services", {}):
                base = below["services"][base_name]
            else:
                self.require(base_name, services, at, source.name)
                base = self.extend(base_name, services, below, source, environment, chain)
        else:
            base = self.foreign(base_name, path, at, environment, chain)
        result = merge.merged_service(base, own)
        result.drop("extends")
        return result

    def foreign(
        self, name: str, path: str, at: Mark, environment: Mapping[str, str], chain: tuple[tuple[str, str], ...]
    ) -> Any:
        try:
            other = self.source(path)
        except NotFound as exc:
            raise at.problem(f"extends: {exc.message}", why=exc.why) from exc
        tree = self.layer(other, posixpath.dirname(path), environment)
        services = tree.get("services") or MarkedMap(tree.mark)
        self.require(name, services, at, other.name)
        return self.extend(name, services, None, other, environment, chain)

    def require(self, name: str, services: MarkedMap, at: Mark, where: str) -> None:
        if name not in services:
            from pier.compose.nearest import nearest

            best = nearest(name, services)
            hint = f"did you mean {best}?" if best else ""
            raise at.problem(f'extends: there is no service "{name}" in {where}', hint=hint)

    def included(self, tree: MarkedMap, base: str, environment: Mapping[str, str]) -> MarkedMap:
        entries = tree.get("include")
        if not isinstance(entries, MarkedList):
            return tree
        result = tree.blank()
        for key in tree:
            if key != "include":
                result.put_like(key, tree[key], tree)
        for entry, at in entries.marked():
            self.absorb(result, self.include(entry, at, base, environment), at)
        return result

    def include(self, entry: Any, at: Mark, base: str, environment: Mapping[str, str]) -> MarkedMap:
        given = entry if isinstance(entry, MarkedMap) else {"path": entry}
        place = Place(base=base, home=self.home)
        paths = [place.path(item) for item in _texts(given.get("path"))]
        if not paths:
            raise at.problem("include: `path` is missing")
        folder = given.get("project_directory")
        inner = place.path(folder) if folder else posixpath.dirname(paths[0])
        if paths[0] in self._including:
            chain = " -> ".join((*self._including, paths[0]))
            raise at.problem(f"the files include each other in a circle: {chain}")
        self._including.append(paths[0])
        try:
            own = self.include_environment(given.get("env_file"), inner, place, environment)
            return self.merged([self.source(path) for path in paths], inner, own)
        except NotFound as exc:
            raise at.problem(f"include: {exc.message}", why=exc.why) from exc
        finally:
            self._including.pop()

    def include_environment(
        self, listed: Any, folder: str, place: Place, environment: Mapping[str, str]
    ) -> Mapping[str, str]:
        paths = [place.path(item) for item in _texts(listed)]
        usual = posixpath.join(folder, ".env")
        if not paths and os.path.isfile(usual):
            paths = [usual]
        found: dict[str, str] = {}
        for path in paths:
            variables = dotenv.parse(read_source(path, self.directory, "env file"), {**found, **environment})
            found.update({name: value for name, value in variables.items() if value is not None})
        return {**found, **environment}

    def absorb(self, tree: MarkedMap, other: MarkedMap, at: Mark) -> None:
        for kind in _RESOURCES:
            found = other.get(kind)
            if not isinstance(found, MarkedMap):
                continue
            if not isinstance(tree.get(kind), MarkedMap):
                tree.put(kind, MarkedMap(found.mark), at, at)
            target = tree[kind]
            for name in found:
                if name in target and plain(target[name]) != plain(found[name]):
                    raise at.problem(
                        f"include: {kind}.{name} is defined differently in the included file",
                        why=f"the other definition is at {_place(target.key_at(name))}",
                        hint="rename one of the two, or override it in the include's `path:` list",
                    )
                if name not in target:
                    target.put_like(name, found[name], found)


def _texts(value: Any) -> list[str]:
    return [] if value is None else list(value) if isinstance(value, list) else [value]


def _place(at: Mark) -> str:
    return f"{at.source.name}:{at.line}"
