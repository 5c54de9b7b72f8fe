"""`exec` into a container run from a bundle: a further process, by the words typed or by a process.json."""

from __future__ import annotations

import os

from pier.errors import Conflict
from pier.runtime import join, oci_create, oci_process
from pier.runtime.oci_section import Section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pier.runtime.oci_process import Process
    from pier.runtime.oci_state import Store


def target(store: Store, identifier: str) -> join.Target:
    """Where the process goes. Conflict unless the container runs."""
    state = store.read(identifier)
    status = store.status(state)
    if status not in ("created", "running"):
        raise Conflict(f"cannot exec in a {status} container")
    return join.Target(pid=state.pid, started=state.started, cgroups=state.groups)


def process(store: Store, identifier: str, described: dict[str, Any] | None, changes: dict[str, Any]) -> Process:
    """The process of process.json (*described*), or else the container's own with *changes*, confined as that is."""
    state = store.read(identifier)
    own = oci_create.read(state.config, identifier, state.bundle).plan.program
    facts = oci_create.facts()
    wanted = described if described is not None else {**state.config["process"], "terminal": False, **changes}
    found = oci_process.read(
        Section(wanted, "process"),
        seccomp=own.seccomp,
        seccomp_flags=own.seccomp_flags,
        last_capability=facts.last_capability,
        granted=facts.granted,
    )
    return found.replace(program=found.program.replace(make_cwd=False))


def spawn(target: join.Target, wanted: Process, terminal: tuple[int, int] | None, stdio: tuple[int, int, int]) -> int:
    """The pid of the new process, a child of the caller. *terminal*: (master, slave); the slave is closed here."""
    if terminal is None:
        return join.spawn(target, wanted.program, stdio, terminal=False)
    _, slave = terminal
    try:
        return join.spawn(target, wanted.program, (slave, slave, slave), terminal=True)
    finally:
        os.close(slave)
