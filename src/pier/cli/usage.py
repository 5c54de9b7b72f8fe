"""Help texts in Docker's layout, generated from the declarations and the command table. Prints nothing itself."""

from __future__ import annotations

from pier.cli import table
from pier.cli.options import FLAG_ERROR, USAGE_ERROR, Misuse
from pier.model import quantities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pier.cli.options import Command, Option

_WIDTH = 80
_COMMON = ("run", "exec", "ps", "build", "pull", "images", "compose", "version", "info")


def command_help(command: Command, spoken: str, summary: str, aliases: str = "") -> str:
    """What `pier COMMAND --help` prints."""
    usage = "\n\t".join(f"{spoken} {line}".rstrip() for line in command.usage.split("\n"))
    parts = [f"Usage:  {usage}\n", f"\n{summary}\n"]
    if command.notes:
        parts.append(f"\n{command.notes}\n")
    if aliases:
        parts.append(f"\nAliases:\n  {aliases}\n")
    parts.append(options_block(command.options, "Options"))
    return "".join(parts)


def options_block(options: Iterable[Option], title: str) -> str:
    """The sorted list of options, and by name those of Docker's that are refused; "" where there are none."""
    known = sorted((option for option in options if not option.refused), key=lambda option: option.name)
    refused = sorted(option.name for option in options if option.refused)
    parts = []
    if known:
        heads = [_head(option) for option in known]
        column = max(map(len, heads)) + 3
        lines = [
            _columns(head, _explained(option), column) for head, option in zip(heads, known, strict=True)
        ]
        parts.append(f"\n{title}:\n" + "".join(lines))
    if refused:
        names = ", ".join("--" + name for name in refused)
        parts.append("\nDocker's options that pier refuses by name:\n" + _indented(names))
    return "".join(parts)


def _head(option: Option) -> str:
    shown = "" if option.kind == "bool" else " " + (option.shown or option.kind)
    return f"  -{option.short}, --{option.name}{shown}" if option.short else f"      --{option.name}{shown}"


def _explained(option: Option) -> str:
    default = option.default
    if default is None or default is False or default in ("", ()):
        return option.help
    if default is True:
        text = "true"
    elif option.kind == "string":
        text = f'"{default}"'
    elif option.kind == "duration":
        text = quantities.go_duration(float(str(default)))
    else:
        text = str(default)
    return f"{option.help} (default {text})"


def _columns(head: str, text: str, column: int) -> str:
    lines: list[str] = []
    for paragraph in text.split("\n") or [""]:
        lines += _wrapped(paragraph, max(24, _WIDTH - column)) or [""]
    return f"{head:<{column}}{lines[0]}".rstrip() + "\n" + "".join(f"{'':{column}}{line}\n" for line in lines[1:])


def _wrapped(text: str, width: int) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return lines


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in _wrapped(text, _WIDTH - 2))


def overview(program: str, command: Command) -> str:
    """What `pier` and `pier --help` print."""
    rows = table.rows()
    short = {name: row.summary for row in rows for name in row.names if " " not in name}
    parts = [
        f"Usage:  {program} {command.usage}\n",
        "\nContainers, images and compose files without a daemon\n",
        _listing("Common Commands", [(name, short[name]) for name in _COMMON]),
        _listing("Management Commands", sorted(table.GROUPS.items())),
        _listing("Commands", sorted((name, text) for name, text in short.items() if name not in _COMMON)),
        options_block(command.options, "Global Options"),
        f"\nRun '{program} COMMAND --help' for more information on a command.\n",
    ]
    return "".join(parts)


def group_help(program: str, group: str) -> str:
    """What `pier container` prints."""
    prefix = group + " "
    listed = [
        (row.names[0].removeprefix(prefix), row.summary) for row in table.rows() if row.names[0].startswith(prefix)
    ]
    listed += [
        (name.removeprefix(prefix), row.summary)
        for row in table.rows()
        if not row.names[0].startswith(prefix)
        for name in row.names
        if name.startswith(prefix)
    ]
    return (
        f"Usage:  {program} {group} COMMAND\n\n{table.GROUPS[group]}\n"
        + _listing("Commands", sorted(listed))
        + f"\nRun '{program} {group} COMMAND --help' for more information on a command.\n"
    )


def _listing(title: str, rows: Iterable[tuple[str, str]]) -> str:
    lines = [f"  {name:<11} {text}\n" for name, text in rows]
    return f"\n{title}:\n" + "".join(lines)


def unknown_command(program: str, words: Sequence[str]) -> Misuse:
    """The error for *words* that name no command; a flag in place of a command is a flag error."""
    from pier.cli.suggest import nearest

    group = words[0] if words[0] in table.GROUPS and len(words) > 1 else ""
    typed = words[1] if group else words[0]
    place = f"{program} {group}".rstrip()
    if typed.startswith("-") and len(typed) > 1:
        return Misuse(f"unknown flag: {typed}\nSee '{place} --help'.", FLAG_ERROR)
    prefix = group + " " if group else ""
    names = [name for row in table.rows() for name in row.names if name.startswith(prefix)]
    known = [name.removeprefix(prefix) for name in names if " " not in name.removeprefix(prefix)]
    best = nearest(typed, [*known, *([] if group else table.GROUPS)])
    if not group and typed in table.MISSING:
        text = f"{program}: '{typed}' is a Docker command that pier does not have."
    else:
        text = f"{program}: '{(group + ' ' + typed).strip()}' is not a {program} command."
        if best:
            text += f"\nDid you mean '{place} {best}'?"
    return Misuse(f"{text}\nSee '{place} --help'", USAGE_ERROR)
