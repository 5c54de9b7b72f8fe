"""`pier oci exec`: a further process in a container run from a bundle."""

from __future__ import annotations

import os

from pier.cli.options import flag, refused, value, values
from pier.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pier.cli.oci import Call
    from pier.cli.options import Arguments, Option


def wait(pid: int) -> int:
    """The exit code of the child; signals that reach us reach it."""
    from pier.kernel import lifetime, signals

    def forward(number: int, _frame: object) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return

    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"):
        signals.on(signals.NUMBERS[name], forward)
    return lifetime.exit_code(os.waitpid(pid, 0)[1])


def execute(call: Call, arguments: Arguments) -> int:
    """The process's exit code; 0 once it runs detached."""
    from pier.runtime import join, oci_create, oci_exec, piping
    from pier.state import files

    identifier, *words = arguments.positionals
    target = oci_exec.target(call.store, identifier)
    file = arguments.text("process")
    described = None
    if file:
        from pier.model import jsontext

        described = jsontext.loads(files.read_text(file))
    elif not words:
        raise Invalid("no program named", hint="pier oci exec ID PROGRAM, or --process FILE")
    wanted = oci_exec.process(call.store, identifier, described, _changes(call, arguments, words))
    for warning in wanted.warnings:
        call.warn(warning)
    terminal = wanted.terminal or arguments.flag("tty")
    console = arguments.text("console-socket")
    pair = join.open_terminal(target) if terminal else None

    def spawn(stdio: tuple[int, int, int]) -> int:
        pid = join.spawn(target, wanted.program, stdio, terminal=terminal)
        if arguments.text("pid-file"):
            files.write_text(arguments.text("pid-file"), str(pid), mode=0o644)
        return pid

    if pair and not console and not arguments.flag("detach"):
        return piping.converse(spawn, terminal=pair, stdin=True)
    if pair:
        master, slave = pair
        if not console:
            raise Invalid("cannot make a terminal that nobody keeps", hint="--console-socket PATH")
        oci_create.hand_over(master, console)
        pid = spawn((slave, slave, slave))
        os.close(slave)
    else:
        pid = spawn((0, 1, 2))
    return 0 if arguments.flag("detach") else wait(pid)


def _changes(call: Call, arguments: Arguments, words: Sequence[str]) -> dict[str, object]:
    """What the options say differently from the container's own process."""
    own = call.store.read(arguments.positionals[0]).config["process"]
    changes: dict[str, object] = {"args": list(words)}
    if arguments.text("cwd"):
        changes["cwd"] = arguments.text("cwd")
    if arguments.texts("env"):
        changes["env"] = [*(own.get("env") or ()), *arguments.texts("env")]
    user = dict(own.get("user") or {})
    if arguments.text("user"):
        uid, _, gid = arguments.text("user").partition(":")
        if not uid.isdigit() or (gid and not gid.isdigit()):
            raise Invalid(f"--user {arguments.text('user')}: not numeric", hint="--user UID[:GID]")
        user = {"uid": int(uid), "gid": int(gid or 0)}
    if arguments.texts("additional-gids"):
        user["additionalGids"] = [int(text) for text in arguments.texts("additional-gids")]
    changes["user"] = user
    if arguments.flag("no-new-privs"):
        changes["noNewPrivileges"] = True
    if arguments.texts("cap"):
        sets = dict(own.get("capabilities") or {})
        changes["capabilities"] = {
            name: [*(sets.get(name) or ()), *arguments.texts("cap")]
            for name in ("bounding", "effective", "permitted", "inheritable", "ambient")
        }
    return changes


OPTIONS: tuple[Option, ...] = (
    value("console-socket", help="Path of the socket that gets the terminal's master"),
    value("cwd", help="Working directory in the container"),
    values("env", "e", "Set environment variables"),
    flag("tty", "t", "Allocate a pseudo-TTY"),
    value("user", "u", "UID[:GID]"),
    values("additional-gids", "g", "Additional group ids"),
    value("process", "p", "Path of a process.json"),
    flag("detach", "d", "Do not wait for the process"),
    value("pid-file", help="File to write the process id to"),
    flag("no-new-privs", help="Set no_new_privs for the process"),
    values("cap", "c", "Add a capability"),
    refused("process-label", "pier sets no SELinux labels"),
    refused("apparmor", "pier sets no AppArmor profiles"),
    refused("preserve-fds", "a further process gets 0, 1 and 2 only", kind="int"),
    refused("cgroup", "a further process lives in the container's own control groups"),
    refused("ignore-paused", "a paused container takes no further process", kind="bool"),
)
