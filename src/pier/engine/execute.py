"""`exec`: a further program in a running container, with the container's own confinement."""

from __future__ import annotations

import os

from pier.errors import Conflict
from pier.kernel import identity
from pier.model.environment import merge_env
from pier.runtime import join, security
from pier.runtime.program import DEFAULT_PATH, Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.engine.context import Engine
    from pier.model.container import Container, ContainerSpec


def target(container: Container) -> join.Target:
    """Where the program goes. Conflict in Docker's words when the container does not run."""
    state = container.state
    if not state.running:
        raise Conflict(
            f"Container {container.id} is not running",
            why=f"{container.name} is {state.status}",
            hint=f"pier start {container.name}",
        )
    if state.status == "paused":
        raise Conflict(
            f"Container {container.id} is paused, unpause the container before exec",
            hint=f"pier unpause {container.name}",
        )
    return join.Target(pid=state.pid, started=state.pid_start, cgroups=state.cgroups)


def program(
    engine: Engine,
    spec: ContainerSpec,
    words: tuple[str, ...],
    *,
    env: tuple[str, ...] = (),
    working_dir: str = "",
    user: str = "",
    terminal: bool = False,
    privileged: bool = False,
) -> Program:
    """*words* as the container's own program would run: its user, directory, environment, capabilities and filter."""
    profile = spec.security.replace(privileged=True) if privileged else spec.security
    names = security.capabilities(profile)
    base = [f"PATH={DEFAULT_PATH}", f"HOSTNAME={spec.hostname}"] + (["TERM=xterm"] if terminal else [])
    return Program(
        argv=words,
        env=(*base, *merge_env(spec.env, env)),
        cwd=os.path.normpath(working_dir) if working_dir else spec.working_dir or "/",
        user=user or spec.user,
        group_add=profile.group_add,
        capabilities=identity.mask_of(names),
        last_capability=identity.last_capability(),
        seccomp=security.seccomp_program(profile, names, engine.paths.cache),
        no_new_privileges=profile.no_new_privileges,
        limits=tuple((limit.name, limit.soft, limit.hard) for limit in spec.resources.ulimits),
        oom_score_adj=spec.resources.oom_score_adj,
        make_cwd=False,
        one_id=engine.place.ids.one_id,
    )
