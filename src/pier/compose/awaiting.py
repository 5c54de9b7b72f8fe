"""Wait until containers are what others need. Every wait ends: by the condition, by a failure, or by its limit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from pier.compose import observe, observed, readiness, settle
from pier.compose.model import COMPLETED, HEALTHY, STARTED, Project
from pier.compose.plan import Condition, Operation
from pier.compose.steps import Show, Step
from pier.engine import listing
from pier.errors import PierError
from pier.model import timestamps
from pier.runtime.logs import last_entries

if TYPE_CHECKING:
    from pier.engine.context import Engine
    from pier.model.container import Container

_SHORTEST_PAUSE = 0.02
_LONGEST_PAUSE = 0.1
_SAID_AFTER = 5.0
_LOG_LINES = 10
_REACHED = {HEALTHY: "Healthy", COMPLETED: "Exited", readiness.RUNNING_OR_HEALTHY: "Healthy"}


class Awaiting:
    """The waits of one command over one project's containers. *began*: when it did, in seconds since 1970."""

    def __init__(
        self,
        engine: Engine,
        project: Project,
        show: Show,
        *,
        idle: Callable[[], None] = lambda: None,
        began: float = 0.0,
    ) -> None:
        self.engine = engine
        self.project = project
        self.show = show
        self.idle = idle
        self.began = began or time.time()
        self._reached: set[Condition] = set()
        self._since: dict[str, float] = {}
        self._pause = _SHORTEST_PAUSE

    def met(self, operation: Operation, unstarted: Iterable[str]) -> bool:
        """Has everything *operation* waits for come true? Raises what keeps it from ever doing so."""
        return all(item.service not in unstarted and self._condition(item) for item in operation.after)

    def pause(self) -> None:
        """Sleep a little before the next look."""
        self.idle()
        time.sleep(self._pause)
        self._pause = min(self._pause * 1.2, _LONGEST_PAUSE)

    def until_ready(self, containers: Iterable[Container], timeout: float) -> None:
        """Every one of *containers* runs, and is healthy where it has a check; *timeout* 0: the checks' own limits."""
        waiting = {item.id: item for item in containers}
        finishing = self._awaited_completions()
        began = time.monotonic()
        while waiting:
            for container_id in list(waiting):
                container = listing.find(self.engine, container_id)
                done = _service_of(container) in finishing and readiness.judge(container, COMPLETED) == readiness.READY
                if done or self._container(container, readiness.RUNNING_OR_HEALTHY, dependency=False):
                    del waiting[container_id]
                elif timeout and time.monotonic() - began > timeout:
                    raise self._slow(container, timeout)
            if waiting:
                self.pause()

    def notice_deaths(self, containers: Iterable[Container], seconds: float) -> None:
        """Look at fresh *containers* until they rest or *seconds* are over; raise for one that has died meanwhile.

        A good program is left alone as soon as it listens, sleeps or is healthy. One that listens where nobody can
        reach it is warned about.
        """
        watches = [settle.Watch(item) for item in containers]
        deadline = time.monotonic() + seconds
        pause = _SHORTEST_PAUSE
        while watches:
            for watch in list(watches):
                container = listing.find(self.engine, watch.container.id)
                self._refuse_dead(container)
                healthy = container.state.health is not None and container.state.health.status == "healthy"
                if healthy or container.state.status == "exited" or watch.at_rest():
                    watches.remove(watch)
                    self._warn_of_loopback(container)
            if time.monotonic() > deadline:
                return
            if watches:
                self.idle()
                time.sleep(pause)

    def _awaited_completions(self) -> set[str]:
        return {
            name
            for service in self.project.services.values()
            for name, item in service.depends_on.items()
            if item.condition == COMPLETED
        }

    def _condition(self, condition: Condition) -> bool:
        if condition in self._reached:
            return True
        for container in observe.containers_of(self.engine, self.project.name):
            if _service_of(container) != condition.service or _is_one_off(container):
                continue
            try:
                if not self._container(container, condition.condition, dependency=True):
                    return False
            except PierError as exc:
                if condition.required:
                    raise
                self.engine.warn(f"optional dependency {condition.service} failed to start: {exc.message}")
        self._reached.add(condition)
        return True

    def _container(self, container: Container, condition: str, *, dependency: bool) -> bool:
        verdict = readiness.judge(container, condition)
        if verdict.reason == "unhealthy" and not self._probed_since_we_began(container):
            verdict = readiness.PENDING
        subject = f"Container {container.name}"
        if verdict == readiness.READY:
            if container.id in self._since or condition in (HEALTHY, COMPLETED):
                self.show(Step(subject=subject, text=_REACHED.get(condition, "Started"), state="done"))
            return True
        if verdict == readiness.PENDING:
            self._keep_waiting(container, condition)
            return False
        self.show(Step(subject=subject, text="Error", state="error"))
        raise self._failure(container, condition, verdict.reason, dependency=dependency)

    def _probed_since_we_began(self, container: Container) -> bool:
        """False for an old verdict about a container that ran before: the next probe may be kinder."""
        if timestamps.parse(container.state.started_at) / 1e9 >= self.began:
            return True
        log = container.state.health.log if container.state.health else ()
        return bool(log) and timestamps.parse(log[-1].end) / 1e9 >= self.began

    def _keep_waiting(self, container: Container, condition: str) -> None:
        if container.id not in self._since:
            self._since[container.id] = time.monotonic()
            self._pause = _SHORTEST_PAUSE
            self.show(Step(subject=f"Container {container.name}", text="Waiting"))
        seconds = time.monotonic() - self._since[container.id]
        limit = readiness.limit_seconds(container.spec.healthcheck)
        if condition not in (COMPLETED, STARTED) and seconds > limit:
            raise self._slow(container, limit)
        if seconds > _SAID_AFTER:
            text = readiness.describe_wait(_service_of(container), container, condition, seconds)
            self.show(Step(subject=f"Container {container.name}", text="Waiting", state="working", detail=text))

    def _failure(self, container: Container, condition: str, reason: str, *, dependency: bool) -> PierError:
        service, log = _service_of(container), self.last_lines(container)
        if reason == "no healthcheck":
            return readiness.uncheckable_failure(service, container)
        if reason == "unhealthy":
            return readiness.unhealthy_failure(service, container, log, dependency=dependency)
        if condition == COMPLETED:
            return readiness.unfinished_failure(service, container, log)
        return readiness.exit_failure(service, container, log, dependency=dependency)

    def _slow(self, container: Container, seconds: float) -> PierError:
        self.show(Step(subject=f"Container {container.name}", text="Error", state="error"))
        return readiness.slow_failure(_service_of(container), container, self.last_lines(container), seconds)

    def _warn_of_loopback(self, container: Container) -> None:
        for port in settle.unreachable_ports(container):
            self.engine.warn(
                f"service {_service_of(container)}: port {port} is published, but the program listens on 127.0.0.1 "
                "only, inside the container; make it listen on 0.0.0.0 (often: --host 0.0.0.0)"
            )

    def _refuse_dead(self, container: Container) -> None:
        state = container.state
        if state.status in ("exited", "restarting") and state.exit_code != 0:
            self.show(Step(subject=f"Container {container.name}", text=f"Exited ({state.exit_code})", state="error"))
            log = self.last_lines(container)
            raise readiness.exit_failure(_service_of(container), container, log, dependency=False)

    def last_lines(self, container: Container) -> list[str]:
        """The last lines the container wrote."""
        path = f"{self.engine.paths.container(container.id)}/{container.log_path_name}"
        return [entry.text for entry in last_entries(path, _LOG_LINES)]


def _service_of(container: Container) -> str:
    return container.spec.labels.get(observed.SERVICE, "")


def _is_one_off(container: Container) -> bool:
    return container.spec.labels.get(observed.ONE_OFF, "").lower() == "true"
