"""Which packages a set of packages needs. Pure; knows no conflicts, because one release's base has none."""

from __future__ import annotations

from pier.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pier.recipes.debian.control import Relation
    from pier.recipes.debian.index import Index, Package


def closure(index: Index, wanted: Iterable[str], installed: Mapping[str, Package] | None = None) -> tuple[Package, ...]:
    """*wanted* and everything they depend on or pre-depend on, by name, without what is *installed* and will do.

    Of alternatives, one that is already chosen is taken; else the first that the archive holds, as apt does; else the
    first provider by name. NotFound, naming the package that cannot be had.
    """
    chosen: dict[str, Package] = {}
    present = installed or {}
    queue: list[Package] = []

    def choose(package: Package) -> None:
        if package.name not in chosen:
            chosen[package.name] = package
            queue.append(package)

    for name in wanted:
        package = index.get(name)
        if package is None:
            raise NotFound(f"no package {name} in the archive", hint="check the mirror's release and components")
        if name not in present:
            choose(package)
    while queue:
        package = queue.pop(0)
        for clause in package.depends:
            if not any(_holds(chosen, relation) or _holds(present, relation) for relation in clause):
                choose(_pick(index, package, clause))
    return tuple(chosen[name] for name in sorted(chosen))


def _holds(chosen: Mapping[str, Package], relation: Relation) -> bool:
    package = chosen.get(relation.name)
    if package is not None and relation.accepts(package.version):
        return True
    return any(_provides(package, relation) for package in chosen.values())


def _provides(package: Package, relation: Relation) -> bool:
    for clause in package.provides:
        for offer in clause:
            if offer.name == relation.name and (
                not relation.relation or (offer.version and relation.accepts(offer.version))
            ):
                return True
    return False


def _pick(index: Index, package: Package, clause: tuple[Relation, ...]) -> Package:
    for relation in clause:
        candidate = index.get(relation.name)
        if candidate is not None and relation.accepts(candidate.version):
            return candidate
    for relation in clause:
        for name in index.providers(relation.name):
            candidate = index.get(name)
            if candidate is not None and _provides(candidate, relation):
                return candidate
    missing = " | ".join(f"{relation.name} {relation.relation} {relation.version}".strip() for relation in clause)
    raise NotFound(
        f"{package.name} needs {missing}, which the archive does not hold",
        hint="the mirror may be in the middle of an update: try again, or name another with PIER_DEBIAN_MIRROR",
    )
