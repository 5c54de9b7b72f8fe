"""Variables in the words of a Dockerfile: quotes, escapes, $name, ${name} and its modifiers.

The rules are those of the Dockerfile reference, "Environment replacement". Runs nothing and reads no environment: the
variables are passed in.
"""

from __future__ import annotations

from pier.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_SPECIAL = "@*#?-$!0"
_BLANKS = " \t\n\r"


def expand_word(text: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """*text* as one word: variables replaced, quotes removed. Invalid when a quote or a brace is left open."""
    return "".join(chunk for chunk, _ in _Reader(text, variables, escape).read(""))


def expand_words(text: str, variables: Mapping[str, str], escape: str = "\\") -> list[str]:
    """*text* as a shell would split it: blanks separate words unless quoted, also those that a variable brought in."""
    words: list[str] = []
    current: list[str] | None = None
    for chunk, splits in _Reader(text, variables, escape).read(""):
        if not splits:
            current = [*(current or []), chunk]
            continue
        for char in chunk:
            if char not in _BLANKS:
                current = [*(current or []), char]
            elif current is not None:
                words.append("".join(current))
                current = None
    if current is not None:
        words.append("".join(current))
    return words


def expand_document(text: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """The body of a here-document: quotes are ordinary characters; a backslash escapes only dollars and itself."""
    return _Reader(text, variables, escape).document()


class _Reader:
    """One pass over a text. Yields chunks with whether blanks in them separate words."""

    def __init__(self, text: str, variables: Mapping[str, str], escape: str) -> None:
        self.text = text
        self.variables = variables
        self.escape = escape
        self.position = 0

    def peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def take(self) -> str:
        char = self.peek()
        self.position += 1
        return char

    def read(self, stop: str, *, keep_escapes: bool = False) -> list[tuple[str, bool]]:
        """Chunks up to the character *stop*, which is consumed; up to the end when *stop* is empty."""
        chunks: list[tuple[str, bool]] = []
        while char := self.take():
            if char == stop:
                return chunks
            if char == "'":
                chunks.append((self.single_quoted(), False))
            elif char == '"':
                chunks.append((self.double_quoted(), False))
            elif char == "$":
                chunks.append((self.variable(), True))
            elif char == self.escape:
                following = self.take()
                if following:
                    chunks.append(((char if keep_escapes else "") + following, False))
            else:
                chunks.append((char, True))
        if stop:
            raise Invalid(f"missing '{stop}' in {self.text}")
        return chunks

    def document(self) -> str:
        chunks: list[str] = []
        while char := self.take():
            if char == "$":
                chunks.append(self.variable())
            elif char == self.escape and self.peek() and self.peek() in ("$", self.escape):
                chunks.append(self.take())
            else:
                chunks.append(char)
        return "".join(chunks)

    def single_quoted(self) -> str:
        end = self.text.find("'", self.position)
        if end < 0:
            raise Invalid(f"a single quote is never closed in {self.text}")
        inner = self.text[self.position : end]
        self.position = end + 1
        return inner

    def double_quoted(self) -> str:
        chunks: list[str] = []
        while char := self.take():
            if char == '"':
                return "".join(chunks)
            if char == "$":
                chunks.append(self.variable())
            elif char == self.escape and self.peek() and self.peek() in ('"', "$", self.escape):
                chunks.append(self.take())
            else:
                chunks.append(char)
        raise Invalid(f"a double quote is never closed in {self.text}")

    def variable(self) -> str:
        if self.peek() != "{":
            name = self.name()
            return self.variables.get(name, "") if name else "$"
        self.take()
        if self.peek() in ("", "{", "}", ":"):
            raise Invalid(f"bad substitution in {self.text}", hint="write ${name}, or \\$ for a plain dollar sign")
        name = self.name()
        operator = self.take()
        if operator == "}":
            return self.variables.get(name, "")
        empty_is_unset = operator == ":"
        if empty_is_unset:
            operator = self.take()
        if operator == "/":
            return self.replaced(name)
        if not operator or operator not in "-+?#%" or (empty_is_unset and operator in "#%"):
            raise Invalid(f"unsupported modifier '{operator}' of ${{{name}}} in {self.text}")
        word = "".join(chunk for chunk, _ in self.read("}", keep_escapes=operator in "#%"))
        return self.modified(name, operator, word, empty_is_unset=empty_is_unset)

    def modified(self, name: str, operator: str, word: str, *, empty_is_unset: bool) -> str:
        value = self.variables.get(name)
        is_set = bool(value) if empty_is_unset else value is not None
        if operator == "-":
            return value or "" if is_set else word
        if operator == "+":
            return word if is_set else ""
        if operator == "?":
            if not is_set:
                raise Invalid(f"{name}: {word or 'is not set'}", hint=f"--build-arg {name}=…")
            return value or ""
        longest = word[:1] == operator
        return trim(value or "", word[1:] if longest else word, suffix=operator == "%", longest=longest)

    def replaced(self, name: str) -> str:
        every = self.peek() == "/"
        if every:
            self.take()
        pattern = "".join(chunk for chunk, _ in self.read("/", keep_escapes=True))
        word = "".join(chunk for chunk, _ in self.read("}"))
        return replace(self.variables.get(name, ""), pattern, word, every=every)

    def name(self) -> str:
        """A variable's name, a positional parameter's digits or one special character; "" when none stands here."""
        start = self.position
        first = self.peek()
        if first and first in _SPECIAL:
            return self.take()
        digits = first.isascii() and first.isdigit()
        while (
            (char := self.peek()) and char.isascii() and (char.isdigit() if digits else char.isalnum() or char == "_")
        ):
            self.position += 1
        return self.text[start : self.position]


def trim(value: str, pattern: str, *, suffix: bool, longest: bool) -> str:
    """*value* without the shortest or longest beginning (or end) that *pattern* matches."""
    lengths = range(len(value) + 1)
    for length in reversed(lengths) if longest else lengths:
        cut = len(value) - length
        if suffix and matches(pattern, value[cut:]):
            return value[:cut]
        if not suffix and matches(pattern, value[:length]):
            return value[length:]
    return value


def replace(value: str, pattern: str, word: str, *, every: bool) -> str:
    """*value* with the first, or every, longest match of *pattern* replaced by *word*."""
    out: list[str] = []
    at = 0
    while at < len(value):
        end = next((end for end in range(len(value), at, -1) if matches(pattern, value[at:end])), at)
        if end == at:
            out.append(value[at])
            at += 1
            continue
        out.append(word)
        at = end
        if not every:
            break
    return "".join(out) + value[at:]


def matches(pattern: str, text: str) -> bool:
    """Whether *pattern* matches all of *text*; `*` any characters, `?` one, backslash takes the next one literally."""
    states = {0}
    for char in text:
        following: set[int] = set()
        for state in _past_stars(pattern, states):
            if state == len(pattern):
                continue
            if pattern[state] == "*":
                following.add(state)
            elif pattern[state] == "\\" and state + 1 < len(pattern):
                if pattern[state + 1] == char:
                    following.add(state + 2)
            elif pattern[state] in ("?", char):
                following.add(state + 1)
        states = following
    return len(pattern) in _past_stars(pattern, states)


def _past_stars(pattern: str, states: set[int]) -> set[int]:
    """*states*, and those reached by letting a star match nothing."""
    reached = set(states)
    pending = list(states)
    while pending:
        state = pending.pop()
        if state < len(pattern) and pattern[state] == "*" and state + 1 not in reached:
            reached.add(state + 1)
            pending.append(state + 1)
    return reached
