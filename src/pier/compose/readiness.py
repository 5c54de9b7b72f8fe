"""Has a container reached what others wait for? Judged from its state alone. Pure; the words of a failure included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pier.compose.model import COMPLETED, HEALTHY, STARTED
from pier.errors import PierError
from pier.model.container import Container, Health, Healthcheck
from pier.model.record import Record
from pier.runtime import health as checks

Verdict = Literal["ready", "pending", "failed"]
RUNNING_OR_HEALTHY = "running_or_healthy"
_MARGIN_SECONDS = 10.0
_SHOWN_LINES = 10
_SHOWN_OUTPUT = 400


class Judgement(Record):
    """*reason* tells why it failed: exited, unhealthy or no healthcheck."""

    verdict: Verdict
    reason: str = ""


READY = Judgement(verdict="ready")
PENDING = Judgement(verdict="pending")


def judge(container: Container, condition: str) -> Judgement:
    """Where *container* stands on the way to *condition*."""
    state = container.state
    ended = state.status in ("exited", "dead")
    if condition == STARTED:
        return READY if state.started_at else PENDING
    if condition == COMPLETED:
        if ended:
            return READY if state.exit_code == 0 else Judgement(verdict="failed", reason="exited")
        return PENDING
    checked = container.spec.has_healthcheck
    if condition == HEALTHY and not checked:
        return Judgement(verdict="failed", reason="no healthcheck")
    if ended:
        return Judgement(verdict="failed", reason="exited")
    if not state.running:
        return PENDING
    if not checked:
        return READY
    status = state.health.status if state.health else "starting"
    if status == "unhealthy":
        return Judgement(verdict="failed", reason="unhealthy")
    return READY if status == "healthy" else PENDING


def limit_seconds(check: Healthcheck | None) -> float:
    """How long a health check can take to reach its verdict: every wait for it ends then."""
    if check is None:
        return _MARGIN_SECONDS
    interval = check.interval / 1e9 or checks.DEFAULT_INTERVAL
    timeout = check.timeout / 1e9 or checks.DEFAULT_TIMEOUT
    retries = check.retries or checks.DEFAULT_RETRIES
    return check.start_period / 1e9 + (retries + 1) * (interval + timeout) + _MARGIN_SECONDS


def describe_wait(service: str, container: Container, condition: str, seconds: float) -> str:
    """What a person reads while waiting: what is awaited, how long already, and the limit."""
    if condition == COMPLETED:
        return f"waiting for {service} to finish, {seconds:.0f}s"
    limit = limit_seconds(container.spec.healthcheck)
    return f"waiting for {service} to be healthy, {seconds:.0f}s of at most {limit:.0f}s"


def exit_failure(service: str, container: Container, log: Sequence[str], *, dependency: bool) -> PierError:
    """The service died: its exit code, what it said last, and what that usually means."""
    code = container.state.exit_code
    what = f"service {service}: container {container.name} exited ({code})"
    return PierError(
        f"dependency failed to start: container {container.name} exited ({code})" if dependency else what,
        why=_last_lines(container, log),
        hint=_exit_hint(service, container, log),
    )


def unfinished_failure(service: str, container: Container, log: Sequence[str]) -> PierError:
    """A service others wait for to complete ended badly (Docker Compose's words)."""
    return PierError(
        f'service "{service}" didn\'t complete successfully: exit {container.state.exit_code}',
        why=_last_lines(container, log),
        hint=_exit_hint(service, container, log),
    )


def unhealthy_failure(service: str, container: Container, log: Sequence[str], *, dependency: bool) -> PierError:
    """The service's health check gave up: the last probe with command, exit code and output, and the last log lines."""
    health = container.state.health or Health()
    check = container.spec.healthcheck or Healthcheck()
    what = f"container {container.name} is unhealthy"
    facts = [_probe_fact(health, check)]
    if not check.start_period:
        facts.append("no start_period is set: failures count from the first probe on")
    facts.append(_last_lines(container, log))
    return PierError(
        f"dependency failed to start: {what}" if dependency else what,
        why="\n".join(filter(None, facts)),
        hint=f"pier compose logs {service}    or give it more time: start_period, retries",
    )


def slow_failure(service: str, container: Container, log: Sequence[str], seconds: float) -> PierError:
    """The wait ended without a verdict."""
    health = container.state.health or Health()
    facts = [_probe_fact(health, container.spec.healthcheck or Healthcheck()), _last_lines(container, log)]
    status = f"{container.state.status}, health: {health.status}" if container.state.health else container.state.status
    return PierError(
        f"container {container.name} was not ready within {seconds:.0f} seconds ({status})",
        why="\n".join(filter(None, facts)),
        hint=f"pier compose logs {service}",
    )


def uncheckable_failure(service: str, container: Container) -> PierError:
    """Others wait for the service to be healthy, and nothing checks its health."""
    return PierError(
        f"dependency failed to start: container {container.name} has no healthcheck configured",
        why=f"another service waits for {service} with condition: service_healthy",
        hint=f"add a healthcheck to {service}, or wait with condition: service_started",
    )


def _probe_fact(health: Health, check: Healthcheck) -> str:
    command = _spoken_test(check)
    retries = check.retries or checks.DEFAULT_RETRIES
    if not health.log:
        return f"no probe has ended yet: {command}"
    probe = health.log[-1]
    code = "timed out" if probe.exit_code == checks.TIMED_OUT else f"exit code {probe.exit_code}"
    output = " ".join(probe.output.split())[:_SHOWN_OUTPUT]
    attempt = f"attempt {min(health.failing_streak, retries)}/{retries}"
    return f"last probe ({attempt}): {command}: {code}" + (f": {output}" if output else ", no output")


def _spoken_test(check: Healthcheck) -> str:
    test = check.test
    return " ".join(test[1:]) if test and test[0] in ("CMD", "CMD-SHELL") else " ".join(test)


def _last_lines(container: Container, log: Sequence[str]) -> str:
    if container.state.error and not log:
        return container.state.error
    if not log:
        return "it wrote nothing"
    return "its last words:\n" + "\n".join(line.rstrip("\n") for line in log[-_SHOWN_LINES:])


_LOOPBACK_SIGNS = ("127.0.0.1", "localhost")
_REFUSED_SIGNS = ("connection refused", "could not connect", "connect call failed")
_NAME_SIGNS = ("could not translate host name", "name or service not known", "temporary failure in name resolution")


def _exit_hint(service: str, container: Container, log: Sequence[str]) -> str:
    text = "\n".join(log).lower()
    if any(sign in text for sign in _REFUSED_SIGNS) and any(sign in text for sign in _LOOPBACK_SIGNS):
        return "inside a container localhost is the container itself: use the other service's name as the host"
    if any(sign in text for sign in _NAME_SIGNS):
        return "services find each other by service name on a network they share; check the name and `networks:`"
    if "password authentication failed" in text:
        return "the database keeps the password its volume was created with: pier compose down -v drops the volume"
    if container.state.oom_killed:
        return "it ran out of memory: raise its memory limit"
    return f"pier compose logs {service}"
