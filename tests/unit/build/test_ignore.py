"""`.dockerignore`: order, `!`, `**`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier.build.ignore import parse
from pier.errors import SyntaxProblem


@pytest.mark.parametrize(
    ("rules", "hidden", "shown"),
    [
        ("*.md", ["a.md"], ["sub/a.md", "md"]),
        ("**/*.md", ["a.md", "sub/a.md", "x/y/a.md"], ["a.mdx"]),
        ("node_modules", ["node_modules", "node_modules/x/y"], ["sub/node_modules", "node_modules2"]),
        ("**/node_modules", ["node_modules/x", "sub/node_modules/x"], ["sub"]),
        ("/abs/", ["abs", "abs/x"], ["sub/abs"]),
        ("a/**", ["a/x", "a/b/c"], ["a", "b"]),
        ("a/**/z", ["a/z", "a/b/c/z"], ["a/b"]),
        ("a?c", ["abc"], ["a/c", "ac"]),
        ("[a-c]x", ["ax", "cx"], ["dx"]),
        ("[^a]x", ["bx"], ["ax"]),
        ("*\n!keep", ["x", "keepnot"], ["keep", "keep/sub"]),
        ("*.md\n!README.md\nREADME*", ["README.md"], []),
        ("dir\n!dir/keep", ["dir", "dir/x"], ["dir/keep", "dir/keep/y"]),
        ("# comment\n\n  spaced  ", ["spaced"], ["# comment"]),
        ("./here/../there", ["there"], ["here"]),
        ("a\\*b", ["a*b"], ["axb"]),
        (".", [], ["x"]),
    ],
)
def test_patterns_hide_what_docker_hides(rules: str, hidden: list[str], shown: list[str]) -> None:
    found = parse(rules)
    assert [path for path in hidden if not found.hides(path)] == []
    assert [path for path in shown if found.hides(path)] == []


def test_the_deciding_rule_is_known_by_its_line() -> None:
    rule = parse("# first\n\n*.log\n").deciding("a.log")
    assert rule is not None and (rule.line, rule.pattern) == (3, "*.log")


@pytest.mark.parametrize("text", ["ok\n!", "ok\n[a"])
def test_a_broken_line_is_named(text: str) -> None:
    with pytest.raises(SyntaxProblem) as caught:
        parse(text)
    assert caught.value.line == 2


@given(st.text(alphabet="ab*?!/.[]^-\\\n ", max_size=40), st.text(alphabet="ab/.", min_size=1, max_size=12))
def test_any_file_is_read_or_refused(text: str, path: str) -> None:
    try:
        rules = parse(text)
    except SyntaxProblem:
        return
    rules.hides(path)


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4))
def test_a_hidden_directory_hides_all_below(parts: list[str]) -> None:
    path = "/".join(parts)
    assert parse(parts[0]).hides(path)
    assert not parse(f"*\n!{parts[0]}").hides(path)
