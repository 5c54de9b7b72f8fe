"""Run one command to its end on a root file system of its own: a RUN of a Dockerfile, a step of a recipe."""

from __future__ import annotations

import os
import stat

from pier.kernel import fs, lifetime
from pier.model.container import ContainerSpec, Security
from pier.model.record import Record
from pier.runtime import hostfacts, launch, plan, security
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.state.paths import Paths


class StepSpec(Record):
    """A command over *layer_dirs* (bottom first) whose changes go to *upper*. *work* is overlayfs's own empty folder.

    *binds* are (host path, target, read-only). *network* is "host" or "none". *mount_point* is an empty host folder.
    """

    layer_dirs: tuple[str, ...]
    upper: str
    work: str
    mount_point: str
    argv: tuple[str, ...]
    env: dict[str, str] = {}
    cwd: str = "/"
    user: str = ""
    binds: tuple[tuple[str, str, bool], ...] = ()
    tmpfs: tuple[plan.Tmpfs, ...] = ()
    network: str = "host"
    hostname: str = "buildkitsandbox"
    shm_bytes: int = 64 << 20
    extra_security: Security = Security()


def run_step(paths: Paths, spec: StepSpec, output_fd: int) -> int:
    """The exit code of *spec*'s command; its standard output and error both go to *output_fd*, a pipe or a file.

    CommandNotFound, NotExecutable when it cannot begin. The empty mount points it needed are not left in *upper*.
    """
    layout = _as_plan(paths, spec)
    stdin = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    try:
        connections = launch.Connections(attach=lambda network: None, configure=lambda: None)
        launched = launch.launch(layout, (stdin, output_fd, output_fd), connections)
        try:
            _, status = os.waitpid(launched.pid, 0)
        except BaseException:
            lifetime.send_signal(launched.pidfd, 9)
            os.waitpid(launched.pid, 0)
            raise
        finally:
            os.close(launched.pidfd)
    finally:
        os.close(stdin)
        _remove_stubs(spec)
    return lifetime.exit_code(status)


def _as_plan(paths: Paths, spec: StepSpec) -> plan.Plan:
    files.ensure_dir(paths.cache)
    names = security.capabilities(spec.extra_security)
    container = ContainerSpec(
        id="",
        name="",
        created="",
        image="",
        image_id="",
        entrypoint=spec.argv,
        env=tuple(f"{name}={value}" for name, value in spec.env.items()),
        working_dir=spec.cwd,
        user=spec.user,
        network_mode=spec.network,
        shm_bytes=spec.shm_bytes,
        security=spec.extra_security,
    )
    return plan.build(
        container,
        root=plan.Root(
            lower=spec.layer_dirs, upper=spec.upper, work=spec.work, target=spec.mount_point, volatile=True
        ),
        paths=tuple(plan.BoundPath(source=s, target=t, read_only=ro) for s, t, ro in spec.binds),
        tmpfs=spec.tmpfs,
        hostname=spec.hostname,
        seccomp=security.seccomp_program(spec.extra_security, names, paths.cache),
        facts=hostfacts.look(),
    )


def _remove_stubs(spec: StepSpec) -> None:
    """Take the empty files and folders that only served as mount points out of *upper* again."""
    targets = ["/proc", "/sys", "/dev", *(target for _, target, _ in spec.binds), *(item.target for item in spec.tmpfs)]
    upper = os.open(spec.upper, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for target in targets:
            path = target.rstrip("/")
            while path and not _in_layers(spec.layer_dirs, path) and _remove_if_empty(upper, path):
                path = os.path.dirname(path).rstrip("/")
    finally:
        os.close(upper)


def _in_layers(layers: tuple[str, ...], path: str) -> bool:
    for layer in layers:
        fd = os.open(layer, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.close(fs.open_in_root(fd, path, os.O_PATH | os.O_NOFOLLOW))
            return True
        except OSError:
            continue
        finally:
            os.close(fd)
    return False


def _remove_if_empty(upper: int, path: str) -> bool:
    """Whether an empty file or folder was taken away. A symlink planted as a parent does not lead out of *upper*."""
    parent, name = os.path.split(path)
    try:
        folder = fs.open_in_root(upper, parent or "/", os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        status = os.lstat(name, dir_fd=folder)
        if stat.S_ISDIR(status.st_mode):
            os.rmdir(name, dir_fd=folder)
        elif stat.S_ISREG(status.st_mode) and status.st_size == 0:
            os.unlink(name, dir_fd=folder)
        else:
            return False
    except OSError:
        return False
    finally:
        os.close(folder)
    return True
