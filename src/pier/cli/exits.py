"""Errors into words on stderr and exit codes: the only place that does so. Never raises."""

from __future__ import annotations

import errno
import os
import sys

from pier.cli.options import Misuse
from pier.errors import Bug, CommandNotFound, Exhausted, NotExecutable, PierError, SyntaxProblem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_FAILURE = 1
INTERRUPTED = 130
PIPE_CLOSED = 141
ISSUES = "the project's issue tracker"


def guarded(function: Callable[[], int], *, debug: bool) -> int:
    """The exit code of *function*, or of what it raised, said on stderr."""
    try:
        return finish(function(), debug=debug)
    except BaseException as exc:
        return report(exc, debug=debug)


def finish(code: int, *, debug: bool) -> int:
    """*code*, once all of stdout is written; a full disk or a closed pipe shows only then."""
    try:
        sys.stdout.flush()
    except OSError as exc:
        return report(exc, debug=debug)
    return code


def report(exc: BaseException, *, debug: bool, failure: int = DEFAULT_FAILURE) -> int:
    """Say what happened and return the exit code. *failure* is the command's code for errors of pier itself."""
    if isinstance(exc, SystemExit):
        return exc.code if isinstance(exc.code, int) else 0 if exc.code is None else failure
    if isinstance(exc, KeyboardInterrupt):
        _flush()
        _say("Interrupted" if not debug else _traceback(exc))
        return INTERRUPTED
    if isinstance(exc, BrokenPipeError):
        _silence_stdout()
        return PIPE_CLOSED
    _flush()
    if isinstance(exc, Misuse):
        _say(exc.text)
        return exc.exit_code
    error = as_error(exc)
    if debug:
        _say(_traceback(exc))
    _say(describe(error))
    return error.exit_code if isinstance(error, (CommandNotFound, NotExecutable)) else failure


def as_error(exc: BaseException) -> PierError:
    """*exc* as a member of the error tree: a full disk is Exhausted, whatever else is unexpected a Bug."""
    if isinstance(exc, PierError):
        return exc
    if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" while writing {exc.filename}" if exc.filename else ""
        return Exhausted(
            f"no space left on the disk{where}",
            why=exc.strerror or "",
            hint="pier system df shows what takes the room; pier system prune gives back what is unused",
        )
    if isinstance(exc, MemoryError):
        return Exhausted("out of memory")
    return Bug(
        f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__,
        why="this is a bug in pier, not a mistake of yours",
        hint=f"run the command again with PIER_DEBUG=1 and report what it prints to {ISSUES}",
    )


def describe(error: PierError) -> str:
    """`Error: what`, the source line where there is one, then `why:` and `fix:` where they are known."""
    lines = [f"Error: {error.message}"]
    if isinstance(error, SyntaxProblem):
        place = f"{error.file}:{error.line}" + (f":{error.column}" if error.column else "")
        lines = [f"Error: {place}: {error.message}"]
        if error.text:
            text = error.text.rstrip("\n")
            lines.append(f"  | {text}")
            if error.column:
                # Tabs are kept, so that the caret stands below its column on every terminal.
                lead = "".join("\t" if letter == "\t" else " " for letter in text[: error.column - 1])
                lines.append(f"  | {lead}^")
    for label, text in (("why", error.why), ("fix", error.hint)):
        if text:
            first, *more = text.split("\n")
            lines.append(f"  {label}: {first}")
            lines += [f"       {line}" for line in more]
    return "\n".join(lines)


def _traceback(exc: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(exc)).rstrip("\n")


def _say(text: str) -> None:
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except OSError:
        # Nobody can be told: stderr itself is closed or full. The exit code still says it.
        return


def _flush() -> None:
    try:
        sys.stdout.flush()
    except OSError:
        _silence_stdout()


def _silence_stdout() -> None:
    """Point fd 1 at /dev/null, so that the interpreter's last flush has nowhere to fail."""
    sink = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(sink, 1)
    os.close(sink)
