"""Lists of NAME=value words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pier.model.environment import merge_env

_NAMES = st.sampled_from(["A", "B", "PATH", "x"])
_WORDS = st.lists(st.builds(lambda name, value: f"{name}={value}", _NAMES, st.text(max_size=5)), max_size=6).map(tuple)


def test_a_later_word_replaces_an_earlier_one_in_its_place() -> None:
    assert merge_env(("A=1", "B=2"), ("C=3", "A=4")) == ("A=4", "B=2", "C=3")


def test_a_word_without_a_value_removes_the_variable() -> None:
    assert merge_env(("A=1", "B=2"), ("A",)) == ("B=2",)


def test_an_empty_value_is_a_value() -> None:
    assert merge_env(("A=1",), ("A=",)) == ("A=",)


def test_a_value_may_hold_equal_signs() -> None:
    assert merge_env((), ("A=b=c",)) == ("A=b=c",)


@given(_WORDS, _WORDS)
def test_each_variable_comes_once_with_its_last_value(base: tuple[str, ...], more: tuple[str, ...]) -> None:
    merged = merge_env(base, more)
    expected = {word.partition("=")[0]: word for word in base + more}
    assert {word.partition("=")[0]: word for word in merged} == expected
    assert len(merged) == len(expected)
