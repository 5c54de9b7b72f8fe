"""Stanzas of Debian control data and the relationship fields in them (deb822(5), deb-control(5)). Pure."""

from __future__ import annotations

from pier.errors import Corrupt
from pier.model.record import Record
from pier.recipes.debian import version as versions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Relation(Record):
    """One alternative of a clause: a package, perhaps with a bound on its version."""

    name: str
    relation: str = ""
    version: str = ""

    def accepts(self, version: str) -> bool:
        """Whether a package of this name in *version* will do."""
        return versions.satisfies(version, self.relation, self.version)


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """The stanzas of *text*, in order, field names in lower case.

    A continued value keeps its line breaks, without the leading blank; comment lines are skipped.
    """
    fields: dict[str, str] = {}
    last = ""
    for line in text.split("\n"):
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields, last = {}, ""
        elif line[0] in " \t":
            if not last:
                raise Corrupt(f"control data begins with a continued line: {line.strip()!r}")
            fields[last] += "\n" + line[1:].rstrip()
        else:
            name, colon, value = line.partition(":")
            if not colon or not name:
                raise Corrupt(f"control data holds a line without a field name: {line!r}")
            last = name.strip().lower()
            fields[last] = value.strip()
    if fields:
        yield fields


def relations(text: str) -> tuple[tuple[Relation, ...], ...]:
    """The clauses of a relationship field: all must hold, in each any one alternative will do."""
    clauses = []
    for clause in text.replace("\n", " ").split(","):
        if clause.strip():
            clauses.append(tuple(_relation(alternative) for alternative in clause.split("|")))
    return tuple(clauses)


def _relation(text: str) -> Relation:
    # Restrictions in [] and <> occur in source packages only; "name:any" means the name, here as in apt.
    name, bracket, bound = text.strip().partition("(")
    name = name.strip().partition(":")[0]
    if not name:
        raise Corrupt(f"a dependency without a package name: {text!r}")
    if not bracket:
        return Relation(name=name)
    bound = bound.partition(")")[0].strip()
    sign = bound[: len(bound) - len(bound.lstrip("<=>"))]
    # deb-control(5): "<" and ">" are obsolete spellings of "<=" and ">=".
    relation = {"<": "<=", ">": ">="}.get(sign, sign)
    if relation not in versions.RELATIONS:
        raise Corrupt(f"a dependency with an unknown relation: {text.strip()!r}")
    return Relation(name=name, relation=relation, version=bound[len(sign) :].strip())
