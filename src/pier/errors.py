"""The error tree, cut by remedy: which class is raised says what the user can do next.

    PierError
    ├── NotFound          name something that exists
    ├── Conflict          free the name, the port or the object first
    ├── Invalid           correct what was typed or written
    │   └── SyntaxProblem     ... in a file, at a line and column
    ├── Unsupported       this kernel, or pier itself, cannot do it
    ├── Denied            ask for the permission or the credentials
    ├── Unavailable       nobody answered: network, registry, mirror
    ├── Corrupt           the bytes are not what was promised
    ├── Exhausted         make room: disk, memory, addresses
    ├── CommandNotFound   the container has no such program (exit code 127)
    ├── NotExecutable     the program cannot be executed (exit code 126)
    └── Bug               report it to us
"""

from __future__ import annotations


class PierError(Exception):
    """*message* says what failed on which object, *why* the fact found on this machine, *hint* what to type next."""

    exit_code = 125

    def __init__(self, message: str, *, why: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.why = why
        self.hint = hint


class NotFound(PierError):
    """The named object does not exist."""


class Conflict(PierError):
    """Something else holds the name, the port or the object."""


class Invalid(PierError):
    """What was typed or written cannot be meant."""


class SyntaxProblem(Invalid):
    """A file does not parse at *line*, *column* (both 1-based; column 0: the whole line). *text* is that line."""

    def __init__(
        self, message: str, *, file: str, line: int, column: int = 0, text: str = "", why: str = "", hint: str = ""
    ) -> None:
        super().__init__(message, why=why, hint=hint)
        self.file = file
        self.line = line
        self.column = column
        self.text = text


class Unsupported(PierError):
    """This kernel or this version of pier cannot do it."""


class Denied(PierError):
    """Permission or credentials are missing."""


class Unavailable(PierError):
    """Nobody answered."""


class Corrupt(PierError):
    """Bytes differ from what their digest or format promised."""


class Exhausted(PierError):
    """A resource of the machine is used up."""


class CommandNotFound(PierError):
    """The container holds no such program."""

    exit_code = 127


class NotExecutable(PierError):
    """The program exists and cannot be executed."""

    exit_code = 126


class Bug(PierError):
    """pier broke a promise of its own."""
