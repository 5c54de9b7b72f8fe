"""`pier exec`: a further program in a running container, its streams relayed by this command alone."""

from __future__ import annotations

import os

from pier.cli.createoptions import read_env_file
from pier.cli.options import Command, flag, refused, value, values
from pier.errors import PierError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.cli.options import Arguments
    from pier.cli.session import Session


def execute(session: Session, arguments: Arguments) -> int:
    """The program's exit code; 0 once it runs detached."""
    from pier.engine import execute as executing
    from pier.engine import listing
    from pier.runtime import join, piping

    reference, *words = arguments.positionals
    engine = session.engine
    container = listing.find(engine, reference)
    target = executing.target(container)
    terminal, stdin = arguments.flag("tty"), arguments.flag("interactive")
    if terminal and stdin and not arguments.flag("detach") and not os.isatty(0):
        raise PierError(
            "the input device is not a TTY",
            why="-t asks for a terminal, but standard input is a pipe or a file",
            hint="leave -t out: pier exec -i ...",
        )
    env = [word for path in arguments.texts("env-file") for word in read_env_file(path)]
    env += [word if "=" in word else f"{word}={session.environ.get(word, '')}" for word in arguments.texts("env")]
    wanted = executing.program(
        engine,
        container.spec,
        tuple(words),
        env=tuple(env),
        working_dir=arguments.text("workdir"),
        user=arguments.text("user"),
        terminal=terminal,
        privileged=arguments.flag("privileged"),
    )
    if arguments.flag("detach"):
        return piping.detach(lambda stdio: join.spawn(target, wanted, stdio, terminal=False))
    return piping.converse(
        lambda stdio: join.spawn(target, wanted, stdio, terminal=terminal),
        terminal=join.open_terminal(target) if terminal else None,
        stdin=stdin,
    )


EXEC = Command(
    run=execute,
    usage="[OPTIONS] CONTAINER COMMAND [ARG...]",
    options=(
        flag("detach", "d", "Detached mode: run command in the background"),
        values("env", "e", "Set environment variables"),
        values("env-file", help="Read in a file of environment variables"),
        flag("interactive", "i", "Keep STDIN open even if not attached"),
        flag("privileged", help="Give extended privileges to the command"),
        flag("tty", "t", "Allocate a pseudo-TTY"),
        value("user", "u", "Username or UID (format: <name|uid>[:<group|gid>])"),
        value("workdir", "w", "Working directory inside the container"),
        refused("detach-keys", "a program started by exec ends with the command that started it"),
    ),
    arguments=(2, None),
    interspersed=False,
    failure=1,
)
