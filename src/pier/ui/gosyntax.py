"""The grammar of Go's text/template: source text to a tree. Pure; evaluates nothing.

Follows the documentation of Go's package text/template. Errors carry Go's words and place (`template: :1: …`), because
people search for them.
"""

from __future__ import annotations

from pier.errors import Invalid
from pier.model.record import Record
from pier.ui.golex import Piece, Token, fault, pieces, unquote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

KEYWORDS = ("if", "range", "with", "else", "end", "define", "template", "block", "break", "continue")


class Node(Record):
    """A part of the tree; *at* is its offset in the source, *source* its text for messages."""

    at: int = 0
    source: str = ""


class Literal(Node):
    """A string, number, bool or nil. *number* tells 1 from 1.0 as typed."""

    value: str | int | float | bool | None


class Path(Node):
    """`.A.B`, `$x.A` or `(pipeline).A`: *base* is "." or a variable's name, or the *inner* pipeline."""

    base: str
    names: tuple[str, ...] = ()
    inner: Pipeline | None = None


class Call(Node):
    """A function by name."""

    name: str


class Command(Node):
    """Operands: one value, or a function or field and its arguments."""

    words: tuple[Node, ...]


class Pipeline(Node):
    """Commands fed one into the next; then assigned to *variables* if there are any."""

    commands: tuple[Command, ...]
    variables: tuple[str, ...] = ()
    declares: bool = False


class Text(Node):
    """Text copied as it stands."""


class Print(Node):
    """`{{pipeline}}`."""

    pipeline: Pipeline


class Branch(Node):
    """`if`, `with` or `range` (*kind*) with its two bodies."""

    kind: str
    pipeline: Pipeline
    body: tuple[Node, ...]
    other: tuple[Node, ...]


class Leave(Node):
    """`break` or `continue` (*kind*)."""

    kind: str


def parse(source: str, functions: Collection[str]) -> tuple[Node, ...]:
    """The tree of *source*. Invalid in Go's words where it does not parse or calls a function not in *functions*."""
    return _Parser(source, functions).whole()


class _Parser:
    """Recursive descent over the pieces."""

    def __init__(self, source: str, functions: Collection[str]) -> None:
        self.source = source
        self.functions = functions
        self.pieces: list[Piece] = pieces(source)
        self.index = 0
        self.variables = ["$"]
        self.loops = 0
        self.ending = _Words(self, (), 0)

    def whole(self) -> tuple[Node, ...]:
        body, ending = self._body()
        if ending is not None:
            raise fault(self.source, ending.at, f"unexpected {{{{{ending.text}}}}}")
        return body

    def _body(self) -> tuple[tuple[Node, ...], Token | None]:
        """Nodes up to `else` or `end`, which is returned, or the end of the source (None)."""
        nodes: list[Node] = []
        while self.index < len(self.pieces):
            piece = self.pieces[self.index]
            self.index += 1
            if piece.tokens is None:
                nodes.append(Text(at=piece.at, source=piece.text))
                continue
            words = _Words(self, piece.tokens, piece.at)
            head = words.peek()
            if head.kind == "word" and head.text in KEYWORDS:
                if head.text in ("else", "end"):
                    self.ending = words
                    return tuple(nodes), head
                nodes.append(self._keyword(words))
            else:
                nodes.append(Print(at=head.at, pipeline=words.whole_pipeline("command")))
        return tuple(nodes), None

    def _keyword(self, words: _Words) -> Node:
        head = words.take()
        if head.text in ("break", "continue"):
            if not self.loops:
                raise fault(self.source, head.at, f"{{{{{head.text}}}}} outside {{{{range}}}}")
            words.finish(head.text)
            return Leave(at=head.at, kind=head.text)
        if head.text in ("define", "template", "block"):
            raise Invalid(f"pier's templates have no {{{{{head.text}}}}}", hint="write the text out in one template")
        return self._branch(head, words)

    def _branch(self, head: Token, words: _Words) -> Branch:
        mark = len(self.variables)
        pipeline = words.whole_pipeline(head.text)
        self.loops += head.text == "range"
        body, ending = self._body()
        other: tuple[Node, ...] = ()
        if ending is not None and ending.text == "else":
            words = self.ending
            words.take()
            follow = words.peek()
            if follow.kind == "word" and follow.text in ("if", "with") and head.text != "range":
                other = (self._branch(words.take(), words),)
                del self.variables[mark:]
                return Branch(at=head.at, kind=head.text, pipeline=pipeline, body=body, other=other)
            words.finish("else")
            other, ending = self._body()
        if ending is None:
            raise fault(self.source, len(self.source), "unexpected EOF")
        if ending.text == "else":
            raise fault(self.source, ending.at, "expected end; found {{else}}")
        self.loops -= head.text == "range"
        self.ending.take()
        self.ending.finish("end")
        del self.variables[mark:]
        return Branch(at=head.at, kind=head.text, pipeline=pipeline, body=body, other=other)


class _Words:
    """The tokens of one action, read from left to right."""

    def __init__(self, parser: _Parser, tokens: tuple[Token, ...], at: int) -> None:
        self.parser = parser
        self.tokens = tokens
        self.index = 0
        last = tokens[-1] if tokens else None
        self.end = Token(kind="end", text="}}", at=last.at + len(last.text) if last else at)

    def raw(self) -> Token:
        return self.tokens[self.index] if self.index < len(self.tokens) else self.end

    def peek(self) -> Token:
        """The next token that is not space."""
        while self.raw().kind == "space":
            self.index += 1
        return self.raw()

    def take(self) -> Token:
        token = self.peek()
        self.index += 1
        return token

    def fault(self, token: Token, place: str) -> Invalid:
        shown = token.text if token.kind == "end" else f'"{token.text}"' if token.kind == "mark" else f"<{token.text}>"
        return fault(self.parser.source, token.at, f"unexpected {shown} in {place}")

    def finish(self, place: str) -> None:
        token = self.peek()
        if token.kind != "end":
            raise self.fault(token, place)

    def whole_pipeline(self, place: str) -> Pipeline:
        pipeline = self.pipeline(place, closing="")
        self.finish(place)
        return pipeline

    def pipeline(self, place: str, closing: str) -> Pipeline:
        start = self.peek().at
        variables, declares = self._declaration(place)
        commands = []
        while True:
            commands.append(self._command(place))
            if self.peek().text != "|" or self.peek().kind != "mark":
                break
            self.take()
        if closing:
            token = self.take()
            if token.text != closing or token.kind != "mark":
                raise self.fault(token, place)
        source = self.parser.source[start : self._offset()].strip()
        return Pipeline(at=start, source=source, commands=tuple(commands), variables=variables, declares=declares)

    def _declaration(self, place: str) -> tuple[tuple[str, ...], bool]:
        mark = self.index
        names: list[str] = []
        while self.peek().kind == "variable":
            names.append(self.take().text)
            token = self.peek()
            if token.kind == "mark" and token.text in (":=", "="):
                self.take()
                if len(names) > 1 and place != "range":
                    raise fault(self.parser.source, token.at, f"too many declarations in {place}")
                declares = token.text == ":="
                if declares:
                    self.parser.variables += names
                return tuple(names), declares
            if token.text != "," or place != "range" or len(names) > 1:
                break
            self.take()
        self.index = mark
        return (), False

    def _command(self, place: str) -> Command:
        start = self.peek().at
        operands: list[Node] = []
        while True:
            token = self.peek()
            if token.kind == "end" or token.kind == "mark" and token.text in ("|", ")"):
                break
            operands.append(self._operand(place))
            if self.raw().kind not in ("space", "end") and self.raw().text not in ("|", ")"):
                raise self.fault(self.raw(), "operand")
        if not operands:
            raise fault(self.parser.source, token.at, f"missing value for {place}")
        text = self.parser.source[start : token.at].rstrip()
        return Command(at=start, source=text, words=tuple(operands))

    def _operand(self, place: str) -> Node:
        token = self.take()
        if token.kind == "mark" and token.text == "(":
            inner = self.pipeline("parenthesized pipeline", closing=")")
            names, at = self._fields(token.at)
            text = self.parser.source[token.at : self._offset()]
            return Path(base="", inner=inner, names=names, at=at, source=text)
        if token.kind in ("field", "dot", "variable"):
            return self._path(token)
        if token.kind == "text":
            return self._text(token)
        if token.kind == "number":
            return Literal(value=self._number(token), at=token.at, source=token.text)
        if token.kind == "word":
            if token.text in ("true", "false", "nil"):
                value = None if token.text == "nil" else token.text == "true"
                return Literal(value=value, at=token.at, source=token.text)
            if token.text in KEYWORDS or token.text not in self.parser.functions:
                raise fault(self.parser.source, token.at, f'function "{token.text}" not defined')
            return Call(name=token.text, at=token.at, source=token.text)
        raise self.fault(token, place)

    def _path(self, token: Token) -> Path:
        if token.kind == "variable" and token.text not in self.parser.variables:
            raise fault(self.parser.source, token.at, f'undefined variable "{token.text}"')
        names, at = self._fields(token.at)
        text = self.parser.source[token.at : self._offset()]
        if token.kind == "field":
            return Path(base=".", names=(token.text[1:], *names), at=at, source=text)
        return Path(base="." if token.kind == "dot" else token.text, names=names, at=at, source=text)

    def _offset(self) -> int:
        previous = self.tokens[self.index - 1]
        return previous.at + len(previous.text)

    def _fields(self, at: int) -> tuple[tuple[str, ...], int]:
        """The `.Name`s that follow without a space. A chain's place is that of its second part, as in Go's messages."""
        names: list[str] = []
        while self.raw().kind == "field":
            if not names:
                at = self.raw().at
            names.append(self.raw().text[1:])
            self.index += 1
        return tuple(names), at

    def _text(self, token: Token) -> Literal:
        try:
            value = unquote(token.text)
        except (ValueError, IndexError):
            raise fault(self.parser.source, token.at, "invalid syntax") from None
        if token.text[0] == "'":
            if len(value) != 1:
                raise fault(self.parser.source, token.at, f"malformed character constant: {token.text}")
            return Literal(value=ord(value), at=token.at, source=token.text)
        return Literal(value=value, at=token.at, source=token.text)

    def _number(self, token: Token) -> int | float:
        digits = token.text.replace("_", "")
        sign = -1 if digits.startswith("-") else 1
        bare = digits.lstrip("+-")
        try:
            if len(bare) > 1 and bare[0] == "0" and bare.isdigit():
                return sign * int(bare, 8)
            return sign * int(bare, 0)
        except ValueError:
            pass
        try:
            number = float(digits)
        except ValueError:
            raise fault(self.parser.source, token.at, f'bad number syntax: "{token.text}"') from None
        # 1e3 is the integer 1000 wherever an integer is wanted, and prints as one.
        return int(number) if number.is_integer() and "." not in digits else number
