"""The monitor's link to the store: it turns a container's files into a plan, and what happens into files again."""

from __future__ import annotations

import os
import time

from pier.engine import controls, records, removal, sharing
from pier.engine.attachment import NETWORK_FILES, Attachment
from pier.errors import PierError
from pier.kernel import cgroup
from pier.model import timestamps
from pier.model.container import Health
from pier.runtime import hostfacts, launch, limits, plan, security
from pier.state import files
from pier.volumes import store as volumes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.engine.context import Engine
    from pier.model.container import Container, ContainerState, Mount
    from pier.runtime.launch import Connections, Launched
    from pier.runtime.plan import Plan
    from pier.runtime.services import Service

_DEFAULT_SHELL = ("/bin/sh", "-c")


def open_keeper(engine: Engine, container_id: str) -> ContainerKeeper:
    """The keeper of a container that its command has claimed for this process."""
    return ContainerKeeper(engine, records.read(engine.paths, container_id))


class ContainerKeeper:
    """Lives in the monitor's process, from the fork to the container's last end."""

    def __init__(self, engine: Engine, container: Container) -> None:
        self._engine = engine
        self._container = container
        self._network = Attachment(engine, container.spec)
        self._cgroups: tuple[str, ...] = ()
        self._said: set[str] = set()
        self._restarts = 0
        self.spec = container.spec
        paths = engine.paths
        self.log_path = f"{paths.container(container.id)}/{container.log_path_name}"
        self.run_folder = paths.container_run(container.id)
        self.shell: tuple[str, ...] = _DEFAULT_SHELL
        self.explain = engine.note is not None

    @property
    def _state(self) -> ContainerState:
        return self._container.state

    def _write(self, **changes: object) -> None:
        self._container = self._container.replace(state=self._state.replace(**changes))
        records.write_state(self._engine.paths, self.spec.id, self._state)

    def prepare(self) -> tuple[Plan, Connections]:
        self._engine.place.stay()
        self._network.join()
        self._cgroups = self._control_groups()
        connections = launch.Connections(
            attach=self._network.attach, configure=self._network.configure, cgroups=self._cgroups
        )
        return self._plan(), connections

    def _control_groups(self) -> tuple[str, ...]:
        """The container's groups, its limits in force. What cannot be enforced here becomes a warning."""
        wanted = self.spec.resources
        groups = controls.places(self.spec.id, cpuset=controls.needs_cpuset(wanted))
        made = controls.create(groups)
        try:
            missing = controls.apply(groups, made, wanted)
        except BaseException:
            cgroup.remove(made)
            raise
        if missing:
            self._network.warnings.append(limits.warning(missing))
        return made

    def _plan(self) -> Plan:
        engine, spec = self._engine, self.spec
        folder = engine.paths.container(spec.id)
        image = engine.images.resolve(spec.image_id)
        names = security.capabilities(spec.security)
        # Version 1 cannot be mounted in a user namespace, and version 2 only shows what is delegated.
        nested = engine.place.ids.nested
        return plan.build(
            spec,
            root=plan.Root(
                lower=engine.images.layer_dirs(image),
                upper=folder + "/upper",
                work=folder + "/work",
                target=folder + "/root",
            ),
            paths=(*_network_files(folder, spec.mounts), *(self._bound(mount) for mount in _bindable(spec.mounts))),
            tmpfs=tuple(_tmpfs(mount) for mount in spec.mounts if mount.kind == "tmpfs"),
            hostname=spec.hostname,
            seccomp=security.seccomp_program(spec.security, names, engine.paths.cache),
            facts=hostfacts.look(() if nested else tuple((_controller(path), path) for path in self._cgroups)),
            join_network=self._network.join_path,
            joins=sharing.namespace_files(engine, spec),
        )

    def _bound(self, mount: Mount) -> plan.BoundPath:
        source = mount.source
        if mount.kind == "volume":
            source = volumes.create(self._engine.paths, mount.source).mount_point
        return plan.BoundPath(
            source=source,
            target=mount.target,
            read_only=mount.read_only,
            fill=mount.kind == "volume" and mount.copy_up and not mount.subpath,
            propagation=mount.propagation or "rprivate",
            recursive=mount.recursive,
            subpath=mount.subpath,
        )

    def launch(self, plan: Plan, stdio: tuple[int, int, int], connections: Connections) -> Launched:
        if not self.spec.runtime:
            return launch.launch(plan, stdio, connections)
        from pier.engine import oci

        return oci.Runtime(self.spec, self.run_folder).launch(plan, stdio, connections)

    def services(self) -> list[Service]:
        return self._network.serve()

    def started(self, launched: Launched) -> None:
        self._write(
            status="running",
            pid=launched.pid,
            pid_start=launched.started,
            exit_code=0,
            error="",
            oom_killed=False,
            started_at=timestamps.rfc3339(time.time_ns()),
            restart_count=self._restarts,
            health=Health() if self.spec.has_healthcheck else None,
            ports=self._network.ports,
            addresses=self._network.addresses(),
            cgroups=self._cgroups,
        )
        self._record("start")

    def probe(self, words: tuple[str, ...], stdio: tuple[int, int, int]) -> int:
        from pier.engine import execute
        from pier.runtime import join

        wanted = execute.program(self._engine, self.spec, words)
        return join.spawn(execute.target(self._container), wanted, stdio, terminal=False)

    def health_changed(self, health: Health) -> None:
        before = self._state.health
        self._write(health=health)
        if before is None or before.status != health.status:
            self._record(f"health_status: {health.status}")

    def freeze(self) -> None:
        controls.freeze(self._cgroups, self.spec.name)
        self._write(status="paused")
        self._record("pause")

    def thaw(self) -> None:
        cgroup.thaw(self._cgroups)
        self._write(status="running")
        self._record("unpause")

    def reload(self) -> None:
        fresh = records.read(self._engine.paths, self.spec.id).spec
        self.spec = fresh
        self._container = self._container.replace(spec=fresh)
        groups = controls.places(fresh.id, cpuset=True)
        present = tuple(path for path in groups.paths if os.path.isdir(path))
        if self._state.running and present != self._cgroups:
            self._cgroups = present
            self._write(cgroups=present)

    def warnings(self) -> list[str]:
        fresh = [warning for warning in dict.fromkeys(self._network.warnings) if warning not in self._said]
        self._said.update(fresh)
        return fresh

    def failed(self, error: PierError) -> None:
        self._give_back(final=True)
        status = "created" if not self._state.started_at else "exited"
        self._write(
            status=status,
            exit_code=error.exit_code,
            error=error.message,
            pid=0,
            pid_start=0,
            monitor_pid=0,
            monitor_start=0,
            ports=(),
            addresses={},
            cgroups=(),
        )
        if self.spec.auto_remove:
            removal.remove_files(self._engine, self._container, volumes=True)

    def exited(self, exit_code: int, *, restarting: bool) -> None:
        oom_killed = self._was_oom_killed()
        self._give_back(final=not restarting)
        self._restarts += restarting
        changes: dict[str, object] = {
            "status": "restarting" if restarting else "exited",
            "pid": 0,
            "pid_start": 0,
            "addresses": {},
            "cgroups": (),
        }
        if exit_code >= 0:
            now = timestamps.rfc3339(time.time_ns())
            changes |= {"exit_code": exit_code, "oom_killed": oom_killed, "finished_at": now}
        if not restarting:
            changes |= {"monitor_pid": 0, "monitor_start": 0, "ports": ()}
        self._write(**changes)
        self._record("die", exitCode=str(exit_code))

    def _was_oom_killed(self) -> bool:
        for path in self._cgroups:
            for name in ("memory.events", "memory.oom_control"):
                if cgroup.flat_keyed(f"{path}/{name}").get("oom_kill", 0):
                    return True
        return False

    def _give_back(self, *, final: bool) -> None:
        if self.spec.runtime:
            from pier.engine import oci

            oci.Runtime(self.spec, self.run_folder).forget()
        if final:
            self._network.close()
            files.remove_tree(self.run_folder)
        else:
            self._network.leave()
        if self.spec.pid_mode:
            # No PID namespace ends with the first process: what it left behind is in its groups.
            controls.clear(self._cgroups)
        cgroup.remove(self._cgroups)
        self._cgroups = ()

    def finished(self) -> None:
        if self.spec.auto_remove:
            removal.remove_files(self._engine, self._container, volumes=True)

    def _record(self, action: str, **attributes: str) -> None:
        self._engine.record(
            "container", action, self.spec.id, name=self.spec.name, image=self.spec.image, **attributes
        )


def _network_files(folder: str, mounts: tuple[Mount, ...]) -> tuple[plan.BoundPath, ...]:
    """/etc/resolv.conf, hosts and hostname, unless the user mounts something else there."""
    taken = {mount.target for mount in mounts}
    return tuple(
        plan.BoundPath(source=f"{folder}/{name}", target=f"/etc/{name}")
        for name in NETWORK_FILES
        if f"/etc/{name}" not in taken
    )


def _tmpfs(mount: Mount) -> plan.Tmpfs:
    return plan.Tmpfs(target=mount.target, options=(*mount.options, "ro") if mount.read_only else mount.options)


def _bindable(mounts: tuple[Mount, ...]) -> tuple[Mount, ...]:
    return tuple(mount for mount in mounts if mount.kind != "tmpfs")


def _controller(path: str) -> str:
    """The controller a version 1 directory belongs to, as its mount point is named; "" for version 2."""
    name = path.rsplit("/", 3)[1]
    return "" if name in ("cgroup", "unified") else name
