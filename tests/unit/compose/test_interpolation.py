"""`$X` and its operators in compose files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier.compose.interpolate import TemplateProblem, substitute

VALUES = {"SET": "value", "EMPTY": "", "N1": "one"}


def expand(template: str) -> tuple[str, list[str]]:
    unset: list[str] = []
    return substitute(template, VALUES.get, unset.append), unset


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        ("$SET", "value"),
        ("a-${SET}-b", "a-value-b"),
        ("$$SET", "$SET"),
        ("$$$SET", "$value"),
        ("${SET:-d}", "value"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${GONE-d}", "d"),
        ("${GONE:-}", ""),
        ("${SET:+there}", "there"),
        ("${EMPTY:+there}", ""),
        ("${EMPTY+there}", "there"),
        ("${GONE+there}", ""),
        ("${GONE:-${ALSO:-${N1}}}", "one"),
        ("${GONE:-a${SET}b}c", "avaluebc"),
        ("${SET:?must}", "value"),
        ("${GONE:-{}}", "{}"),
        ("${GONE:-$$x}", "$x"),
        ("$SET$N1", "valueone"),
        ("${GONE:-a:b-c?d}", "a:b-c?d"),
    ],
)
def test_every_form_expands_as_the_specification_says(template: str, expected: str) -> None:
    assert expand(template) == (expected, [])


def test_an_unset_variable_is_blank_and_reported() -> None:
    assert expand("x${GONE}y$ALSO") == ("xy", ["GONE", "ALSO"])


def test_a_default_that_is_not_needed_is_not_expanded() -> None:
    assert expand("${SET:-${GONE}}") == ("value", [])


@pytest.mark.parametrize("template", ["${GONE:?}", "${GONE?why}", "${EMPTY:?why}"])
def test_a_required_variable_names_itself(template: str) -> None:
    with pytest.raises(TemplateProblem, match="required variable (GONE|EMPTY) is missing a value"):
        expand(template)


def test_the_message_of_a_required_variable_is_expanded() -> None:
    with pytest.raises(TemplateProblem, match="missing a value: set value first"):
        expand("${GONE:?set ${SET} first}")


@pytest.mark.parametrize("template", ["$", "a$ b", "${", "${}", "${1}", "$1", "${SET", "${SET!x}", "${SET:x}", "${-x}"])
def test_what_is_no_template_is_refused(template: str) -> None:
    with pytest.raises(TemplateProblem, match="invalid interpolation"):
        expand(template)


names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
words = st.text(st.characters(exclude_characters="${}", exclude_categories=["Cs"]), max_size=12)


@given(words)
def test_text_without_a_dollar_stays(text: str) -> None:
    assert substitute(text, {}.get, lambda _name: None) == text


@given(st.text(max_size=30))
def test_a_doubled_text_expands_to_itself(text: str) -> None:
    assert substitute(text.replace("$", "$$"), {}.get, lambda _name: None) == text


@given(names, words, words, words)
def test_braces_put_the_value_between_its_neighbours(name: str, value: str, before: str, after: str) -> None:
    assert substitute(f"{before}${{{name}}}{after}", {name: value}.get, lambda _name: None) == before + value + after


@given(names, st.one_of(st.none(), words), words)
def test_the_two_defaults_differ_only_for_empty_values(name: str, value: str | None, default: str) -> None:
    lookup = ({} if value is None else {name: value}).get
    soft = substitute(f"${{{name}:-{default}}}", lookup, lambda _name: None)
    hard = substitute(f"${{{name}-{default}}}", lookup, lambda _name: None)
    assert soft == (value or default)
    assert hard == (default if value is None else value)


@given(st.text(alphabet="${}:-?+abAB_ ", max_size=25))
def test_no_text_breaks_the_scanner(text: str) -> None:
    try:
        substitute(text, {"a": "1"}.get, lambda _name: None)
    except TemplateProblem:
        pass


@given(st.integers(1, 40))
def test_defaults_nest_deeply(depth: int) -> None:
    template = "end"
    for level in range(depth):
        template = f"${{V{level}:-{template}}}"
    assert substitute(template, {}.get, lambda _name: None) == "end"
