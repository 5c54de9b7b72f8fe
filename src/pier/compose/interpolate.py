"""`$X` and `${X:-default}` in compose files (Compose specification, "Interpolation"). Pure.

Defaults and messages are expanded only when they are used, as in a POSIX shell (XCU 2.6.2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pier.compose.source import Mark, MarkedList, MarkedMap, Tagged

Lookup = Callable[[str], str | None]
Warn = Callable[[str], None]
_EXPANDED_LIMIT = 200_000
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")


class TemplateProblem(ValueError):
    """A text that is no template, or a required variable that is missing. *hint* may hold the remedy."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def substitute(template: str, lookup: Lookup, unset: Warn) -> str:
    """*template* with its variables replaced; *unset* is told each variable that has neither value nor default."""
    if "$" not in template:
        return template
    return _Scanner(template, lookup, unset).text()


class _Scanner:
    def __init__(self, template: str, lookup: Lookup, unset: Warn) -> None:
        self.template = template
        self.lookup = lookup
        self.unset = unset

    def text(self) -> str:
        out: list[str] = []
        at = 0
        while True:
            dollar = self.template.find("$", at)
            if dollar < 0:
                out.append(self.template[at:])
                return "".join(out)
            out.append(self.template[at:dollar])
            value, at = self.variable(dollar)
            out.append(value)

    def variable(self, dollar: int) -> tuple[str, int]:
        following = self.template[dollar + 1 : dollar + 2]
        if following == "$":
            return "$", dollar + 2
        if following == "{":
            return self.braced(dollar)
        end = _name_end(self.template, dollar + 1)
        if end == dollar + 1:
            raise self.invalid()
        return self.value(self.template[dollar + 1 : end]), end

    def braced(self, dollar: int) -> tuple[str, int]:
        close = _closing_brace(self.template, dollar + 2)
        if close < 0:
            raise TemplateProblem(f'invalid interpolation: "{self.template}"', "close the ${ with }")
        inner = self.template[dollar + 2 : close]
        end = _name_end(inner, 0)
        name, rest = inner[:end], inner[end:]
        if not name:
            raise self.invalid()
        if not rest:
            return self.value(name), close + 1
        operator = next((item for item in _OPERATORS if rest.startswith(item)), "")
        if not operator:
            raise self.invalid()
        return self.operate(name, operator, rest[len(operator) :]), close + 1

    def operate(self, name: str, operator: str, word: str) -> str:
        value = self.lookup(name)
        present = bool(value) if operator[0] == ":" else value is not None
        kind = operator[-1]
        if kind == "+":
            return self.nested(word) if present else ""
        if present:
            return value or ""
        if kind == "-":
            return self.nested(word)
        message = self.nested(word)
        raise TemplateProblem(
            f"required variable {name} is missing a value" + (f": {message}" if message else ""),
            f"set {name} in the environment or in .env",
        )

    def nested(self, word: str) -> str:
        return substitute(word, self.lookup, self.unset)

    def value(self, name: str) -> str:
        value = self.lookup(name)
        if value is None:
            self.unset(name)
            return ""
        return value

    def invalid(self) -> TemplateProblem:
        return TemplateProblem(f'invalid interpolation: "{self.template}"', "to write a dollar sign, double it: $$")


def _name_end(text: str, at: int) -> int:
    if at < len(text) and (text[at] == "_" or (text[at].isascii() and text[at].isalpha())):
        at += 1
        while at < len(text) and (text[at] == "_" or (text[at].isascii() and text[at].isalnum())):
            at += 1
    return at


def _closing_brace(text: str, at: int) -> int:
    depth = 1
    while at < len(text):
        if text.startswith("$$", at):
            at += 2
        elif text.startswith("${", at):
            depth += 1
            at += 2
        elif text[at] == "}":
            depth -= 1
            if depth == 0:
                return at
            at += 1
        else:
            at += 1
    return -1


class TreeInterpolation:
    """A copy of a marked tree with every text expanded; keys stay as they are. Refuses alias bombs."""

    def __init__(self, lookup: Lookup, unset: Warn) -> None:
        self.lookup = lookup
        self.unset = unset
        self.count = 0

    def map(self, tree: MarkedMap) -> MarkedMap:
        result = tree.blank()
        for key, value in tree.items():
            result.put_like(key, self.value(value, tree.value_at(key)), tree)
        return result

    def list(self, tree: MarkedList) -> MarkedList:
        result = MarkedList(tree.mark, tree.tag)
        for value, at in tree.marked():
            result.add(self.value(value, at), at)
        return result

    def value(self, value: Any, at: Mark) -> Any:
        self.count += 1
        if self.count > _EXPANDED_LIMIT:
            raise at.problem(f"the aliases of this file expand to more than {_EXPANDED_LIMIT} values")
        if isinstance(value, MarkedMap):
            return self.map(value)
        if isinstance(value, MarkedList):
            return self.list(value)
        if isinstance(value, Tagged):
            return Tagged(self.value(value.value, at), value.tag)
        if not isinstance(value, str):
            return value
        try:
            return substitute(value, self.lookup, self.unset)
        except TemplateProblem as exc:
            raise at.problem(str(exc), hint=exc.hint) from exc
