"""A Dockerfile's text into logical lines: parser directives, comments, continuations and here-documents.

Knows which instructions may carry here-documents, and nothing else about them.
"""

from __future__ import annotations

from pier.build.words import split_words
from pier.errors import SyntaxProblem, Unsupported
from pier.model.record import Record

_DIRECTIVES = ("syntax", "escape", "check")
_WITH_HEREDOCS = ("RUN", "COPY", "ADD", "ONBUILD")


class Heredoc(Record):
    """`<<name` with the lines up to *name*. *expand*: the name was not quoted; *chomp*: `<<-`, leading tabs do not
    count.
    """

    name: str
    content: str
    expand: bool
    chomp: bool

    def text(self) -> str:
        """The content as the step receives it: without leading tabs where `<<-` asks for that."""
        if not self.chomp:
            return self.content
        return "".join(line.lstrip("\t") for line in self.content.splitlines(keepends=True))


class LogicalLine(Record):
    """One instruction's text, joined over its continuations. *line* and *end* count from 1."""

    line: int
    end: int
    text: str
    heredocs: tuple[Heredoc, ...] = ()


class Listing(Record):
    """A Dockerfile cut into instructions, not yet understood."""

    file: str
    escape: str
    raw: tuple[str, ...]
    instructions: tuple[LogicalLine, ...]

    def problem(self, message: str, line: int, *, column: int = 0, why: str = "", hint: str = "") -> SyntaxProblem:
        """The error that shows *line* of this file."""
        text = self.raw[line - 1] if 0 < line <= len(self.raw) else ""
        return SyntaxProblem(message, file=self.file, line=line, column=column, text=text, why=why, hint=hint)


def read(text: str, file: str) -> Listing:
    """Cut *text*. SyntaxProblem for a broken directive and a here-document without its end."""
    raw = tuple(line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n"))
    return _Cutter(raw, file).cut()


class _Cutter:
    def __init__(self, raw: tuple[str, ...], file: str) -> None:
        self.escape = "\\"
        self.raw = raw
        self.blank = Listing(file=file, escape=self.escape, raw=raw, instructions=())
        self.at = 0

    def cut(self) -> Listing:
        self.directives()
        found: list[LogicalLine] = []
        while self.at < len(self.raw):
            if _is_noise(self.raw[self.at]):
                self.at += 1
            else:
                found.append(self.instruction())
        return self.blank.replace(escape=self.escape, instructions=tuple(found))

    def directives(self) -> None:
        """`# name=value` lines at the very top; the first line of another kind ends them (reference, "Parser
        directives").
        """
        seen: set[str] = set()
        while self.at < len(self.raw):
            name, value = _directive(self.raw[self.at])
            if name not in _DIRECTIVES:
                return
            line = self.at + 1
            if name in seen:
                raise self.blank.problem(f"only one {name} parser directive can be used", line)
            seen.add(name)
            if name == "escape":
                if value not in ("\\", "`"):
                    raise self.blank.problem(f"invalid escape character: {value}", line, hint="escape is \\ or `")
                self.escape = value
            if name == "syntax" and "docker/dockerfile" not in value:
                raise Unsupported(
                    f"{self.blank.file}:{line}: the Dockerfile asks for another front end: {value}",
                    why="pier reads the Dockerfile grammar itself and runs no front-end image",
                    hint="remove the syntax line if the file is an ordinary Dockerfile",
                )
            self.at += 1

    def instruction(self) -> LogicalLine:
        start = self.at
        piece, more = self.continued(self.raw[self.at].lstrip())
        self.at += 1
        pieces = [piece]
        while more and self.at < len(self.raw):
            line = self.raw[self.at]
            self.at += 1
            if not _is_noise(line):
                piece, more = self.continued(line)
                pieces.append(piece)
        text = "".join(pieces).strip()
        heredocs = self.heredocs(text, start + 1)
        return LogicalLine(line=start + 1, end=self.at, text=text, heredocs=heredocs)

    def continued(self, line: str) -> tuple[str, bool]:
        """*line* without the escape character at its end, and whether it had one. A doubled one is no continuation."""
        bare = line.rstrip(" \t")
        if not bare.endswith(self.escape) or bare.endswith(self.escape * 2):
            return line, False
        return bare[:-1], True

    def heredocs(self, text: str, line: int) -> tuple[Heredoc, ...]:
        if "<<" not in text or text.split(None, 1)[0].upper() not in _WITH_HEREDOCS:
            return ()
        found = []
        for word in split_words(text, self.escape):
            opening = heredoc_opening(word)
            if opening:
                found.append(self.heredoc(opening, line))
        return tuple(found)

    def heredoc(self, opening: Heredoc, line: int) -> Heredoc:
        content: list[str] = []
        while self.at < len(self.raw):
            raw = self.raw[self.at]
            self.at += 1
            if (raw.lstrip("\t") if opening.chomp else raw) == opening.name:
                return opening.replace(content="".join(part + "\n" for part in content))
            content.append(raw)
        raise self.blank.problem(
            f"unterminated heredoc: <<{opening.name}", line, hint=f"end it with a line that holds only {opening.name}"
        )


def heredoc_opening(word: str) -> Heredoc | None:
    """The here-document that *word* opens (`<<EOF`, `<<-EOF`, `3<<"EOF"`), still without content; None when it opens
    none.
    """
    rest = word.lstrip("0123456789")
    if not rest.startswith("<<"):
        return None
    rest = rest[2:]
    chomp = rest.startswith("-")
    quoted = rest[1:] if chomp else rest
    if not quoted or "<" in quoted:
        return None
    name = quoted.replace('"', "").replace("'", "").replace("\\", "")
    if not name:
        return None
    return Heredoc(name=name, content="", expand=name == quoted, chomp=chomp)


def _is_noise(line: str) -> bool:
    bare = line.strip()
    return not bare or bare.startswith("#")


def _directive(line: str) -> tuple[str, str]:
    bare = line.strip()
    if not bare.startswith("#"):
        return "", ""
    name, equals, value = bare[1:].partition("=")
    return (name.strip().lower(), value.strip()) if equals else ("", "")
