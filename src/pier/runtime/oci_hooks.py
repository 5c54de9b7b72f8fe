"""Hooks of an OCI configuration: programs run at six points of a container's life, with its state as their input.

Runs after the root has changed too (startContainer), so everything is imported at the top.
"""

from __future__ import annotations

import os
import time

from pier.errors import Invalid, PierError
from pier.kernel import lifetime, process, signals
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Never

    from pier.runtime.oci_section import Section

KINDS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
_KEPT_BYTES = 4096
_CANNOT_EXECUTE = 127


class Hook(Record):
    """One program. *timeout* in seconds, 0 for none. *field* is where the configuration names it."""

    path: str
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    timeout: int = 0
    field: str


def read(section: Section) -> dict[str, tuple[Hook, ...]]:
    """The hooks of each kind, in order. Invalid for a path that is not absolute."""
    found: dict[str, tuple[Hook, ...]] = {}
    with section:
        for kind in KINDS:
            found[kind] = tuple(_hook(item) for item in section.sections(kind))
    return found


def _hook(section: Section) -> Hook:
    with section:
        section.required("path")
        path, timeout = section.text("path"), section.number("timeout")
        if not path.startswith("/"):
            raise Invalid(f"{section.at('path')} is not an absolute path: {path}")
        if section.has("timeout") and timeout < 1:
            raise Invalid(f"{section.at('timeout')} is not a positive number of seconds")
        args, env = section.texts("args"), section.texts("env")
        return Hook(path=path, args=args, env=env, timeout=timeout, field=section.path)


def run(hooks: tuple[Hook, ...], state: str) -> None:
    """Run each hook to its end with *state* on its standard input. PierError for the first that fails."""
    for hook in hooks:
        _run(hook, state)


def run_all(hooks: tuple[Hook, ...], state: str) -> list[PierError]:
    """Run every hook, and return what went wrong: the end of a container is no place to stop at the first failure."""
    failures = []
    for hook in hooks:
        try:
            _run(hook, state)
        except PierError as failure:
            failures.append(failure)
    return failures


def _run(hook: Hook, state: str) -> None:
    # In memory, so that neither a hook that reads nothing nor one that says much makes us wait.
    given, said = os.memfd_create("state"), os.memfd_create("output")
    try:
        os.write(given, state.encode())
        os.lseek(given, 0, os.SEEK_SET)
        pid = os.fork()
        if pid == 0:
            _become(hook, given, said)
        status = _wait(hook, pid)
        if status:
            os.lseek(said, 0, os.SEEK_SET)
            output = os.read(said, _KEPT_BYTES).decode("utf-8", "replace").strip()
            code = lifetime.exit_code(status)
            raise PierError(f"the hook {hook.path} ({hook.field}) failed with exit code {code}", why=output)
    finally:
        os.close(given)
        os.close(said)


def _wait(hook: Hook, pid: int) -> int:
    deadline = time.monotonic() + hook.timeout if hook.timeout else None
    pidfd = os.pidfd_open(pid)
    try:
        if deadline is not None and not lifetime.wait_for_exit(pidfd, deadline - time.monotonic()):
            os.kill(pid, signals.SIGKILL)
            os.waitpid(pid, 0)
            raise PierError(f"the hook {hook.path} ({hook.field}) did not end within {hook.timeout} s")
    finally:
        os.close(pidfd)
    return os.waitpid(pid, 0)[1]


def _become(hook: Hook, given: int, said: int) -> Never:
    try:
        os.dup2(given, 0)
        os.dup2(said, 1)
        os.dup2(said, 2)
        process.close_range_on_exec(3)
        signals.restore_defaults()
        env = dict(item.partition("=")[::2] for item in hook.env)
        os.execve(hook.path, list(hook.args or (hook.path,)), env)
    except BaseException as error:
        os.write(2, f"{error}\n".encode())
    finally:
        os._exit(_CANNOT_EXECUTE)
