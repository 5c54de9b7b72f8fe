"""Control data is read as deb822(5) and deb-control(5) describe it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier.errors import Corrupt
from pier.recipes.debian.control import Relation, relations, stanzas


def test_stanzas_keep_continued_lines_and_drop_comments() -> None:
    text = "# head\nPackage: a\nDescription: one\n two\n .\n three\n# in between\nVersion: 1\n\n\nPackage: b\n"
    assert list(stanzas(text)) == [
        {"package": "a", "description": "one\ntwo\n.\nthree", "version": "1"},
        {"package": "b"},
    ]


@pytest.mark.parametrize("text", [" continued\n", "no colon\n", ": no name\n"])
def test_what_is_no_control_data_is_refused(text: str) -> None:
    with pytest.raises(Corrupt):
        list(stanzas(text))


def test_clauses_hold_alternatives_with_bounds() -> None:
    assert relations("libc6 (>= 2.34), mawk | awk, perl:any (<< 6~),") == (
        (Relation(name="libc6", relation=">=", version="2.34"),),
        (Relation(name="mawk"), Relation(name="awk")),
        (Relation(name="perl", relation="<<", version="6~"),),
    )


def test_obsolete_relations_mean_or_equal() -> None:
    assert relations("a (< 1), b (> 2)") == (
        (Relation(name="a", relation="<=", version="1"),),
        (Relation(name="b", relation=">=", version="2"),),
    )


@pytest.mark.parametrize("text", ["(>= 1)", "a (~ 1)", "a | | b"])
def test_a_dependency_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(Corrupt):
        relations(text)


@given(st.text(alphabet="ab:|,() <>=1\n", max_size=40))
def test_any_text_is_read_or_refused_as_corrupt(text: str) -> None:
    for read in (relations, lambda value: list(stanzas(value))):
        try:
            read(text)
        except Corrupt:
            continue
