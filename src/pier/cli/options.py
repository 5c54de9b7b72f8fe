"""The grammar of a command line: declared options, pflag's rules for reading them, Docker's words for refusing them.

Pure: reads no environment, prints nothing. Rules follow the pflag library's documentation, which Docker's client uses:
`-itd` groups, `-p80:80`, `-p=80:80`, `--name=x`, `--name x`, `--rm=false`, `--` ends the options.
"""

from __future__ import annotations

from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    Value = bool | int | float | str | tuple[str, ...]

USAGE_ERROR = 1
FLAG_ERROR = 125
_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")
REPEATED = ("list", "strings", "map", "filter")


class Misuse(Exception):
    """The command line cannot be read: *text* is the whole message, *exit_code* is Docker's."""

    def __init__(self, text: str, exit_code: int = FLAG_ERROR) -> None:
        super().__init__(text)
        self.text = text
        self.exit_code = exit_code


class HelpWanted(Exception):
    """`--help` was typed."""


class Option(Record):
    """One flag. *kind* is how its value is read; *shown* the type name in the help text where it differs from *kind*.

    kinds: bool, string, list (repeatable), strings (repeatable, commas split), map (repeatable key=value), filter
    (repeatable name=value), int, bytes ("512m"), duration ("1m30s"), decimal. A *refused* option is known, and
    typing it is an error that gives this reason.
    """

    name: str
    short: str = ""
    kind: str = "string"
    help: str = ""
    default: Value | None = None
    shown: str = ""
    refused: str = ""

    @property
    def spoken(self) -> str:
        """As pflag names it in its messages: `-m, --memory`."""
        return f"-{self.short}, --{self.name}" if self.short else f"--{self.name}"


def flag(name: str, short: str = "", help: str = "", *, default: bool = False) -> Option:
    """A switch, off unless typed (or *default*)."""
    return Option(name=name, short=short, kind="bool", help=help, default=default)


def value(
    name: str, short: str = "", help: str = "", *, kind: str = "string", default: Value | None = None, shown: str = ""
) -> Option:
    """An option with one value; the last one typed counts."""
    return Option(name=name, short=short, kind=kind, help=help, default=default, shown=shown)


def values(name: str, short: str = "", help: str = "", *, kind: str = "list", shown: str = "") -> Option:
    """An option that may be repeated; all values are kept in order."""
    return Option(name=name, short=short, kind=kind, help=help, shown=shown)


def refused(name: str, reason: str, *, short: str = "", kind: str = "string") -> Option:
    """An option of Docker's that pier knows and does not support: typing it is an error that says *reason*."""
    return Option(name=name, short=short, kind=kind, refused=reason)


def list_format() -> Option:
    """`--format` of a command that prints a list."""
    return value(
        "format",
        help="Format output using a custom template:\n"
        "'table': Print output in table format with column headers (default)\n"
        "'table TEMPLATE': Print output in table format using the given Go template\n"
        "'json': Print in JSON format\n"
        "'TEMPLATE': Print output using the given Go template",
    )


def object_format() -> Option:
    """`-f, --format` of a command that prints objects."""
    return value(
        "format",
        "f",
        help="Format output using a custom template:\n"
        "'json': Print in JSON format\n"
        "'TEMPLATE': Print output using the given Go template",
    )


class Command(Record):
    """What one command accepts, and the function that does it.

    *run* takes (Session, Arguments) and returns the exit code. *usage* may hold several lines (`cp` has two).
    *arguments* is the (least, most) number of positionals, most None for any number. *failure* is the exit code of a
    pier error; 126 and 127 keep their own. *notes* are paragraphs of the help text below the summary.
    """

    run: Any
    usage: str = ""
    options: tuple[Option, ...] = ()
    arguments: tuple[int, int | None] = (0, 0)
    interspersed: bool = True
    failure: int = 1
    notes: str = ""


class Arguments:
    """The values of one parsed command line; asking for an option that was not declared is a KeyError."""

    def __init__(self, command: Command, given: dict[str, Value], positionals: tuple[str, ...]) -> None:
        self._declared = {option.name: option for option in command.options}
        self._given = given
        self.positionals = positionals

    def given(self, name: str) -> bool:
        """Was the option typed?"""
        return self._declared[name].name in self._given

    def _value(self, name: str) -> Any:
        return self._given.get(name, self._declared[name].default)

    def flag(self, name: str) -> bool:
        """A switch."""
        return bool(self._value(name))

    def text(self, name: str, absent: str = "") -> str:
        """A string option; *absent* where it was not typed and has no default."""
        found = self._value(name)
        return absent if found is None else str(found)

    def texts(self, name: str) -> tuple[str, ...]:
        """All values of a repeatable option, in the order typed."""
        return tuple(self._value(name) or ())

    def number(self, name: str) -> int | None:
        """An int or bytes option."""
        found = self._value(name)
        return None if found is None else int(found)

    def decimal(self, name: str) -> float | None:
        """A duration (in seconds) or decimal option."""
        found = self._value(name)
        return None if found is None else float(found)

    def pairs(self, name: str) -> dict[str, str]:
        """A map option: `key=value` texts as a dict; a key alone has an empty value."""
        return {key: text for key, _, text in (word.partition("=") for word in self.texts(name))}


def parse(command: Command, spoken: str, argv: Sequence[str], *, summary: str = "") -> Arguments:
    """Read *argv* (without the command's own name) by *command*'s declarations.

    *spoken* is the command as typed, "pier stop", for the messages. Raises HelpWanted, Misuse.
    """
    reader = _Reader(command, spoken)
    reader.read(list(argv))
    if reader.help:
        raise HelpWanted
    check_count(command, spoken, len(reader.positionals), summary)
    return Arguments(command, reader.given, tuple(reader.positionals))


def check_count(command: Command, spoken: str, count: int, summary: str) -> None:
    """Raise Misuse in Docker's words unless *count* positionals are acceptable."""
    least, most = command.arguments
    if count >= least and (most is None or count <= most):
        return
    if most == 0:
        demand = "accepts no arguments."
    elif least == most:
        demand = f"requires exactly {least} argument{_s(least)}."
    elif most is None or count < least and least > 0:
        demand = f"requires at least {least} argument{_s(least)}."
    else:
        demand = f"requires at most {most} argument{_s(most)}."
    usage = "\n\t".join(f"{spoken} {line}".rstrip() for line in command.usage.split("\n"))
    text = f"\"{spoken}\" {demand}\nSee '{spoken} --help'.\n\nUsage:  {usage}"
    raise Misuse(f"{text}\n\n{summary}" if summary else text, USAGE_ERROR)


def _s(count: int) -> str:
    return "" if count == 1 else "s"


class _Reader:
    """pflag's loop over the words of one command line."""

    def __init__(self, command: Command, spoken: str) -> None:
        self.command = command
        self.spoken = spoken
        self.long = {option.name: option for option in command.options}
        self.short = {option.short: option for option in command.options if option.short}
        self.given: dict[str, Any] = {}
        self.positionals: list[str] = []
        self.help = False

    def read(self, words: list[str]) -> None:
        words.reverse()
        while words:
            word = words.pop()
            if word == "--":
                self.positionals += reversed(words)
                return
            if word.startswith("--"):
                self._long(word, words)
            elif word.startswith("-") and word != "-":
                self._cluster(word[1:], words)
            else:
                self.positionals.append(word)
                if not self.command.interspersed:
                    self.positionals += reversed(words)
                    return

    def _long(self, word: str, words: list[str]) -> None:
        name, equals, text = word[2:].partition("=")
        if not name or name.startswith("-"):
            raise self._misuse(f"bad flag syntax: {word}")
        option = self.long.get(name)
        if option is None:
            if name == "help":
                self._ask_help(text if equals else "true")
                return
            raise self._unknown(f"unknown flag: --{name}", "--" + name)
        if not equals:
            if option.kind == "bool":
                text = "true"
            elif words:
                text = words.pop()
            else:
                raise self._misuse(f"flag needs an argument: --{name}")
        self._set(option, text)

    def _cluster(self, letters: str, words: list[str]) -> None:
        while letters:
            option = self.short.get(letters[0])
            if option is None:
                if letters[0] == "h":
                    self.help = True
                    return
                raise self._unknown(f"unknown shorthand flag: '{letters[0]}' in -{letters}", "")
            if len(letters) > 2 and letters[1] == "=":
                self._set(option, letters[2:])
                return
            if option.kind == "bool":
                self._set(option, "true")
                letters = letters[1:]
                continue
            if len(letters) > 1:
                self._set(option, letters[1:])
            elif words:
                self._set(option, words.pop())
            else:
                raise self._misuse(f"flag needs an argument: '{letters}' in -{letters}")
            return

    def _ask_help(self, text: str) -> None:
        if text not in _TRUE + _FALSE:
            raise self._misuse(f'invalid argument "{text}" for "--help" flag: {_not_bool(text)}')
        self.help = text in _TRUE

    def _set(self, option: Option, text: str) -> None:
        if option.refused:
            raise Misuse(f"Error: {self.spoken} does not support --{option.name}\n  why: {option.refused}")
        try:
            read = read_value(option.kind, text)
        except ValueError as exc:
            raise self._misuse(f'invalid argument "{text}" for "{option.spoken}" flag: {exc}') from exc
        if isinstance(read, tuple):
            read = self.given.get(option.name, ()) + read
        self.given[option.name] = read

    def _misuse(self, text: str) -> Misuse:
        return Misuse(f"{text}\nSee '{self.spoken} --help'.")

    def _unknown(self, text: str, typed: str) -> Misuse:
        from pier.cli.suggest import nearest

        best = nearest(typed, ["--" + name for name, option in self.long.items() if not option.refused])
        return self._misuse(f"{text}\nDid you mean {best}?" if best else text)


def read_value(kind: str, text: str) -> Value:
    """*text* as a value of *kind*. ValueError with pflag's words."""
    if kind == "bool":
        if text not in _TRUE + _FALSE:
            raise ValueError(_not_bool(text))
        return text in _TRUE
    if kind == "list":
        return (text,)
    if kind == "strings":
        return tuple(text.split(",")) if text else ()
    if kind in ("map", "filter"):
        if kind == "filter" and "=" not in text:
            raise ValueError("bad format of filter (expected name=value)")
        return (text,)
    if kind == "int":
        return _integer(text)
    if kind in ("bytes", "duration", "decimal"):
        return _quantity(kind, text)
    return text


def _quantity(kind: str, text: str) -> Value:
    from pier.model import quantities

    if kind == "bytes":
        return quantities.parse_bytes(text)
    if kind == "duration":
        return quantities.parse_duration(text)
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"failed to parse {text} as a rational number") from None


def _integer(text: str) -> int:
    digits = text[1:] if text[:1] in "+-" else text
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def _not_bool(text: str) -> str:
    return f'strconv.ParseBool: parsing "{text}": invalid syntax'


def filters(words: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Repeated `--filter name=value` texts, grouped by name."""
    grouped: dict[str, tuple[str, ...]] = {}
    for word in words:
        name, _, text = word.partition("=")
        name = name.strip().lower()
        grouped[name] = grouped.get(name, ()) + (text.strip(),)
    return grouped
