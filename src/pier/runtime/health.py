"""The health check of one running container, on the monitor's loop: no daemon, no systemd timer (HEALTHCHECK of the
Dockerfile reference; defaults of moby's daemon/health.go)."""

from __future__ import annotations

import os
import time

from pier.errors import PierError
from pier.kernel import lifetime, signals
from pier.model import timestamps
from pier.model.container import Health, HealthProbe
from pier.runtime import loop as events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pier.model.container import Healthcheck
    from pier.runtime.loop import Loop, Timer

_NANOSECONDS = 1e9
DEFAULT_INTERVAL = 30.0
DEFAULT_TIMEOUT = 30.0
DEFAULT_START_INTERVAL = 5.0
DEFAULT_RETRIES = 3
_KEPT_PROBES = 5
_KEPT_OUTPUT = 4096
TIMED_OUT = -1


def command_of(check: Healthcheck, shell: tuple[str, ...]) -> tuple[str, ...]:
    """The words to execute for a CMD or CMD-SHELL test."""
    return shell + check.test[1:2] if check.test[0] == "CMD-SHELL" else check.test[1:]


def judge(before: Health, probe: HealthProbe, *, retries: int, in_start_period: bool) -> Health:
    """The health after *probe*: failures count only outside the start period, or once the container was healthy."""
    log = (*before.log, probe)[-_KEPT_PROBES:]
    if probe.exit_code == 0:
        return Health(status="healthy", failing_streak=0, log=log)
    if in_start_period and before.status == "starting":
        return before.replace(log=log)
    streak = before.failing_streak + 1
    return Health(status="unhealthy" if streak >= retries else before.status, failing_streak=streak, log=log)


class HealthChecker:
    """Probes until `close`. *spawn* starts the words with the given fds as stdio; *changed* gets each new health."""

    def __init__(
        self,
        check: Healthcheck,
        shell: tuple[str, ...],
        loop: Loop,
        spawn: Callable[[tuple[str, ...], tuple[int, int, int]], int],
        changed: Callable[[Health], None],
    ) -> None:
        self._check = check
        self._command = command_of(check, shell)
        self._loop = loop
        self._spawn = spawn
        self._changed = changed
        self._health = Health()
        self._began = time.monotonic()
        self._probe: _Probe | None = None
        self._timer: Timer | None = None
        self._schedule()

    def _seconds(self, nanoseconds: int, default: float) -> float:
        return nanoseconds / _NANOSECONDS if nanoseconds else default

    @property
    def _in_start_period(self) -> bool:
        return time.monotonic() - self._began < self._check.start_period / _NANOSECONDS

    def _schedule(self) -> None:
        interval = self._seconds(self._check.interval, DEFAULT_INTERVAL)
        if self._in_start_period and self._health.status == "starting":
            interval = min(interval, self._seconds(self._check.start_interval, DEFAULT_START_INTERVAL))
        self._timer = self._loop.after(interval, self._begin)

    def _begin(self) -> None:
        timeout = self._seconds(self._check.timeout, DEFAULT_TIMEOUT)
        self._probe = _Probe(self._command, self._loop, self._spawn, timeout, self._ended)

    def _ended(self, probe: HealthProbe) -> None:
        self._probe = None
        retries = self._check.retries or DEFAULT_RETRIES
        self._health = judge(self._health, probe, retries=retries, in_start_period=self._in_start_period)
        self._changed(self._health)
        self._schedule()

    def close(self) -> None:
        """No further probe, and none is under way. `resume` begins again."""
        if self._timer is not None:
            self._timer.cancel()
        if self._probe is not None:
            self._probe.abandon()
            self._probe = None

    def resume(self) -> None:
        """Probe again after a pause, in which a probe would have stood still with the container."""
        self._schedule()


class _Probe:
    """One run of the command; *ended* is called once."""

    def __init__(
        self,
        command: tuple[str, ...],
        loop: Loop,
        spawn: Callable[[tuple[str, ...], tuple[int, int, int]], int],
        timeout: float,
        ended: Callable[[HealthProbe], None],
    ) -> None:
        self._loop = loop
        self._ended = ended
        self._timeout = timeout
        self._start = timestamps.rfc3339(time.time_ns())
        self._output = b""
        self._pidfd = -1
        self._pipe, theirs = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._pipe, False)
        null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._pid = spawn(command, (null, theirs, theirs))
        except PierError as error:
            self._output = error.message.encode()
            exit_code = error.exit_code
            self._timer = loop.after(0, lambda: self._finish(exit_code))
            return
        finally:
            os.close(null)
            os.close(theirs)
        self._pidfd = os.pidfd_open(self._pid)
        loop.watch(self._pipe, events.READ, self._read)
        loop.watch(self._pidfd, events.READ, self._reap)
        self._timer = loop.after(timeout, self._expire)

    def _read(self, fd: int, _ready: int) -> None:
        try:
            data = os.read(fd, 1 << 14)
        except BlockingIOError:
            return
        if not data:
            self._loop.forget(fd)
        self._output = (self._output + data)[:_KEPT_OUTPUT]

    def _reap(self, _fd: int, _ready: int) -> None:
        _, status = os.waitpid(self._pid, 0)
        self._read(self._pipe, 0)
        self._timer.cancel()
        self._finish(lifetime.exit_code(status))

    def _expire(self) -> None:
        self._kill()
        self._output = f"Health check exceeded timeout ({self._timeout:g}s)".encode()
        self._finish(TIMED_OUT)

    def _kill(self) -> None:
        lifetime.send_signal(self._pidfd, signals.SIGKILL)
        os.waitpid(self._pid, 0)

    def _close(self) -> None:
        self._loop.forget(self._pipe)
        os.close(self._pipe)
        if self._pidfd >= 0:
            self._loop.forget(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def _finish(self, exit_code: int) -> None:
        self._close()
        output = self._output.decode("utf-8", "replace")
        end = timestamps.rfc3339(time.time_ns())
        self._ended(HealthProbe(start=self._start, end=end, exit_code=exit_code, output=output))

    def abandon(self) -> None:
        """The container has ended: the probe is reaped and never reported."""
        self._timer.cancel()
        if self._pidfd >= 0:
            self._kill()
        self._close()
