"""The words of Go's text/template: texts and actions, trim markers applied, comments gone. Pure; knows no grammar."""

from __future__ import annotations

from pier.errors import Invalid
from pier.model.record import Record

_SPACE = " \t\r\n"
_DIGITS = "0123456789"
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "\\": "\\", '"': '"', "'": "'"}


class Token(Record):
    """One word of an action. *kind*: space, field, dot, variable, word, text, number, mark, end."""

    kind: str
    text: str
    at: int


class Piece(Record):
    """Either text (*tokens* None) or the words of one action."""

    at: int
    text: str = ""
    tokens: tuple[Token, ...] | None = None


def fault(source: str, at: int, message: str) -> Invalid:
    """Go's parse error for offset *at*."""
    return Invalid(f"template parsing error: template: :{source.count(chr(10), 0, at) + 1}: {message}")


def pieces(source: str) -> list[Piece]:
    """*source* cut into texts and actions, with trim markers applied and comments gone."""
    found: list[Piece] = []
    position = 0
    trim_next = False
    while True:
        start = source.find("{{", position)
        text = source[position:] if start < 0 else source[position:start]
        if trim_next:
            text = text.lstrip(_SPACE)
        if start < 0:
            if text:
                found.append(Piece(at=position, text=text))
            return found
        inner = start + 2
        if source[inner : inner + 1] == "-" and source[inner + 1 : inner + 2] in tuple(_SPACE):
            text = text.rstrip(_SPACE)
            inner += 2
        if text:
            found.append(Piece(at=position, text=text))
        comment = _comment(source, inner)
        if comment:
            position, trim_next = comment
            continue
        tokens, position, trim_next = _action(source, inner)
        found.append(Piece(at=inner, tokens=tuple(tokens)))


def _comment(source: str, inner: int) -> tuple[int, bool] | None:
    if not source.startswith("/*", inner):
        return None
    close = source.find("*/", inner + 2)
    if close < 0:
        raise fault(source, inner, "unclosed comment")
    for ending, trims in (("}}", False), (" -}}", True)):
        if source.startswith(ending, close + 2):
            return close + 2 + len(ending), trims
    raise fault(source, inner, "comment ends before closing delimiter")


def _action(source: str, position: int) -> tuple[list[Token], int, bool]:
    """The tokens up to `}}`, the offset behind it, and whether it trims what follows."""
    tokens: list[Token] = []
    depth = 0
    while True:
        if source.startswith("}}", position):
            if depth:
                raise fault(source, position, "unclosed left paren")
            return tokens, position + 2, False
        if source[position : position + 1] in tuple(_SPACE):
            end = position
            while source[end : end + 1] in tuple(_SPACE):
                end += 1
            if source.startswith("-}}", end) and not depth:
                return tokens, end + 3, True
            tokens.append(Token(kind="space", text=" ", at=position))
            position = end
            continue
        if position >= len(source):
            raise fault(source, position, "unclosed action")
        token = _token(source, position)
        depth += (token.text == "(") - (token.text == ")") if token.kind == "mark" else 0
        if depth < 0:
            raise fault(source, position, "unexpected right paren")
        tokens.append(token)
        position += len(token.text)


def _token(source: str, at: int) -> Token:
    letter = source[at]
    following = source[at + 1 : at + 2]
    if letter in "\"'":
        return Token(kind="text", text=_quoted(source, at), at=at)
    if letter == "`":
        end = source.find("`", at + 1)
        if end < 0:
            raise fault(source, at, "unterminated raw quoted string")
        return Token(kind="text", text=source[at : end + 1], at=at)
    if letter == "." and following not in tuple(_DIGITS):
        name = _run(source, at + 1)
        return Token(kind="field" if name else "dot", text="." + name, at=at)
    if letter == "$":
        return Token(kind="variable", text="$" + _run(source, at + 1), at=at)
    if letter in _DIGITS or letter in "+-." and following in tuple(_DIGITS + "."):
        return Token(kind="number", text=_number_text(source, at), at=at)
    if source.startswith(":=", at):
        return Token(kind="mark", text=":=", at=at)
    if letter in "=|(),":
        return Token(kind="mark", text=letter, at=at)
    name = _run(source, at)
    if name:
        return Token(kind="word", text=name, at=at)
    raise fault(source, at, f"bad character U+{ord(letter):04X} '{letter}'")


def _run(source: str, at: int) -> str:
    end = at
    while end < len(source) and (source[end] == "_" or source[end].isalnum()):
        end += 1
    return source[at:end]


def _number_text(source: str, at: int) -> str:
    end = at + 1
    while end < len(source) and (
        source[end].isalnum() or source[end] in "._" or source[end] in "+-" and source[end - 1] in "eEpP"
    ):
        end += 1
    return source[at:end]


def _quoted(source: str, at: int) -> str:
    quote, end = source[at], at + 1
    while end < len(source) and source[end] not in (quote, "\n"):
        end += 2 if source[end] == "\\" else 1
    if end >= len(source) or source[end] != quote:
        raise fault(source, at, f"unterminated {'quoted string' if quote == chr(34) else 'character constant'}")
    return source[at : end + 1]


def unquote(text: str) -> str:
    """The value of a Go string literal, quotes included in *text*. ValueError for an unknown escape."""
    body = text[1:-1]
    if text[0] == "`" or "\\" not in body:
        return body
    out, position = [], 0
    while position < len(body):
        letter = body[position]
        position += 1
        if letter != "\\":
            out.append(letter)
            continue
        kind = body[position]
        position += 1
        width = {"x": 2, "u": 4, "U": 8}.get(kind)
        if width:
            out.append(chr(int(body[position : position + width], 16)))
            position += width
        elif kind in "01234567":
            out.append(chr(int(body[position - 1 : position + 2], 8)))
            position += 2
        elif kind in _ESCAPES:
            out.append(_ESCAPES[kind])
        else:
            raise ValueError("invalid syntax")
    return "".join(out)
