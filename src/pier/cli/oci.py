"""`pier oci`: pier as an OCI runtime, with runc's command line as the model, for engines that are given a runtime."""

from __future__ import annotations

import os
import sys

from pier.cli import oci_exec
from pier.cli.options import Command, HelpWanted, Misuse, flag, parse, refused, value
from pier.errors import Conflict, Invalid, PierError, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pier.cli.options import Arguments, Option
    from pier.cli.session import Session
    from pier.runtime.oci_create import Wishes
    from pier.runtime.oci_state import Store

_ABSENT = ("checkpoint", "restore", "events", "ps", "spec", "update")
_NO_PIVOT = "without pivot_root(2) a container could reach the host's root"


class Call:
    """One `pier oci` command: its store, and where warnings and failures are told."""

    def __init__(self, session: Session, settings: Arguments) -> None:
        from pier.runtime.oci_state import Store

        self.session = session
        self.store: Store = Store(os.path.abspath(settings.text("root") or session.paths.run + "/oci"))
        self._log = settings.text("log")
        self._json = settings.text("log-format") == "json"
        if settings.text("log-format") not in ("text", "json"):
            raise Invalid(f"invalid log-format {settings.text('log-format')!r}", hint="text or json")

    def warn(self, message: str) -> None:
        if self._log:
            self.tell("warning", message)
        else:
            self.session.warn(message)

    def tell(self, level: str, message: str) -> None:
        """One line in the log file, in the words of the log format."""
        if not self._log:
            return
        import time

        from pier.model import jsontext, timestamps

        now = timestamps.rfc3339(time.time_ns())
        line = jsontext.dumps({"level": level, "msg": message, "time": now})
        if not self._json:
            line = f"time={jsontext.dumps(now)} level={level} msg={jsontext.dumps(message)}"
        with open(self._log, "a", encoding="utf-8") as stream:
            stream.write(line + "\n")


def run_oci(session: Session, arguments: Arguments) -> int:
    """Parse the command behind the global options and run it."""
    if arguments.flag("version"):
        from pier import __version__
        from pier.runtime import oci_read

        sys.stdout.write(f"pier version {__version__}\nspec: {oci_read.VERSION}\n")
        return 0
    if not arguments.positionals:
        raise HelpWanted
    name, *rest = arguments.positionals
    if name in _ABSENT:
        raise Unsupported(f"pier oci has no {name}", why="the specification does not demand it")
    if name not in _COMMANDS:
        raise Misuse(f"pier oci: '{name}' is not a command.\nSee 'pier oci --help'", 1)
    call = Call(session, arguments)
    command, act = _COMMANDS[name]
    try:
        typed = parse(command, f"pier oci {name}", rest)
        return act(call, typed)
    except HelpWanted:
        from pier.cli import usage

        sys.stdout.write(usage.command_help(command, f"pier oci {name}", _SUMMARIES[name], ""))
        return 0
    except PierError as failure:
        call.tell("error", f"{failure.message}: {failure.why}" if failure.why else failure.message)
        raise


def _create(call: Call, arguments: Arguments) -> int:
    from pier.runtime import oci_create

    _demand_root()
    wishes = _wishes(call, arguments)
    _demand_console(wishes.bundle, wishes.console)
    oci_create.create(call.store, arguments.positionals[0], wishes, call.warn)
    return 0


def _wishes(call: Call, arguments: Arguments) -> Wishes:
    from pier.runtime import oci_create

    listening = call.session.environ.get("LISTEN_FDS", "")
    return oci_create.Wishes(
        bundle=os.path.abspath(arguments.text("bundle") or "."),
        console=arguments.text("console-socket"),
        pid_file=arguments.text("pid-file"),
        preserved=(arguments.number("preserve-fds") or 0) + (int(listening) if listening.isdigit() else 0),
        new_keyring=not arguments.flag("no-new-keyring"),
    )


def _demand_root() -> None:
    if os.geteuid() != 0:
        raise Unsupported(
            "pier oci needs root",
            why="it makes no user namespace",
            hint="pier run, without an engine above it, needs none",
        )


def _demand_console(bundle: str, console: str) -> None:
    from pier.runtime import oci_create

    process = oci_create.load(bundle).get("process")
    if isinstance(process, dict) and process.get("terminal") and not console:
        raise Invalid(
            "cannot make a terminal that nobody keeps",
            why="process.terminal is true, and the command does not wait for the container",
            hint="--console-socket PATH",
        )


def _start(call: Call, arguments: Arguments) -> int:
    from pier.runtime import oci_create

    oci_create.start(call.store, arguments.positionals[0], call.warn)
    return 0


def _run(call: Call, arguments: Arguments) -> int:
    """create, start, and unless detached wait and delete; the container's exit code."""
    from pier.runtime import oci_create, piping

    _demand_root()
    identifier, wishes = arguments.positionals[0], _wishes(call, arguments)
    detached = arguments.flag("detach")
    if detached:
        _demand_console(wishes.bundle, wishes.console)
    created = oci_create.create(call.store, identifier, wishes, call.warn)

    def spawn(_stdio: tuple[int, int, int]) -> int:
        oci_create.start(call.store, identifier, call.warn)
        return created.state.pid

    try:
        if detached:
            spawn((0, 1, 2))
            return 0
        if created.terminal >= 0:
            spare = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
            code = piping.converse(spawn, terminal=(created.terminal, spare), stdin=True)
        else:
            code = oci_exec.wait(spawn((0, 1, 2)))
    except BaseException:
        oci_create.delete(call.store, identifier, call.warn, force=True)
        raise
    if not arguments.flag("keep"):
        oci_create.delete(call.store, identifier, call.warn, force=True)
    return code


def _state(call: Call, arguments: Arguments) -> int:
    import json

    state = call.store.read(arguments.positionals[0])
    shown = {**call.store.told(state), "created": state.created}
    sys.stdout.write(json.dumps(shown, indent=2) + "\n")
    return 0


def _kill(call: Call, arguments: Arguments) -> int:
    from pier.kernel import signals
    from pier.runtime import oci_create

    identifier, *rest = arguments.positionals
    try:
        number = signals.parse(rest[0] if rest else "SIGTERM")
    except ValueError as exc:
        raise Invalid(f"unknown signal {rest[0]!r}") from exc
    oci_create.kill(call.store, identifier, number, everyone=arguments.flag("all"))
    return 0


def _delete(call: Call, arguments: Arguments) -> int:
    from pier.runtime import oci_create

    oci_create.delete(call.store, arguments.positionals[0], call.warn, force=arguments.flag("force"))
    return 0


def _features(call: Call, arguments: Arguments) -> int:
    import json

    from pier.kernel import identity
    from pier.runtime import oci_features

    sys.stdout.write(json.dumps(oci_features.features(last_capability=identity.last_capability()), indent=2) + "\n")
    return 0


def _list(call: Call, arguments: Arguments) -> int:
    store = call.store
    states = [store.told(store.read(identifier)) for identifier in store.identifiers()]
    if arguments.flag("quiet"):
        sys.stdout.write("".join(f"{state['id']}\n" for state in states))
        return 0
    sys.stdout.write(f"{'ID':<24} {'PID':<10} {'STATUS':<10} BUNDLE\n")
    for state in states:
        sys.stdout.write(f"{state['id']:<24} {state['pid']:<10} {state['status']:<10} {state['bundle']}\n")
    return 0


def _pause(call: Call, arguments: Arguments) -> int:
    return _freeze(call, arguments, wanted=("running", "created"), frozen=True)


def _resume(call: Call, arguments: Arguments) -> int:
    return _freeze(call, arguments, wanted=("paused",), frozen=False)


def _freeze(call: Call, arguments: Arguments, *, wanted: tuple[str, ...], frozen: bool) -> int:
    from pier.runtime import oci_groups

    state = call.store.read(arguments.positionals[0])
    status = call.store.status(state)
    if status not in wanted:
        raise Conflict(f"container is {status}, not {wanted[0]}")
    oci_groups.freeze(state.groups, frozen=frozen)
    return 0


_BUNDLE: tuple[Option, ...] = (
    value("bundle", "b", "Folder of the bundle (default: the current directory)"),
    value("console-socket", help="Path of the socket that gets the terminal's master"),
    value("pid-file", help="File to write the process id to"),
    flag("no-new-keyring", help="Keep the caller's session keyring"),
    value("preserve-fds", help="Pass N more file descriptors on (stdio + $LISTEN_FDS + N in total)", kind="int"),
    refused("no-pivot", _NO_PIVOT, kind="bool"),
)
_ID = "[OPTIONS] CONTAINER-ID"


def _never(session: Session, arguments: Arguments) -> int:
    raise Misuse("no command")


def _one(options: tuple[Option, ...] = (), usage: str = _ID, most: int | None = 1, least: int = 1) -> Command:
    return Command(run=_never, usage=usage, options=options, arguments=(least, most))


_COMMANDS: dict[str, tuple[Command, Callable[[Call, Arguments], int]]] = {
    "create": (_one(_BUNDLE), _create),
    "run": (
        _one(
            (
                *_BUNDLE,
                flag("detach", "d", "Do not wait for the container"),
                flag("keep", help="Do not delete the container after it exits"),
                flag("no-subreaper", help="Accepted for runc's sake: pier reaps only its own child"),
            )
        ),
        _run,
    ),
    "start": (_one(), _start),
    "state": (_one(), _state),
    "kill": (
        _one((flag("all", "a", "Send the signal to every process"),), "[OPTIONS] CONTAINER-ID [SIGNAL]", most=2),
        _kill,
    ),
    "delete": (_one((flag("force", "f", "Kill the container if it still runs"),)), _delete),
    "exec": (
        _one(oci_exec.OPTIONS, "[OPTIONS] CONTAINER-ID PROGRAM [ARG...]", most=None).replace(interspersed=False),
        oci_exec.execute,
    ),
    "pause": (_one(), _pause),
    "resume": (_one(), _resume),
    "list": (_one((flag("quiet", "q", "Show only ids"),), "[OPTIONS]", most=0, least=0), _list),
    "features": (_one((), "", most=0, least=0), _features),
}
_SUMMARIES = {
    "create": "Make a container from a bundle; it waits for start",
    "run": "Create and start a container",
    "start": "Run the program of a created container",
    "state": "Show the state of a container",
    "kill": "Send a signal (default: SIGTERM) to a container's first process",
    "delete": "Remove what a stopped container holds",
    "exec": "Run a further process in a container",
    "pause": "Suspend the processes of a container",
    "resume": "Let the processes of a paused container go on",
    "list": "List the containers of this root",
    "features": "Show what this runtime can do",
}

OCI = Command(
    run=run_oci,
    usage="[OPTIONS] COMMAND [ARG...]",
    options=(
        value("root", help="Folder of the containers' state"),
        value("log", help="File to write errors and warnings to"),
        value("log-format", help="text or json", default="text"),
        flag("debug", help="Accepted for runc's sake: nothing more is logged"),
        flag("version", "v", help="Print the version of the runtime and of the specification"),
        refused("systemd-cgroup", "pier makes control groups itself, not through systemd", kind="bool"),
        refused("criu", "pier makes no checkpoints"),
        refused("rootless", "pier's OCI runtime needs root"),
    ),
    arguments=(0, None),
    interspersed=False,
    notes="Commands:\n" + "\n".join(f"  {name:<9} {text}" for name, text in _SUMMARIES.items()),
)
