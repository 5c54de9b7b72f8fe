"""`compose up` in the foreground: logs of all services, Ctrl-C once stops in order, twice kills."""

from __future__ import annotations

import signal
import sys
import time
from typing import TYPE_CHECKING

from pier.cli.compose.down import stop_all
from pier.cli.compose.prefixes import Printer
from pier.compose import observe, observed, readiness
from pier.compose.awaiting import Awaiting
from pier.compose.follow import Follower
from pier.engine import lifecycle, listing
from pier.errors import Conflict, Invalid, NotFound

if TYPE_CHECKING:
    from pier.cli.compose.context import Context
    from pier.cli.compose.up import Prepared
    from pier.cli.options import Arguments
    from pier.model.container import Container

_PAUSE = 0.04
_STARTS = ("start", "restart")
_INTERRUPTED = 130


def attached(context: Context, arguments: Arguments, prepared: Prepared) -> int:
    """Bring the project up and stay; the exit code is what `--exit-code-from` and the aborts say."""
    watcher = Watcher(context, arguments, prepared)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        watcher.bring_up()
        return watcher.stay()
    except KeyboardInterrupt:
        watcher.stop("Gracefully stopping... (press Ctrl+C again to force)")
        return _INTERRUPTED


class Watcher:
    """One foreground `up`."""

    def __init__(self, context: Context, arguments: Arguments, prepared: Prepared) -> None:
        self.context = context
        self.prepared = prepared
        self.exit_code_from = arguments.text("exit-code-from")
        self.aborts = arguments.flag("abort-on-container-exit") or bool(self.exit_code_from)
        self.aborts_on_failure = arguments.flag("abort-on-container-failure")
        self.timeout = arguments.decimal("timeout")
        self.follower = Follower(context.engine)
        self.printer = Printer(
            prepared.project.name,
            sys.stdout,
            sys.stderr,
            colours=not arguments.flag("no-color") and context.colours(sys.stdout.isatty()),
            prefixes=not arguments.flag("no-log-prefix"),
            stamps=arguments.flag("timestamps"),
        )
        self.shown = self._shown_services(arguments)
        self.containers: dict[str, Container] = {}
        self.ended: dict[str, int] = {}

    def _shown_services(self, arguments: Arguments) -> set[str]:
        services, named = self.prepared.services, arguments.positionals
        for name in (*arguments.texts("attach"), *filter(None, [self.exit_code_from])):
            if name not in services:
                raise Invalid(f"cannot attach to services not included in up: {name}")
        chosen = set(arguments.texts("attach")) or {
            name
            for name, service in services.items()
            if service.attach and (not named or name in named or arguments.flag("attach-dependencies"))
        }
        return chosen - set(arguments.texts("no-attach"))

    def bring_up(self) -> None:
        """Create, say what is followed, start; logs are shown while starts wait."""
        executor = self.prepared.executor
        operations = self.prepared.operations
        executor.run([item for item in operations if item.verb not in _STARTS])
        self._find_containers()
        starting = {item.target for item in operations if item.verb in _STARTS}
        followed = [item for item in self.containers.values() if self._service(item) in self.shown]
        for item in followed:
            self.follower.add(item, skip_past=item.name not in starting or bool(item.state.started_at))
        self.printer.know(followed)
        self.context.progress.plain()
        names = ", ".join(self.printer.short(item) for item in followed)
        sys.stdout.write(f"Attaching to {names}\n")
        sys.stdout.flush()
        executor.idle = self._pump
        executor.run([item for item in operations if item.verb in _STARTS])

    def _find_containers(self) -> None:
        for item in observe.containers_of(self.context.engine, self.prepared.project.name):
            view = observe.observed_container(item)
            if view.service in self.prepared.services and not view.one_off:
                self.containers[item.id] = item

    def _service(self, container: Container) -> str:
        return container.spec.labels.get(observed.SERVICE, "")

    def _pump(self) -> None:
        self.printer.lines(self.follower.fresh())

    def stay(self) -> int:
        """Until every container has ended, or one that all hang on has."""
        while True:
            self._pump()
            for container in self._newly_ended():
                code = container.state.exit_code
                self.printer.say(container, f"exited with code {code}")
                if self.aborts or (self.aborts_on_failure and code):
                    self.stop("Aborting on container exit...")
                    return self._abort_code(container)
            if len(self.ended) == len(self.containers):
                self._pump()
                self.printer.lines(self.follower.rest())
                return self._final_code()
            time.sleep(_PAUSE)

    def _newly_ended(self) -> list[Container]:
        found = []
        for container_id in [item for item in self.containers if item not in self.ended]:
            try:
                container = listing.find(self.context.engine, container_id)
            except NotFound:
                # Another command has removed it.
                self.ended[container_id] = 0
                continue
            if container.state.status in ("exited", "dead"):
                self.ended[container_id] = container.state.exit_code
                found.append(container)
            elif container.state.status == "created":
                self.ended[container_id] = 0
        if found:
            self._pump()
        return found

    def _abort_code(self, first: Container) -> int:
        if not self.exit_code_from:
            return first.state.exit_code
        return next(
            (
                listing.find(self.context.engine, container_id).state.exit_code
                for container_id, item in self.containers.items()
                if self._service(item) == self.exit_code_from
            ),
            0,
        )

    def _final_code(self) -> int:
        """A project whose containers have all ended has failed when one of them has."""
        failed = [container_id for container_id, code in self.ended.items() if code]
        if not failed:
            return 0
        container = listing.find(self.context.engine, failed[0])
        lines = Awaiting(self.context.engine, self.prepared.project, self.context.progress.show).last_lines(container)
        raise readiness.exit_failure(self._service(container), container, lines, dependency=False)

    def stop(self, why: str) -> None:
        """Stop everything in reverse order; interrupted once more, kill it."""
        self.context.progress.plain()
        sys.stderr.write(why + "\n")
        sys.stderr.flush()
        running = self._running()
        try:
            stop_all(self.context, self.prepared.project, running, timeout=self.timeout)
        except KeyboardInterrupt:
            sys.stderr.write("Killing...\n")
            for container in self._running():
                try:
                    lifecycle.kill(self.context.engine, container.id)
                except (NotFound, Conflict):
                    # It has just ended by itself.
                    continue
        self._pump()
        for container in self._newly_ended():
            self.printer.say(container, f"exited with code {container.state.exit_code}")

    def _running(self) -> list[Container]:
        self._find_containers()
        return [item for item in self.containers.values() if item.state.running or item.state.status == "restarting"]
