"""Dockerfile text into logical lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier.build.lines import heredoc_opening, read
from pier.errors import PierError, SyntaxProblem, Unsupported


def texts(dockerfile: str) -> list[str]:
    return [line.text for line in read(dockerfile, "Dockerfile").instructions]


def test_continuations_are_joined_without_comments_and_empty_lines_between() -> None:
    assert texts("RUN a \\\n  # why\n\n  b \\\n  c\nCMD d\n") == ["RUN a   b   c", "CMD d"]


def test_a_line_knows_where_it_began_and_ended() -> None:
    (line,) = read("\n# comment\nRUN a \\\n b\n", "Dockerfile").instructions
    assert (line.line, line.end) == (3, 4)


def test_a_doubled_escape_is_no_continuation() -> None:
    assert texts("RUN a\\\\\nRUN b") == ["RUN a\\\\", "RUN b"]


def test_the_escape_directive_changes_the_continuation() -> None:
    assert texts("# escape=`\nRUN dir C:\\\nRUN a `\n b") == ["RUN dir C:\\", "RUN a  b"]


def test_a_directive_after_a_comment_is_a_comment() -> None:
    assert read("# hello\n# escape=`\nRUN a", "Dockerfile").escape == "\\"


def test_carriage_returns_and_a_byte_order_mark_do_not_count() -> None:
    assert texts("\ufeffFROM a\r\nRUN b \\\r\n  c\r\n") == ["FROM a", "RUN b   c"]


def test_a_heredoc_keeps_its_lines_as_they_are() -> None:
    (line, after) = read("RUN <<EOF\n# kept\n\n  two\\\nEOF\nCMD x", "Dockerfile").instructions
    assert line.heredocs[0].content == "# kept\n\n  two\\\n"
    assert (line.end, after.line) == (5, 6)


def test_two_heredocs_of_one_line_follow_each_other() -> None:
    (line,) = read("COPY <<one <<two /x/\n1\none\n2\ntwo\n", "Dockerfile").instructions
    assert [(item.name, item.content) for item in line.heredocs] == [("one", "1\n"), ("two", "2\n")]


def test_a_dash_strips_leading_tabs_and_quotes_stop_expansion() -> None:
    (line,) = read("COPY <<-'EOF' /x\n\t\ta\n\tEOF\n", "Dockerfile").instructions
    assert line.heredocs[0].text() == "a\n"
    assert not line.heredocs[0].expand


@pytest.mark.parametrize("word", ["<<<text", "<<", "a<<b", "$((1<<2))", "<<-"])
def test_other_uses_of_less_than_open_no_heredoc(word: str) -> None:
    assert heredoc_opening(word) is None


def test_only_some_instructions_take_heredocs() -> None:
    assert texts("ENV A=<<EOF\nENV B=2") == ["ENV A=<<EOF", "ENV B=2"]


def test_an_unterminated_heredoc_names_its_line_and_the_missing_word() -> None:
    with pytest.raises(SyntaxProblem) as caught:
        read("FROM a\nRUN <<EOF\nx\n", "Dockerfile")
    assert (caught.value.line, caught.value.text) == (2, "RUN <<EOF")
    assert "EOF" in caught.value.hint


def test_a_second_escape_directive_and_a_wrong_one_are_refused() -> None:
    with pytest.raises(SyntaxProblem, match="only one escape"):
        read("# escape=`\n# escape=`\n", "Dockerfile")
    with pytest.raises(SyntaxProblem, match="invalid escape"):
        read("# escape=x\n", "Dockerfile")


def test_another_front_end_is_refused_by_name() -> None:
    assert read("# syntax=docker/dockerfile:1.7-labs\nFROM a", "Dockerfile").instructions
    with pytest.raises(Unsupported, match=r"tonistiigi/buildx"):
        read("# syntax=tonistiigi/buildx\nFROM a", "Dockerfile")


@given(st.text(alphabet="RUNCOPY <>EOF\\`#=\n\t'\"-ab", max_size=200))
def test_any_text_is_cut_or_refused_and_every_line_lies_inside(text: str) -> None:
    try:
        listing = read(text, "Dockerfile")
    except PierError:
        return
    ends = [0]
    for line in listing.instructions:
        assert ends[-1] < line.line <= line.end <= len(listing.raw)
        ends.append(line.end)
