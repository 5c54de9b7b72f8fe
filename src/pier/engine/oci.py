"""Containers run by another OCI runtime (`--runtime crun`). Nothing here is loaded for pier's own.

The monitor stays the keeper of streams, log, networks and limits. It writes the plan as a bundle, has the runtime
create the container, plugs the networks in, and has it started; `exec` enters such a container as any other.
"""

from __future__ import annotations

import _socket
import os
import stat
import struct

from pier.errors import CommandNotFound, NotExecutable, NotFound, PierError, Unsupported
from pier.kernel import cgroup, fs, lifetime, mount, namespaces, process
from pier.model import jsontext
from pier.runtime import launch, oci_seccomp, oci_spec, operations, security, users
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pier.model.container import ContainerSpec
    from pier.runtime.launch import Connections, Launched
    from pier.runtime.plan import Plan

_PACKAGES = ("crun", "runc")
_SEARCH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_CONSOLE = "console.sock"
_PASSWD_BYTES = 1 << 20


def find(runtime: str) -> str:
    """The path of the OCI runtime *runtime*, a name or a path. NotFound with the way to get it."""
    for path in (runtime,) if "/" in runtime else [f"{folder}/{runtime}" for folder in _SEARCH]:
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return os.path.abspath(path)
    raise NotFound(
        f"no OCI runtime {runtime} on this machine",
        why="there is no such program" if "/" in runtime else f"it is in none of {', '.join(_SEARCH)}",
        hint=f"apt-get install {runtime}    or leave --runtime out"
        if runtime in _PACKAGES
        else "--runtime crun or runc",
    )


class Runtime:
    """The runtime of one container; *folder* is the container's run folder."""

    def __init__(self, spec: ContainerSpec, folder: str) -> None:
        self._spec = spec
        self._program = find(spec.runtime)
        self._state = folder + "/oci"
        self._bundle = folder + "/bundle"

    def launch(self, plan: Plan, stdio: tuple[int, int, int], connections: Connections) -> Launched:
        """As `launch.launch`, through the runtime. PierError, and then nothing runs. The caller has one thread."""
        if plan.hand_over_network:
            raise Unsupported("--runtime needs root", hint="leave --runtime out: pier's own runtime works for users")
        # Whoever the runtime leaves behind becomes our child, and can be waited for (prctl(2)).
        process.prctl(process.PR_SET_CHILD_SUBREAPER, 1)
        files.ensure_dir(self._state)
        files.ensure_dir(self._bundle)
        root = _root_of(plan)
        try:
            self._write(plan, root, connections.cgroups)
            terminal = self._create(tty=plan.tty, stdio=stdio)
        finally:
            # The container has the mount in a namespace of its own; here it would keep the folder from being removed.
            if os.path.ismount(root):
                mount.umount(root)
        try:
            pid = int(files.read_text(f"{self._bundle}/pid"))
            # The runtime's own process is ours to wait for from here on.
            pidfd = os.pidfd_open(pid)
            started = lifetime.start_time(pid)
            if not plan.join_network and plan.namespaces & namespaces.CLONE_NEWNET:
                _connect(f"/proc/{pid}/ns/net", connections)
            self._call("start", self._spec.id)
        except BaseException as exc:
            if terminal >= 0:
                os.close(terminal)
            self.forget()
            if isinstance(exc, OSError):
                raise PierError(f"cannot connect the container: {exc.strerror}", why=str(exc)) from exc
            raise
        return launch.Launched(pid=pid, pidfd=pidfd, started=started, terminal=terminal)

    def forget(self) -> None:
        """The runtime keeps nothing of the container. Idempotent."""
        if not os.path.isdir(f"{self._state}/{self._spec.id}"):
            return
        try:
            self._call("delete", "--force", self._spec.id)
        except PierError:
            # What it knew lies in the run folder and in the container's groups, and the keeper removes both.
            return
        _remove_empty_groups()

    def _write(self, plan: Plan, root: str, groups: tuple[str, ...]) -> None:
        """The root file system is mounted, for this process and its children, and config.json is there."""
        spec = self._spec
        _isolate()
        site = operations.Site()
        for step in oci_spec.prelude(plan):
            step.run(site)
        try:
            who = users.identify(
                plan.program.user,
                _text(site.root, "/etc/passwd"),
                _text(site.root, "/etc/group"),
                group_add=plan.program.group_add,
            )
        finally:
            os.close(site.root)
        config = oci_spec.bundle(
            plan,
            root=root,
            who=who,
            seccomp=_seccomp(spec),
            cgroups_path=_group(groups, spec.id),
            plain_files=frozenset(
                step.source
                for step in plan.operations
                if isinstance(step, operations.Bind) and not os.path.isdir(step.source)
            ),
            devices=_devices(spec),
            privileged=spec.security.privileged,
            annotations=spec.annotations,
        )
        files.write_json(f"{self._bundle}/config.json", config)

    def _create(self, *, tty: bool, stdio: tuple[int, int, int]) -> int:
        """The container waits for its start; the master of its terminal, or -1."""
        words = ["create", "--pid-file", "pid"]
        if not tty:
            self._call(*words, self._spec.id, stdio=stdio)
            return -1
        listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        try:
            # The bundle is the runtime's working directory: a relative name fits unix(7)'s 108 bytes wherever it lies.
            files.unlink_quietly(f"{self._bundle}/{_CONSOLE}")
            place = os.open(self._bundle, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            listener.bind(f"/proc/self/fd/{place}/{_CONSOLE}")
            os.close(place)
            listener.listen(1)
            self._call(*words, "--console-socket", _CONSOLE, self._spec.id)
            return _receive_terminal(listener)
        finally:
            listener.close()

    def _call(self, *words: str, stdio: tuple[int, int, int] | None = None) -> None:
        """Run the runtime to its end. What it logged as an error is raised."""
        log = f"{self._bundle}/log"
        files.write_text(log, "")
        argv = [self._program, "--root", self._state, "--log", log, "--log-format", "json", *words]
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(stdio or (null, null, null))]
        os.chdir(self._bundle)
        try:
            child = os.posix_spawn(self._program, argv, {"PATH": ":".join(_SEARCH)}, file_actions=actions)
        finally:
            os.chdir("/")
            os.close(null)
        _, status = os.waitpid(child, 0)
        if status:
            raise _failure(os.path.basename(self._program), words[0], files.read_text(log))


def _failure(runtime: str, verb: str, log: str) -> PierError:
    """The runtime's last words, as the error that pier's own runtime would raise."""
    said = ""
    for line in log.splitlines():
        try:
            said = str(jsontext.loads(line).get("msg") or said)
        except ValueError:
            said = line
    lower = said.lower()
    kind: type[PierError] = PierError
    if "not found in $path" in lower or ("exec" in lower and "no such file" in lower):
        kind = CommandNotFound
    elif (
        ("exec" in lower and "permission denied" in lower) or "exec format error" in lower or "open executable" in lower
    ):
        kind = NotExecutable
    return kind(f"{runtime} {verb}: {said or 'it failed without a word'}")


def _root_of(plan: Plan) -> str:
    return next(step.target for step in plan.operations if isinstance(step, operations.MountOverlay))


def _isolate() -> None:
    """What is mounted from here on is seen by this process and its children only."""
    namespaces.unshare(namespaces.CLONE_NEWNS)
    mount.mount(None, "/", None, mount.MS_REC | mount.MS_SLAVE)
    found = cgroup.hierarchies(files.read_text("/proc/self/mountinfo"))
    unified = found.pop("", "")
    if found and unified:
        # crun refuses a version 2 tree beside version 1 controllers; limits are version 1's here anyway.
        mount.umount(unified)


def _connect(path: str, connections: Connections) -> None:
    """The networks are plugged into the namespace *path* and configured there."""
    connections.attach(path)
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    there = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        namespaces.setns(there, namespaces.CLONE_NEWNET)
        try:
            connections.configure()
        finally:
            namespaces.setns(home, namespaces.CLONE_NEWNET)
    finally:
        os.close(there)
        os.close(home)


def _receive_terminal(listener: _socket.socket) -> int:
    fd, _ = listener._accept()  # type: ignore[attr-defined]
    connection = _socket.socket(fileno=fd)
    try:
        _, ancillary, _, _ = connection.recvmsg(4096, _socket.CMSG_LEN(4), _socket.MSG_CMSG_CLOEXEC)
    finally:
        connection.close()
    for _, kind, payload in ancillary:
        if kind == _socket.SCM_RIGHTS:
            return int(struct.unpack("i", payload[:4])[0])
    raise PierError("the runtime sent no terminal through its console socket")


def _seccomp(spec: ContainerSpec) -> dict[str, Any] | None:
    if spec.security.privileged or spec.security.seccomp == "unconfined":
        return None
    host = os.uname()
    return oci_seccomp.expand(
        security.seccomp_profile(spec.security.seccomp),
        machine=host.machine,
        capabilities=security.capabilities(spec.security),
        kernel=security.kernel_version(host.release),
    )


def _devices(spec: ContainerSpec) -> tuple[tuple[str, int, int], ...]:
    found = []
    for device in spec.security.devices:
        status = os.stat(device.partition(":")[0])
        kind = "b" if stat.S_ISBLK(status.st_mode) else "c"
        found.append((kind, os.major(status.st_rdev), os.minor(status.st_rdev)))
    return tuple(found)


def _group(groups: tuple[str, ...], container_id: str) -> str:
    """The container's groups as the runtime names them: below the mount point of each tree."""
    return "/" + "/".join(groups[0].rsplit("/", 2)[1:]) if groups else f"/pier/{container_id}"


def _remove_empty_groups() -> None:
    """Runtimes make `pier` in every tree, and remove only what lies in it."""
    for line in files.read_text("/proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        if right.startswith("cgroup"):
            try:
                os.rmdir(left.split(" ")[4] + "/pier")
            except OSError:
                # Absent, or other containers live there.
                continue


def _text(root: int, path: str) -> str:
    """A regular file of the container as text; empty when it is absent."""
    try:
        fd = fs.open_in_root(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return ""
    try:
        return os.read(fd, _PASSWD_BYTES).decode("utf-8", "replace") if stat.S_ISREG(os.fstat(fd).st_mode) else ""
    finally:
        os.close(fd)
