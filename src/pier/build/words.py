"""Words of a logical line: splitting at blanks, `--flags`, name=value pairs, the JSON form. Expands nothing."""

from __future__ import annotations

from pier.build.likely import did_you_mean
from pier.errors import Invalid
from pier.model import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_BLANKS = " \t\n\r"


def split_words(text: str, escape: str = "\\") -> list[str]:
    """Split at blanks outside quotes. Quotes and escapes stay in the words: expansion removes them."""
    words: list[str] = []
    position = 0
    while (start := _skip_blanks(text, position)) < len(text):
        position = _word_end(text, start, escape)
        words.append(text[start:position])
    return words


def _skip_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position] in _BLANKS:
        position += 1
    return position


def _word_end(text: str, position: int, escape: str) -> int:
    quote = ""
    while position < len(text):
        char = text[position]
        if char == escape and quote != "'":
            position += 1
        elif quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in _BLANKS:
            break
        position += 1
    return min(position, len(text))


def take_flags(text: str, escape: str = "\\") -> tuple[list[tuple[str, str | None]], str]:
    """The leading `--name=value` and `--name` words, and the rest of the text. A bare `--` ends them."""
    flags: list[tuple[str, str | None]] = []
    position = _skip_blanks(text, 0)
    while text.startswith("--", position):
        end = _word_end(text, position, escape)
        word = text[position:end]
        position = _skip_blanks(text, end)
        if word == "--":
            break
        name, equals, value = word[2:].partition("=")
        flags.append((name, _unquoted(value, escape) if equals else None))
    return flags, text[position:]


def _unquoted(text: str, escape: str) -> str:
    """*text* without quotes and escapes; variables stay."""
    out: list[str] = []
    quote = ""
    position = 0
    while position < len(text):
        char = text[position]
        if char == escape and quote != "'" and text[position + 1 : position + 2] not in ("", "$"):
            position += 1
            out.append(text[position])
        elif quote and char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        else:
            out.append(char)
        position += 1
    return "".join(out)


def check_flags(
    instruction: str,
    flags: Iterable[tuple[str, str | None]],
    *,
    values: tuple[str, ...],
    switches: tuple[str, ...] = (),
) -> dict[str, list[str]]:
    """Flags by name, each with its values in order. Invalid for an unknown one, with the likely one."""
    found: dict[str, list[str]] = {}
    for name, value in flags:
        if name in switches:
            if value not in (None, "true", "false"):
                raise Invalid(f"{instruction} --{name} is true or false, not {value}")
            found[name] = ["false" if value == "false" else "true"]
            continue
        if name not in values:
            raise Invalid(f"{instruction} knows no flag --{name}", hint=did_you_mean(name, values + switches))
        if value is None:
            raise Invalid(f"{instruction} --{name} needs a value: --{name}=…")
        found.setdefault(name, []).append(value)
    return found


def name_values(instruction: str, text: str, escape: str = "\\") -> tuple[tuple[str, str], ...]:
    """`a=1 b="2 3"` as pairs, or the old form `a rest of the line` as one pair. Values keep their quotes."""
    words = split_words(text, escape)
    if not words:
        raise Invalid(f"{instruction} needs at least one argument")
    if "=" not in words[0]:
        rest = text[len(words[0]) :].strip()
        if not rest:
            raise Invalid(f"{instruction} {words[0]} has no value", hint=f"{instruction} {words[0]}=value")
        return ((words[0], rest),)
    pairs = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise Invalid(
                f"{instruction}: there is no = in '{word}'",
                hint=f'write {instruction} name=value; quote a value with blanks: name="two words"',
            )
        if not name:
            raise Invalid(f"{instruction}: '{word}' has no name before its =")
        pairs.append((name, value))
    return tuple(pairs)


def json_words(text: str) -> tuple[str, ...] | None:
    """The words of `["a", "b"]`; None when *text* is no JSON array. Invalid when it is one of other things than
    strings.
    """
    bare = text.strip()
    if not bare.startswith("["):
        return None
    try:
        value = jsontext.loads(bare)
    except ValueError:
        return None
    if not isinstance(value, list):
        return None
    if not all(isinstance(word, str) for word in value):
        raise Invalid("an array in JSON form must hold strings only", hint='["executable", "argument"]')
    return tuple(value)
