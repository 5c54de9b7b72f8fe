"""Make what the files say agree with what /proc shows, after any process of ours was killed at any moment.

The monitor's death is the container's: no process would keep its log, its ports or its exit status any more. What a
repair needs is imported when there is something to repair: `ps` finds nothing most of the time.
"""

from __future__ import annotations

import os
import time

from pier.engine import records
from pier.kernel import lifetime
from pier.model import timestamps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.engine.context import Engine
    from pier.model.container import Container, ContainerState

_ACTIVE = ("running", "paused", "restarting")
_KILLED = 137


def load(engine: Engine, container_id: str) -> Container | None:
    """The container as it truly is; None when it is gone, or went because it was to be removed on exit."""
    try:
        container = records.read(engine.paths, container_id)
    except FileNotFoundError:
        return None
    if not _is_orphan(container.state):
        return container
    return _repair(engine, container_id)


def monitor_alive(state: ContainerState) -> bool:
    return lifetime.is_alive(state.monitor_pid, state.monitor_start)


def forget_processes(engine: Engine) -> None:
    """No container runs, whatever the files say, and no process is signalled for it: the machine was restarted."""
    for container_id in records.ids(engine.paths):
        try:
            with records.lock(engine.paths, container_id):
                state = records.read(engine.paths, container_id).state
                records.write_state(
                    engine.paths, container_id, state.replace(pid=0, pid_start=0, monitor_start=0)
                )
        except FileNotFoundError:
            continue
        load(engine, container_id)


def _is_orphan(state: ContainerState) -> bool:
    return (state.status in _ACTIVE or state.monitor_pid != 0) and not monitor_alive(state)


def _repair(engine: Engine, container_id: str) -> Container | None:
    """End what the lost monitor left behind, and write down that it ended."""
    try:
        with records.lock(engine.paths, container_id):
            container = records.read(engine.paths, container_id)
            if not _is_orphan(container.state):
                return container
            _thaw(container.state)
            _kill(container.state)
            release(engine, container)
            state = container.state
            if state.status in _ACTIVE:
                state = state.replace(
                    status="exited",
                    exit_code=_KILLED,
                    error="its monitor was killed",
                    finished_at=timestamps.rfc3339(time.time_ns()),
                )
            state = state.replace(pid=0, pid_start=0, monitor_pid=0, monitor_start=0)
            state = state.replace(ports=(), addresses={}, cgroups=())
            records.write_state(engine.paths, container_id, state)
            engine.record("container", "die", container_id, name=container.name, exitCode=str(_KILLED))
            container = container.replace(state=state)
    except FileNotFoundError:
        return None
    if container.spec.auto_remove:
        from pier.engine import removal

        removal.remove_files(engine, container, volumes=True)
        return None
    return container


def _thaw(state: ContainerState) -> None:
    """What stands still cannot die."""
    if state.status == "paused":
        from pier.kernel import cgroup

        cgroup.thaw(state.cgroups)


def _kill(state: ContainerState) -> None:
    """The container's first process, if it outlived its monitor, and with it all its processes (pid_namespaces(7))."""
    if not lifetime.is_alive(state.pid, state.pid_start):
        return
    from pier.kernel import signals

    pidfd = lifetime.open_pidfd(state.pid, state.pid_start)
    try:
        lifetime.send_signal(pidfd, signals.SIGKILL)
        lifetime.wait_for_exit(pidfd, 5)
    finally:
        os.close(pidfd)


def _unplug(engine: Engine, container: Container) -> None:
    from pier.network import connect, store

    for network_id in {entry["network_id"] for entry in container.state.addresses.values()}:
        for endpoint in store.endpoints(engine.paths, network_id):
            if endpoint.container_id == container.id:
                connect.detach(endpoint)


def release(engine: Engine, container: Container) -> None:
    """Addresses, cgroups and the run folder are given back. Idempotent."""
    from pier.engine import controls
    from pier.network import store
    from pier.state import files

    if container.state.addresses:
        engine.place.on_network(lambda: _unplug(engine, container))
    store.release_all(engine.paths, container.id)
    # The files name the groups only once the program runs; a monitor may have been killed before.
    groups = controls.places(container.id, cpuset=True).paths
    controls.clear(dict.fromkeys((*container.state.cgroups, *groups)))
    files.remove_tree(engine.paths.container_run(container.id))
