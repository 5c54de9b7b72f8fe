"""What a YAML parser's complaint most likely means to the person who wrote the file. Pure."""

from __future__ import annotations

from pier.compose.source import Mark
from pier.model.record import Record


class Cause(Record):
    """Where to point and what to say there."""

    at: Mark
    message: str
    why: str = ""
    hint: str = ""


def cause(problem: str, at: Mark, context: Mark | None) -> Cause:
    """The likely cause of the parser's *problem* at *at*; *context* is where the parser says the construct began."""
    found = (
        _tab(at)
        or _unclosed(problem, at, context)
        or _second_value(problem, at)
        or _missing_colon(problem, at, context)
        or _indentation(problem, at, context)
        or _special(problem, at)
    )
    return found or Cause(at=at, message=f"not valid YAML: {problem or 'the text does not parse'}")


def _tab(at: Mark) -> Cause | None:
    for number in (at.line, at.line - 1):
        line = at.source.line(number)
        lead = line[: len(line) - len(line.lstrip())]
        if "\t" in lead:
            where = Mark(at.source, number, lead.index("\t") + 1)
            return Cause(
                at=where,
                message="a tab in the indentation",
                why="YAML indents with spaces only",
                hint="replace the tab with two spaces",
            )
    return None


def _unclosed(problem: str, at: Mark, context: Mark | None) -> Cause | None:
    if context is None:
        return None
    if "unexpected end of stream" in problem or "document indicator" in problem:
        return Cause(at=context, message="a quote is opened here and never closed")
    if "',' or ']'" in problem:
        return Cause(
            at=context, message="a [ is opened here and never closed", hint="close it with ], items parted by ,"
        )
    if "',' or '}'" in problem:
        return Cause(
            at=context, message="a { is opened here and never closed", hint="close it with }, items parted by ,"
        )
    return None


def _second_value(problem: str, at: Mark) -> Cause | None:
    if "mapping values are not allowed" not in problem:
        return None
    line = at.source.line(at.line)
    before = line[: at.column - 1]
    if ": " in before:
        return Cause(
            at=at,
            message="a second `:` in one line",
            why="a value that holds `: ` looks like another key",
            hint="put the value in quotes",
        )
    number, above = _line_above(at)
    word = above.strip()
    if word and not word.startswith(("-", "#")) and ": " not in word and not word.endswith(":"):
        return _no_colon(Mark(at.source, number, _indent(above) + 1))
    if above and _indent(line) > _indent(above) and not above.rstrip().endswith(":"):
        return Cause(
            at=Mark(at.source, at.line, _indent(line) + 1),
            message="this line is indented deeper than the line above, which already has a value",
            why="indentation: only a key that ends in `:` can hold deeper lines",
            hint="line it up with the line above",
        )
    return Cause(
        at=at, message="a `:` where no key can stand", why="probably the indentation of this line or the one above"
    )


def _missing_colon(problem: str, at: Mark, context: Mark | None) -> Cause | None:
    if "could not find expected ':'" not in problem:
        return None
    return _no_colon(context or at)


def _no_colon(where: Mark) -> Cause:
    word = where.source.line(where.line).strip().split(" ", 1)[0]
    why = "`:` needs a space after it" if ":" in word else "every key is followed by `:`"
    return Cause(at=where, message="a key without its `:`", why=why, hint=_colon_hint(word))


def _colon_hint(word: str) -> str:
    if not word:
        return ""
    name, colon, rest = word.partition(":")
    return f"write `{name}: {rest}`" if colon and rest else f"write `{word.rstrip(':')}:`"


def _indentation(problem: str, at: Mark, context: Mark | None) -> Cause | None:
    if "expected key" not in problem and "'-' indicator" not in problem and "<block end>" not in problem:
        return None
    line = at.source.line(at.line)
    if "'-' indicator" in problem and context is not None and not line.lstrip().startswith("-"):
        return Cause(
            at=at,
            message="a key in the middle of a list",
            why=f"the list that starts at line {context.line} still goes on at this indentation",
            hint="start the line with `- `, or indent it as the key that holds the list",
        )
    here, wanted = _indent(line), context.column - 1 if context is not None else None
    spaces = "" if wanted is None or wanted == here else f"; the block it would continue by {wanted}"
    return Cause(
        at=at,
        message="this line does not line up with any block above it",
        why=f"indentation: it is indented by {here} spaces{spaces}",
        hint="give it the indentation of the keys it belongs to",
    )


def _special(problem: str, at: Mark) -> Cause | None:
    if "undefined alias" in problem:
        return Cause(
            at=at,
            message="an alias (`*name`) without its anchor (`&name`)",
            hint="a value that starts with * must be quoted; otherwise define the anchor above",
        )
    if "cannot start any token" in problem:
        line = at.source.line(at.line)
        char = line[at.column - 1 : at.column]
        return Cause(at=at, message=f"a value cannot start with `{char}`", hint="put the value in quotes")
    if "unknown escape character" in problem:
        return Cause(
            at=at, message="an unknown escape in a double-quoted text", hint="use single quotes, or write \\\\"
        )
    if "unexpected ':'" in problem:
        return Cause(
            at=at, message="a `:` with no space after it inside { }", hint="write `key: value`, or quote the text"
        )
    if "single document" in problem:
        return Cause(at=at, message="more than one YAML document in the file", hint="remove the `---` line")
    return None


def _line_above(at: Mark) -> tuple[int, str]:
    for number in range(at.line - 1, 0, -1):
        text = at.source.line(number)
        if text.strip() and not text.lstrip().startswith("#"):
            return number, text
    return 0, ""


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
