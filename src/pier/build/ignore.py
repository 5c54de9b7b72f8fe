"""`.dockerignore`: which paths of a build context do not exist for the build.

Later lines win; `!` reveals again; a hidden directory hides what is under it (Docker reference, ".dockerignore file").
Reads no file: the text is passed in.
"""

from __future__ import annotations

import posixpath

from pier.build.wildcard import compiled
from pier.errors import Invalid, SyntaxProblem
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re


class Rule(Record):
    """One line. *reveals*: it began with `!`."""

    line: int
    pattern: str
    reveals: bool


class Rules:
    """The rules of one file. `file` is its name, for messages."""

    def __init__(self, rules: tuple[Rule, ...], file: str) -> None:
        self.rules = rules
        self.file = file
        self._expressions: list[re.Pattern[str]] = [compiled(rule.pattern, below=True) for rule in rules]
        self.reveals_any = any(rule.reveals for rule in rules)

    def hides(self, path: str) -> bool:
        """Whether *path*, relative to the context, is left out."""
        rule = self.deciding(path)
        return rule is not None and not rule.reveals

    def deciding(self, path: str) -> Rule | None:
        """The rule that decides about *path*: the last one that matches it or a directory above it."""
        for rule, expression in zip(reversed(self.rules), reversed(self._expressions), strict=True):
            if expression.fullmatch(path):
                return rule
        return None


def parse(text: str, file: str = ".dockerignore") -> Rules:
    """The rules of *text*. SyntaxProblem for a pattern that cannot be one."""
    rules: list[Rule] = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        pattern = line.strip()
        if not pattern or line.startswith("#"):
            continue
        reveals = pattern.startswith("!")
        if reveals:
            pattern = pattern[1:].strip()
            if not pattern:
                raise SyntaxProblem("a lone ! excludes nothing", file=file, line=number, text=line)
        pattern = posixpath.normpath(pattern).lstrip("/")
        if pattern in ("", "."):
            continue
        try:
            compiled(pattern)
        except Invalid as exc:
            raise SyntaxProblem(exc.message, file=file, line=number, text=line, why=exc.why) from exc
        rules.append(Rule(line=number, pattern=pattern, reveals=reveals))
    return Rules(tuple(rules), file)
