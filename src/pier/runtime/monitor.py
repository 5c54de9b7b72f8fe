"""The one process that stays with a running container: it keeps stdio and the log, serves clients, runs health checks
and network services, restarts by policy, and writes the end down.

It is forked from the command that starts the container and knows the store only through its keeper.
"""

from __future__ import annotations

import errno
import os
import time

from pier.errors import Conflict, Exhausted, PierError
from pier.kernel import lifetime, process, signals
from pier.model import jsontext
from pier.runtime import attach, frames, handshake, restart
from pier.runtime import loop as events
from pier.runtime.logs import LogWriter
from pier.runtime.services import ServiceHost
from pier.runtime.streams import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Never, Protocol

    from pier.model.container import ContainerSpec, Health, Healthcheck
    from pier.runtime.health import HealthChecker
    from pier.runtime.launch import Connections, Launched
    from pier.runtime.loop import Timer
    from pier.runtime.plan import Plan
    from pier.runtime.services import Service

    class Keeper(Protocol):
        """What the monitor needs from the engine.

        Each start is one `prepare`, then `started` and `exited`, or `failed`. *explain*: the command wants to be told
        the plan.
        """

        spec: ContainerSpec
        log_path: str
        run_folder: str
        shell: tuple[str, ...]
        explain: bool

        def prepare(self) -> tuple[Plan, Connections]: ...

        def launch(self, plan: Plan, stdio: tuple[int, int, int], connections: Connections) -> Launched:
            """The plan's first process runs: see `launch.launch`."""

        def services(self) -> list[Service]:
            """To be called once the container's program runs."""

        def started(self, launched: Launched) -> None: ...

        def probe(self, words: tuple[str, ...], stdio: tuple[int, int, int]) -> int:
            """Start *words* in the container; the pid of a child."""

        def health_changed(self, health: Health) -> None: ...

        def freeze(self) -> None:
            """The container's processes stand still. Unsupported."""

        def thaw(self) -> None: ...

        def reload(self) -> None:
            """The container's files have changed under another command's hand: `spec` follows."""

        def warnings(self) -> list[str]:
            """Said since the last call."""

        def failed(self, error: PierError) -> None: ...

        def exited(self, exit_code: int, *, restarting: bool) -> None: ...

        def finished(self) -> None:
            """There will be no further start: remove what `--rm` promised to remove."""


_FAREWELL_SECONDS = 5.0
# The stream to the command that started the container has this number in the monitor.
_CONTROL = 3


def _title(keeper: Keeper) -> str:
    return f"pier: monitor of {keeper.spec.name} ({keeper.spec.id[:12]})"


def become(open_keeper: Callable[[str], Keeper], control: int, *, output: bool) -> Never:
    """Turn this freshly forked process into the monitor of the container that the command will name over *control*.

    *output*: the command attaches. Without a name, at the end of the stream, the process just ends.
    """
    code = 1
    try:
        _detach(control)
        name = _await_name()
        if name:
            keeper = open_keeper(name)
            process.set_command_line(_title(keeper))
            Monitor(keeper, output=output).run()
        code = 0
    finally:
        os._exit(code)


def _await_name() -> str:
    """The id in the command's first frame; "" when it went away instead."""
    header = os.read(_CONTROL, frames.HEADER_BYTES)
    if len(header) < frames.HEADER_BYTES:
        return ""
    return os.read(_CONTROL, frames.payload_bytes(header)).decode()


def _detach(control: int) -> None:
    """Leave the terminal, the working directory and every inherited fd but *control*."""
    os.setsid()
    os.chdir("/")
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for number in (0, 1, 2):
        os.dup2(null, number, inheritable=True)
    os.dup2(control, _CONTROL, inheritable=False)
    process.close_range_now(_CONTROL + 1)
    signals.ignore(signals.SIGINT)
    signals.ignore(signals.SIGHUP)
    signals.ignore(signals.SIGQUIT)
    signals.ignore(signals.SIGPIPE)
    os.umask(0o022)


class Monitor:
    """One container, from its first start to its last end."""

    def __init__(self, keeper: Keeper, *, output: bool) -> None:
        self._keeper = keeper
        self._loop = events.Loop()
        self._server = attach.AttachServer(keeper.run_folder, self._loop, self)
        self._starter = self._server.add(_CONTROL, output=output)
        self._log: LogWriter | None = None
        self._streams: Streams | None = None
        self._launched: Launched | None = None
        self._services: list[ServiceHost] = []
        self._health: HealthChecker | None = None
        self._stopped_by_user = False
        self._paused = False
        self._restarts = 0
        self._delay = 0.0
        self._began = 0.0
        self._retry: Timer | None = None

    def run(self) -> None:
        """Returns when the container has ended for good and every client knows."""
        try:
            self._start()
        except (PierError, OSError) as failure:
            error = _as_pier_error(failure)
            self._tell_keeper(error)
            self._starter.send(frames.encode(frames.FAILED, jsontext.dumps(_as_message(error)).encode()))
            self._say_goodbye()
            return
        self._loop.run()

    def _start(self) -> None:
        keeper = self._keeper
        plan, connections = keeper.prepare()
        if keeper.explain:
            self._starter.send(frames.encode(frames.NOTE, "\n".join(plan.describe()).encode()))
        streams = Streams(tty=plan.tty, stdin_open=plan.stdin_open)
        try:
            launched = keeper.launch(plan, streams.child_ends, connections)
        except BaseException:
            streams.close()
            raise
        self._began = time.monotonic()
        self._streams, self._launched = streams, launched
        streams.close_child_ends()
        if launched.terminal >= 0:
            streams.adopt(launched.terminal)
        keeper.started(launched)
        policy = keeper.spec.log
        if self._log is None and policy.driver != "none":
            self._log = LogWriter(keeper.log_path, max_size=policy.max_size, max_files=policy.max_files)
        self._loop.watch(launched.pidfd, events.READ, self._ended)
        self._services = [ServiceHost(service, self._loop) for service in keeper.services()]
        streams.connect(self._loop, self._output, self._server.resume_input)
        check = keeper.spec.healthcheck
        if check is not None and check.enabled:
            self._health = self._checker(check)
        for warning in keeper.warnings():
            self._starter.send(frames.encode(frames.WARNING, warning.encode()))
        started = {"pid": launched.pid, "restarts": self._restarts}
        self._starter.send(frames.encode(frames.STARTED, jsontext.dumps(started).encode()))

    def _checker(self, check: Healthcheck) -> HealthChecker:
        from pier.runtime.health import HealthChecker

        keeper = self._keeper
        return HealthChecker(check, keeper.shell, self._loop, keeper.probe, keeper.health_changed)

    def _output(self, stream: str, data: bytes) -> None:
        if self._log is not None:
            self._log.write(stream, data)
        self._server.broadcast_output(frames.STDOUT if stream == "stdout" else frames.STDERR, data)

    def _ended(self, _fd: int, _ready: int) -> None:
        launched, streams = self._launched, self._streams
        if launched is None or streams is None:
            return
        _, status = os.waitpid(launched.pid, 0)
        self._loop.forget(launched.pidfd)
        os.close(launched.pidfd)
        self._launched = None
        self._paused = False
        self._close_helpers()
        streams.drain()
        if self._log is not None:
            self._log.flush()
        self._decide(lifetime.exit_code(status))

    def _close_helpers(self) -> None:
        if self._health is not None:
            self._health.close()
            self._health = None
        for service in self._services:
            service.release()
        self._services = []

    def _decide(self, exit_code: int) -> None:
        again = restart.wanted(
            self._keeper.spec.restart,
            exit_code=exit_code,
            restarts=self._restarts,
            stopped_by_user=self._stopped_by_user,
        )
        self._keeper.exited(exit_code, restarting=again)
        if again:
            self._delay = restart.delay(self._delay, time.monotonic() - self._began)
            self._retry = self._loop.after(self._delay, self._start_again)
        self._tell_end(exit_code, final=not again)

    def _start_again(self) -> None:
        self._retry = None
        self._restarts += 1
        try:
            self._start()
        except (PierError, OSError) as failure:
            error = _as_pier_error(failure)
            self._tell_keeper(error)
            self._decide(error.exit_code)

    def _tell_keeper(self, error: PierError) -> None:
        try:
            self._keeper.failed(error)
        except OSError:
            # A full disk takes no state either; the next command finds the monitor gone and repairs it.
            return

    def _tell_end(self, exit_code: int, *, final: bool) -> None:
        if final:
            self._keeper.finished()
        self._server.broadcast(frames.encode(frames.EXITED, jsontext.dumps({"code": exit_code}).encode()))
        self._server.dismiss()
        if final:
            self._say_goodbye()

    def _say_goodbye(self) -> None:
        """Let slow clients take what is theirs, for a while."""
        self._server.dismiss()
        deadline = time.monotonic() + _FAREWELL_SECONDS
        while not self._server.drained and time.monotonic() < deadline:
            self._loop.after(0.2, self._loop.stop)
            for client in self._server.clients:
                client.close_when_sent()
            if not self._server.drained:
                self._loop.run()
        self._server.close()
        if self._log is not None:
            self._log.close()
        self._loop.stop()

    # What clients ask for.

    def input(self, data: bytes) -> None:
        if self._streams is not None:
            self._streams.feed(data)

    def input_end(self) -> None:
        if self._streams is not None:
            self._streams.end_input()

    def input_backlog(self) -> int:
        return self._streams.backlog() if self._streams is not None else 0

    def resize(self, rows: int, columns: int) -> None:
        if self._streams is not None:
            self._streams.resize(rows, columns)

    def signal(self, number: int) -> None:
        if self._launched is not None and 0 < number <= signals.HIGHEST:
            lifetime.send_signal(self._launched.pidfd, number)
            if self._paused and number in (signals.SIGKILL, signals.parse(self._keeper.spec.stop_signal)):
                # What stands still cannot end (cgroup-v1/freezer-subsystem.rst): the signal takes effect on waking.
                self._resume()

    def administer(self, kind: bytes) -> bytes:
        try:
            if kind == frames.PAUSE:
                self._pause()
            elif kind == frames.RESUME:
                self._resume()
            else:
                self._keeper.reload()
        except (PierError, OSError) as failure:
            message = handshake.describe(failure, "obeying")
            return frames.encode(frames.REFUSED, jsontext.dumps(message).encode())
        return frames.encode(frames.DONE)

    def _pause(self) -> None:
        if self._launched is None:
            raise Conflict(f"Container {self._keeper.spec.id} is not running")
        if self._paused:
            raise Conflict(f"Container {self._keeper.spec.id} is already paused")
        if self._health is not None:
            self._health.close()
        try:
            self._keeper.freeze()
            self._paused = True
        finally:
            if self._health is not None and not self._paused:
                self._health.resume()

    def _resume(self) -> None:
        if not self._paused:
            raise Conflict(f"Container {self._keeper.spec.id} is not paused")
        self._keeper.thaw()
        self._paused = False
        if self._health is not None:
            self._health.resume()

    def stop_requested(self) -> None:
        self._stopped_by_user = True
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
            self._keeper.exited(-1, restarting=False)
            self._tell_end(0, final=True)

    def departed(self) -> None:
        if self._streams is not None and self._keeper.spec.stdin_once:
            self._streams.end_input()
        self.flow_changed()

    def flow_changed(self) -> None:
        if self._streams is None:
            return
        if self._server.congested:
            self._streams.pause()
        else:
            self._streams.resume()


def _as_pier_error(error: PierError | OSError) -> PierError:
    if isinstance(error, PierError):
        return error
    what = f"cannot start the container: {(error.strerror or 'failed').lower()}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Exhausted(what, why=str(error), hint="pier system df shows what takes the room")
    return PierError(what, why=str(error))


def _as_message(error: PierError) -> dict[str, object]:
    return handshake.describe(error, "starting")
