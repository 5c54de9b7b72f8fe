"""Do what the plan says, operation by operation, and say so. Decides nothing but when a wait is over.

Starting forks monitors, so this process keeps one thread; what may happen at once (stopping) is given to children.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from pier.compose import confighash, contents, creation, observed, parallel
from pier.compose.awaiting import Awaiting
from pier.compose.model import Project, Service
from pier.compose.plan import Operation
from pier.compose.steps import Show, Step
from pier.engine import create, lifecycle, listing, networks, start, volumes
from pier.engine import images as engine_images
from pier.errors import Conflict, NotFound, PierError
from pier.model.record import Record

if TYPE_CHECKING:
    from pier.compose.contents import Content
    from pier.engine.context import Engine
    from pier.model.container import Container
    from pier.model.image import Image
    from pier.runtime.relay import Relay


class Material(Record):
    """What the containers of each service are made of: its image, the hash of its configuration, its files."""

    images: dict[str, Image] = {}
    hashes: dict[str, str] = {}
    contents: dict[str, list[Content]] = {}


def gather(project: Project, services: Mapping[str, Service], images: dict[str, Image]) -> Material:
    """The material of *services*, given their *images*."""
    files = {name: contents.contents(project, service) for name, service in services.items()}
    hashes = {
        name: confighash.service_hash(project, service, contents.by_target(files[name]))
        for name, service in services.items()
    }
    return Material(images=images, hashes=hashes, contents=files)


class Executor:
    """Carries out the operations of one project. *timeout*: seconds for stops, None for each container's own.

    *idle* is called again and again while starts wait for something.
    """

    def __init__(
        self, engine: Engine, project: Project, material: Material, show: Show, *, timeout: float | None = None
    ) -> None:
        self.engine = engine
        self.project = project
        self.material = material
        self.show = show
        self.began = time.time()
        self.timeout = timeout
        self.inherit_volumes = True
        self.remove_volumes = False
        self.idle: Callable[[], None] = _nothing
        self.started: list[Container] = []
        self._services = {**project.services, **project.disabled}

    def run(self, operations: Sequence[Operation]) -> None:
        """All of *operations*; each start as soon as what it waits for has come true."""
        prompt = [item for item in operations if item.verb not in ("start", "restart")]
        for level, group in groupby(prompt, key=lambda item: item.level if item.verb in ("stop", "remove") else -1):
            if level >= 0:
                self._take_down(list(group))
            else:
                for operation in group:
                    self._act(operation)
        self._start_all([item for item in operations if item.verb in ("start", "restart")])

    def _act(self, operation: Operation) -> None:
        actions: dict[str, Callable[[Operation], None]] = {
            "create-network": self._create_network,
            "create-volume": self._create_volume,
            "create": self._create,
            "recreate": self._recreate,
            **dict.fromkeys(_REMOVALS, self._remove_resource),
        }
        actions[operation.verb](operation)

    def _create_network(self, operation: Operation) -> None:
        network = self.project.networks[operation.key]
        with self._shown(f"Network {network.name}", "Creating", "Created"):
            networks.create(
                self.engine,
                network.name,
                driver=network.driver or "bridge",
                subnet=network.subnet,
                gateway=network.gateway,
                internal=network.internal,
                attachable=network.attachable,
                options=network.options,
                labels={**network.labels, **self._labels(observed.NETWORK, network.key)},
            )

    def _create_volume(self, operation: Operation) -> None:
        volume = self.project.volumes[operation.key]
        with self._shown(f'Volume "{volume.name}"', "Creating", "Created"):
            volumes.create(
                self.engine,
                volume.name,
                driver=volume.driver or "local",
                labels={**volume.labels, **self._labels(observed.VOLUME, volume.key)},
            )

    def _labels(self, kind: str, key: str) -> dict[str, str]:
        return {
            observed.PROJECT: self.project.name,
            kind: key,
            observed.VERSION: observed.SPOKEN_VERSION,
        }

    def _create(self, operation: Operation) -> None:
        with self._shown(f"Container {operation.target}", "Creating", "Created"):
            self._make(operation, operation.target, {})

    def _recreate(self, operation: Operation) -> None:
        """The new container is made under another name first, so that a failure leaves the old one as it was."""
        old = listing.find(self.engine, operation.container)
        with self._shown(f"Container {operation.target}", "Recreate", "Recreated"):
            inherited = {
                mount.target: mount.source
                for mount in old.spec.mounts
                if mount.kind == "volume" and mount.anonymous and self.inherit_volumes
            }
            made = self._make(operation, f"{old.short_id}_{operation.target}", inherited)
            try:
                lifecycle.stop(self.engine, old.id, grace=self.timeout)
                lifecycle.remove(self.engine, old.id, volumes=not self.inherit_volumes)
                lifecycle.rename(self.engine, made.id, operation.target)
            except BaseException:
                lifecycle.remove(self.engine, made.id, force=True)
                raise

    def _make(self, operation: Operation, name: str, inherited: dict[str, str]) -> Container:
        service = self._services[operation.service]
        image = self.material.images[service.name]
        placement = creation.Placement(
            name=name,
            number=operation.number,
            config_hash=self.material.hashes[service.name],
            image_id=image.id,
            inherited=inherited,
        )
        request = creation.request(self.project, service, placement)
        folder = contents.folder_of(self.engine.paths, self.project.name)
        files = contents.lay(self.material.contents[service.name], folder)
        return create.create(self.engine, request.replace(mounts=request.mounts + files), image)

    def _start_all(self, starts: list[Operation]) -> None:
        awaiting = Awaiting(self.engine, self.project, self.show, idle=self.idle, began=self.began)
        pending = list(starts)
        while pending:
            waiting = {item.service for item in pending}
            ready = [item for item in pending if awaiting.met(item, waiting - {item.service})]
            self._start_together([item for item in ready if item.verb == "start"])
            for operation in ready:
                if operation.verb == "restart":
                    self._restart(operation)
                pending.remove(operation)
            if pending and not ready:
                awaiting.pause()

    def wait_for(self, gate: Operation) -> None:
        """Return once what *gate* waits for has come true."""
        awaiting = Awaiting(self.engine, self.project, self.show, idle=self.idle, began=self.began)
        while not awaiting.met(gate, ()):
            awaiting.pause()

    def _start_together(self, operations: list[Operation]) -> None:
        """Start containers that wait for nothing any more: all begin before the first is waited for."""
        begun: list[tuple[Operation, Container, Relay]] = []
        failures: list[PierError] = []
        for operation in operations:
            try:
                container = listing.find(self.engine, operation.container or operation.target)
                if container.state.running:
                    self.started.append(container)
                    continue
                self._say(operation, "Starting")
                begun.append((operation, container, start.begin(self.engine, container, start.Session())))
            except PierError as exc:
                self._fail(operation, exc, failures)
        for operation, container, relay in begun:
            try:
                relay.wait_started()
                self.started.append(listing.find(self.engine, container.id))
                self._say(operation, "Started", "done")
            except PierError as exc:
                self._fail(operation, exc, failures)
            finally:
                relay.close()
        if failures:
            raise failures[0]

    def _restart(self, operation: Operation) -> None:
        with self._shown(f"Container {operation.target}", "Restarting", "Restarted"):
            reference = operation.container or operation.target
            self.started.append(lifecycle.restart(self.engine, reference, grace=self.timeout))

    def _say(self, operation: Operation, text: str, state: str = "working") -> None:
        self.show(Step(subject=f"Container {operation.target}", text=text, state=state))

    def _fail(self, operation: Operation, error: PierError, failures: list[PierError]) -> None:
        self._say(operation, "Error", "error")
        failures.append(error)

    def _take_down(self, group: list[Operation]) -> None:
        """Stop and remove containers that do not depend on each other, all at once."""
        by_container: dict[str, list[Operation]] = {}
        for operation in group:
            by_container.setdefault(operation.container, []).append(operation)
        for operations in by_container.values():
            doing = "Stopping" if operations[0].verb == "stop" else "Removing"
            self.show(Step(subject=f"Container {operations[0].target}", text=doing))
        parallel.each(list(by_container.values()), self._take_down_one, finished=self._taken_down)

    def _take_down_one(self, operations: list[Operation]) -> None:
        for operation in operations:
            try:
                if operation.verb == "stop":
                    lifecycle.stop(self.engine, operation.container, grace=self.timeout)
                else:
                    lifecycle.remove(self.engine, operation.container, force=True, volumes=self.remove_volumes)
            except NotFound:
                return

    def _taken_down(self, operations: list[Operation], error: PierError | None) -> None:
        subject = f"Container {operations[0].target}"
        if error is not None:
            self.show(Step(subject=subject, text="Error", state="error"))
            raise error
        for operation in operations:
            text = "Stopped" if operation.verb == "stop" else "Removed"
            self.show(Step(subject=subject, text=text, state="done"))

    def _remove_resource(self, operation: Operation) -> None:
        noun, remove = _REMOVALS[operation.verb]
        subject = f"{noun} {operation.target}"
        self.show(Step(subject=subject, text="Removing"))
        try:
            remove(self.engine, operation.target)
        except NotFound:
            self.show(Step(subject=subject, text="Warning: No resource found to remove", state="warning"))
        except Conflict:
            self.show(Step(subject=subject, text="Resource is still in use", state="warning"))
        else:
            self.show(Step(subject=subject, text="Removed", state="done"))

    def _shown(self, subject: str, doing: str, did: str) -> _Shown:
        return _Shown(self.show, subject, doing, did)


class _Shown:
    """Says *doing* before, *did* after, and Error when it failed."""

    def __init__(self, show: Show, subject: str, doing: str, did: str) -> None:
        self.show = show
        self.subject = subject
        self.doing = doing
        self.did = did

    def __enter__(self) -> None:
        self.show(Step(subject=self.subject, text=self.doing))

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        failed = error is not None
        self.show(Step(subject=self.subject, text="Error" if failed else self.did, state="error" if failed else "done"))


def _nothing() -> None:
    """What is done while waiting, unless the caller has something better."""


_REMOVALS: dict[str, tuple[str, Callable[[Engine, str], object]]] = {
    "remove-network": ("Network", networks.remove),
    "remove-volume": ("Volume", volumes.remove),
    "remove-image": ("Image", engine_images.remove),
}
