"""A base holds what its packages need, chosen as apt chooses."""

from __future__ import annotations

import pytest

from pier.errors import Corrupt, NotFound
from pier.recipes.debian.index import Index, installed
from pier.recipes.debian.resolve import closure


def stanza(name: str, version: str = "1", **fields: str) -> str:
    lines = [f"Package: {name}", f"Version: {version}", "Architecture: amd64"]
    lines += [f"{field.replace('_', '-')}: {value}" for field, value in fields.items()]
    lines += [f"Filename: pool/{name}_{version}.deb", "Size: 10", f"SHA256: {'0' * 64}"]
    return "\n".join(lines)


def index(*stanzas: str, base: str = "http://m.example/debian") -> Index:
    found = Index()
    found.add(base, ("\n\n".join(stanzas) + "\n").encode())
    return found


def chosen(found: Index, *wanted: str, status: str = "") -> list[str]:
    return [package.name for package in closure(found, wanted, installed(status))]


def test_dependencies_and_pre_dependencies_come_along() -> None:
    found = index(stanza("a", Depends="b (>= 1)", Pre_Depends="c"), stanza("b", Depends="d"), stanza("c"), stanza("d"))
    assert chosen(found, "a") == ["a", "b", "c", "d"]


def test_cycles_end() -> None:
    assert chosen(index(stanza("a", Depends="b"), stanza("b", Depends="a")), "a") == ["a", "b"]


def test_an_alternative_already_chosen_is_preferred() -> None:
    found = index(stanza("a", Depends="x | y"), stanza("x", Depends="z"), stanza("y"), stanza("z"))
    assert chosen(found, "a", "y") == ["a", "y"]
    assert chosen(found, "a") == ["a", "x", "z"]


def test_a_virtual_package_is_satisfied_by_a_provider() -> None:
    found = index(stanza("a", Depends="awk"), stanza("mawk", Provides="awk"), stanza("gawk", Provides="awk"))
    assert chosen(found, "a", "mawk") == ["a", "mawk"]
    assert chosen(found, "a") == ["a", "gawk"]


def test_a_provided_version_must_fit_the_bound() -> None:
    found = index(stanza("a", Depends="v (>= 2)"), stanza("old", Provides="v (= 1)"), stanza("new", Provides="v (= 2)"))
    assert chosen(found, "a") == ["a", "new"]


def test_what_is_installed_is_not_chosen_again_unless_too_old() -> None:
    found = index(stanza("a", Depends="b (>= 2), c"), stanza("b", "2"), stanza("c"))
    status = "Package: {}\nStatus: install ok installed\nVersion: 1\n\n"
    assert chosen(found, "a", status=status.format("b") + status.format("c")) == ["a", "b"]
    removed = "Package: c\nStatus: deinstall ok config-files\nVersion: 1\n\n"
    assert chosen(found, "a", status=removed) == ["a", "b", "c"]


def test_the_newest_of_several_archives_counts() -> None:
    found = index(stanza("a", "1.9"))
    found.add("http://m.example/security", (stanza("a", "1.10") + "\n").encode())
    package = found.get("a")
    assert package is not None
    assert (package.version, package.url) == ("1.10", "http://m.example/security/pool/a_1.10.deb")


def test_minimal_is_essential_and_required() -> None:
    found = index(stanza("a", Essential="yes"), stanza("b", Priority="required"), stanza("c", Priority="important"))
    assert found.minimal() == ("a", "b")


def test_a_missing_package_is_named_with_who_needs_it() -> None:
    with pytest.raises(NotFound, match="a needs b >= 3"):
        chosen(index(stanza("a", Depends="b (>= 3)"), stanza("b", "2")), "a")
    with pytest.raises(NotFound, match="no package x"):
        chosen(index(stanza("a")), "x")


def test_an_index_that_lacks_a_checksum_is_corrupt() -> None:
    with pytest.raises(Corrupt, match="describes a incompletely"):
        index("Package: a\nVersion: 1\nArchitecture: all\nFilename: x\nSize: 1").get("a")
    with pytest.raises(Corrupt):
        index("Version: 1\nPackage: a")
