"""`.env` and `env_file` texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier.compose import dotenv
from pier.compose.source import Source
from pier.errors import SyntaxProblem


def parse(text: str, **outer: str) -> dict[str, str | None]:
    return dotenv.parse(Source(".env", text), outer)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=b", "b"),
        ("A = b ", "b"),
        ("export A=b", "b"),
        ("A: b", "b"),
        ("A=b # note", "b"),
        ("A=b#c", "b#c"),
        ("A=# note", ""),
        ("A='b # c'", "b # c"),
        ('A="b\\nc"', "b\nc"),
        ("A='b\\nc'", "b\\nc"),
        ('A="two\nlines"', "two\nlines"),
        ('A="q\\"q"', 'q"q'),
        ("A='it''", None),
        ("A=$B", "outer"),
        ("A='$B'", "$B"),
        ('A="${B}-${C:-d}"', "outer-d"),
        ('A="\\$B"', "$B"),
        ("A=", ""),
        ("\ufeffA=b", "b"),
        ("A=b\r\n", "b"),
        ("A=a=b", "a=b"),
    ],
)
def test_a_value_reads_as_docker_compose_reads_it(text: str, value: str | None) -> None:
    if value is None:
        with pytest.raises(SyntaxProblem):
            parse(text, B="outer")
        return
    assert parse(text, B="outer") == {"A": value}


def test_later_lines_see_earlier_ones_and_the_outer_value_wins() -> None:
    assert parse("A=1\nB=${A}2\nC=$B$D", D="x", A="0") == {"A": "1", "B": "02", "C": "02x"}


def test_a_bare_name_takes_the_outer_value() -> None:
    assert parse("A\nB\n", A="1") == {"A": "1", "B": None}


def test_comments_and_blank_lines_are_skipped() -> None:
    assert parse("\n# a\n  \n  # b\nA=1\n\n#C=2") == {"A": "1"}


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("A=1\nB C=2", 2, 2, 'a space in the variable name "B C"'),
        ("=x", 1, 1, "a line without a variable name"),
        ('A=1\n\nB="open', 3, 3, "a quote is opened here and never closed"),
        ("A='b' c", 1, 6, 'unexpected text after the closing quote: "c"'),
        ("A=${B", 1, 3, 'invalid interpolation: "${B"'),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(SyntaxProblem) as caught:
        parse(text)
    assert (caught.value.line, caught.value.column, caught.value.message) == (line, column, message)


def test_raw_files_are_taken_as_they_stand() -> None:
    assert dotenv.raw(Source("x", "# c\nA='q' $B # d\nC\n")) == {"A": "'q' $B # d", "C": None}


@given(st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,6}", fullmatch=True), st.text(max_size=20), max_size=5))
def test_single_quoted_values_survive(values: dict[str, str]) -> None:
    kept = {name: value.replace("'", "").replace("\\", "").replace("\r", "") for name, value in values.items()}
    text = "\n".join(f"{name}='{value}'" for name, value in kept.items())
    assert parse(text) == kept


@given(st.text(max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        parse(text)
    except SyntaxProblem as problem:
        assert problem.line >= 1
