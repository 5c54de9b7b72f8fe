"""Maps of user and group ids, as the kernel prints them."""

from __future__ import annotations

from pier.kernel import idmap

FIRST = "         0          0 4294967295\n"


def test_the_machines_first_namespace_is_not_nested() -> None:
    ids = idmap.parse(FIRST)
    assert not ids.nested
    assert not ids.one_id


def test_a_range_of_subordinate_ids_is_a_full_map() -> None:
    ids = idmap.parse("         0       1001          1\n         1     100000      65536\n")
    assert ids.nested
    assert ids.count == 65537
    assert not ids.one_id


def test_a_single_line_of_one_is_one_id() -> None:
    assert idmap.parse("         0       1001          1\n").one_id


def test_a_namespace_without_a_map_has_nobody() -> None:
    assert idmap.parse("").count == 0


def test_this_process_has_a_map() -> None:
    assert idmap.current().count > 0
