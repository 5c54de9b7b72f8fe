"""The order services depend on each other in. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pier.compose.source import MarkedMap


def ordered(dependencies: Mapping[str, Iterable[str]]) -> list[str]:
    """The names, each after everything it depends on; otherwise in their given order. Unknown names are ignored."""
    done: dict[str, None] = {}

    def visit(name: str, trail: frozenset[str]) -> None:
        if name in done or name not in dependencies or name in trail:
            return
        for other in sorted(dependencies[name]):
            visit(other, trail | {name})
        done[name] = None

    for name in dependencies:
        visit(name, frozenset())
    return list(done)


def depths(dependencies: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """How many services deep each one stands: 0 for those that depend on nothing."""
    found: dict[str, int] = {}
    for name in ordered(dependencies):
        found[name] = 1 + max((found.get(other, 0) for other in dependencies[name] if other in found), default=-1)
    return found


def cycle(dependencies: Mapping[str, Iterable[str]]) -> list[str]:
    """One circle of names, first name repeated at the end; empty when there is none."""
    finished: set[str] = set()

    def search(name: str, trail: list[str]) -> list[str]:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in finished:
            return []
        for other in dependencies.get(name, ()):
            found = search(other, [*trail, name])
            if found:
                return found
        finished.add(name)
        return []

    for name in dependencies:
        found = search(name, [])
        if found:
            return found
    return []


def refuse_cycles(dependencies: Mapping[str, Iterable[str]], services: MarkedMap) -> None:
    """SyntaxProblem that draws the circle, where there is one."""
    found = cycle(dependencies)
    if found:
        first = services[found[0]]
        depends = first.get("depends_on")
        at = depends.key_at(found[1]) if isinstance(depends, MarkedMap) else services.key_at(found[0])
        raise at.problem(
            "dependency cycle detected: " + " -> ".join(found),
            why="no service of the circle can start first",
            hint="remove one of these `depends_on`",
        )
