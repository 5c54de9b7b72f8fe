"""Variables, quotes and modifiers in words."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pier.build.expansion import expand_document, expand_word, expand_words, matches, trim
from pier.errors import Invalid

VARIABLES = {"x": "foo.tar.gz", "empty": "", "two": "a b", "path": "/usr/local/bin"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$x", "foo.tar.gz"),
        ("${x}y", "foo.tar.gzy"),
        ("$missing", ""),
        ("$", "$"),
        ("a$", "a$"),
        ("\\$x", "$x"),
        ("'$x'", "$x"),
        ('"$x"', "foo.tar.gz"),
        ('"\\$x \\a"', "$x \\a"),
        ("${missing:-d}", "d"),
        ("${empty:-d}", "d"),
        ("${empty-d}", ""),
        ("${x:+yes}", "yes"),
        ("${empty:+yes}", ""),
        ("${empty+yes}", "yes"),
        ("${missing:-${x}}", "foo.tar.gz"),
        ("${x%.*}", "foo.tar"),
        ("${x%%.*}", "foo"),
        ("${x#*.}", "tar.gz"),
        ("${x##*.}", "gz"),
        ("${path##*/}", "bin"),
        ("${x/o/0}", "f0o.tar.gz"),
        ("${x//o/0}", "f00.tar.gz"),
        ("${x%nomatch}", "foo.tar.gz"),
        ("$1$@", ""),
        ("a\\ b", "a b"),
    ],
)
def test_a_word_expands_as_the_reference_says(text: str, expected: str) -> None:
    assert expand_word(text, VARIABLES) == expected


@pytest.mark.parametrize("text", ["'open", '"open', "${", "${x", "${}", "${:x}", "${x:", "${x!y}", "${x:-y"])
def test_what_is_left_open_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        expand_word(text, VARIABLES)


def test_a_required_variable_stops_with_its_own_message() -> None:
    with pytest.raises(Invalid, match="name it") as caught:
        expand_word("${missing:?name it}", VARIABLES)
    assert "--build-arg missing=" in caught.value.hint
    assert expand_word("${x:?name it}", VARIABLES) == "foo.tar.gz"


def test_words_split_at_blanks_also_those_of_a_variable_unless_quoted() -> None:
    assert expand_words('$two "$two" c', VARIABLES) == ["a", "b", "a b", "c"]
    assert expand_words("''", VARIABLES) == [""]
    assert expand_words("  $missing ", VARIABLES) == []


def test_the_escape_character_can_be_another() -> None:
    assert expand_word("`$x C:\\d", VARIABLES, "`") == "$x C:\\d"


def test_a_document_keeps_quotes_and_other_backslashes() -> None:
    assert expand_document("\"$x\" \\n \\$x '$two'", VARIABLES) == "\"foo.tar.gz\" \\n $x 'a b'"


@given(st.text(max_size=60), st.dictionaries(st.sampled_from(["x", "y"]), st.text(max_size=5)))
def test_any_word_expands_or_is_refused(text: str, variables: dict[str, str]) -> None:
    try:
        expand_word(text, variables)
    except Invalid:
        return


@given(st.text(alphabet="abc/.", max_size=30))
def test_plain_text_is_itself(text: str) -> None:
    assert expand_word(text, {}) == text
    assert matches("*", text)


_SAFE = st.text(alphabet="ab./", max_size=8)
_PATTERN = st.text(alphabet="ab./*?", min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(_SAFE, _PATTERN, st.sampled_from(["#", "##", "%", "%%"]))
def test_trimming_agrees_with_the_shell(value: str, pattern: str, operator: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'printf %s "${{x{operator}{pattern}}}"'],
        env={"x": value},
        capture_output=True,
        text=True,
        check=True,
    )
    longest = len(operator) == 2
    assert trim(value, pattern, suffix="%" in operator, longest=longest) == done.stdout
