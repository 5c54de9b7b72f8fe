"""Random container names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pier.model import names


@given(st.binary(min_size=4, max_size=8), st.integers(min_value=0, max_value=3))
def test_every_draw_is_an_adjective_and_a_surname(entropy: bytes, attempt: int):
    adjective, surname = names.random_name(entropy, attempt).split("_")
    assert adjective in names.ADJECTIVES.split()
    assert surname.rstrip("0123456789") in names.SURNAMES.split()
    assert attempt or surname.isalpha()


def test_the_lists_hold_each_word_once():
    for words in (names.ADJECTIVES.split(), names.SURNAMES.split()):
        assert sorted(set(words)) == words
        assert all(word.isascii() and word.isalpha() and word.islower() for word in words)
