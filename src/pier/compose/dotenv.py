"""`.env` and `env_file` texts (Compose specification, "Env_file format"). Pure: text in, variables out."""

from __future__ import annotations

from collections.abc import Mapping

from pier.compose.interpolate import TemplateProblem, substitute
from pier.compose.source import Mark, Source

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "$": "$$"}


def parse(source: Source, outer: Mapping[str, str]) -> dict[str, str | None]:
    """The variables of *source* in order. A bare `NAME` takes its value from *outer*: None where that has none.

    `$X` in a value sees the lines above and *outer*, which wins; single quotes keep it literal.
    """
    return _Lines(source, outer).variables()


def raw(source: Source) -> dict[str, str | None]:
    """`format: raw`: every line is NAME=VALUE, taken as it stands."""
    result: dict[str, str | None] = {}
    for number, line in enumerate(source.text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not name.strip():
            raise Mark(source, number, 1).problem("a line without a variable name")
        result[name.strip()] = value if equals else None
    return result


class _Lines:
    def __init__(self, source: Source, outer: Mapping[str, str]) -> None:
        self.source = source
        self.outer = outer
        self.text = source.text.removeprefix("\ufeff").replace("\r\n", "\n")
        self.at = 0
        self.found: dict[str, str | None] = {}

    def variables(self) -> dict[str, str | None]:
        while self.skip_blank():
            self.statement()
        return self.found

    def skip_blank(self) -> bool:
        while self.at < len(self.text):
            if self.text[self.at] == "#":
                self.at = self.line_end()
            elif self.text[self.at].isspace():
                self.at += 1
            else:
                return True
        return False

    def statement(self) -> None:
        start, end = self.at, self.line_end()
        line = self.text[start:end]
        if line.startswith("export") and line[6:7].isspace():
            start += len(line) - len(line[6:].lstrip())
            line = self.text[start:end]
        cut = min((line.find(mark) for mark in "=:" if mark in line), default=-1)
        name = (line if cut < 0 else line[:cut]).rstrip()
        if cut < 0:
            name = name.split("#", 1)[0].rstrip()
        self.check_name(name, start)
        if cut < 0:
            self.found[name] = self.outer.get(name)
            self.at = end
            return
        self.at = start + cut + 1
        while self.at < end and self.text[self.at] in " \t":
            self.at += 1
        self.found[name] = self.value()

    def check_name(self, name: str, start: int) -> None:
        if not name:
            raise self.mark(start).problem("a line without a variable name", hint="write NAME=value")
        for offset, char in enumerate(name):
            if not (char.isalnum() or char in "_.-[]"):
                shown = "a space" if char == " " else f"`{char}`"
                raise self.mark(start + offset).problem(
                    f'{shown} in the variable name "{name}"', hint="write NAME=value; names have letters, digits and _"
                )

    def value(self) -> str:
        quote = self.text[self.at : self.at + 1]
        if quote not in ("'", '"') or not quote:
            end = self.line_end()
            text = _without_comment(self.text[self.at : end]).rstrip()
            start, self.at = self.at, end
            return self.expand(text, start)
        start = self.at
        body = self.quoted(quote)
        return body if quote == "'" else self.expand(body, start)

    def quoted(self, quote: str) -> str:
        start, at = self.at, self.at + 1
        out: list[str] = []
        while at < len(self.text):
            char = self.text[at]
            if char == quote:
                self.at = self.after_quote(at + 1)
                return "".join(out)
            if char == "\\" and at + 1 < len(self.text):
                following = self.text[at + 1]
                if quote == "'":
                    out.append("'" if following == "'" else "\\" + following)
                else:
                    out.append(_ESCAPES.get(following, "\\" + following))
                at += 2
                continue
            out.append(char)
            at += 1
        raise self.mark(start).problem("a quote is opened here and never closed")

    def after_quote(self, at: int) -> int:
        end = self.text.find("\n", at)
        end = len(self.text) if end < 0 else end
        rest = self.text[at:end].strip()
        if rest and not rest.startswith("#"):
            raise self.mark(at).problem(f'unexpected text after the closing quote: "{rest}"')
        return end

    def expand(self, text: str, start: int) -> str:
        try:
            return substitute(text, self.lookup, lambda _name: None)
        except TemplateProblem as exc:
            raise self.mark(start).problem(str(exc), hint=exc.hint) from exc

    def lookup(self, name: str) -> str | None:
        return self.outer[name] if name in self.outer else self.found.get(name)

    def line_end(self) -> int:
        end = self.text.find("\n", self.at)
        return len(self.text) if end < 0 else end

    def mark(self, at: int) -> Mark:
        line = self.text.count("\n", 0, at) + 1
        return Mark(self.source, line, at - (self.text.rfind("\n", 0, at) + 1) + 1)


def _without_comment(text: str) -> str:
    for mark in (" #", "\t#"):
        text = text.split(mark, 1)[0]
    return "" if text.startswith("#") else text
