"""One RUN in a process of its own: its output line by line to a callback, its exit code or error as the answer.

The engine's process must stay single-threaded (`runtime.launch`), so the waiting is done by a forked child. It dies
with its parent, and the command with it.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import os
import select

from pier.errors import Bug
from pier.kernel import process
from pier.runtime import handshake
from pier.runtime.step import run_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable

    from pier.runtime.step import StepSpec
    from pier.state.paths import Paths

_LONGEST_LINE = 1 << 16
_WAIT_SECONDS = 0.2


def run(paths: Paths, spec: StepSpec, on_line: Callable[[str], None], on_wait: Callable[[], None]) -> int:
    """The exit code of *spec*'s command. Each line of its output goes to *on_line* as it comes, without its end.

    *on_wait* is called while nothing comes, several times a second. Whatever `run_step` raises is raised here.
    When a callback raises, or Ctrl-C comes, the command is killed first.
    """
    ours, theirs = handshake.pair()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        ours.close()
        os.close(reading)
        _in_child(paths, spec, writing, theirs)
    theirs.close()
    os.close(writing)
    try:
        try:
            _pump(reading, on_line, on_wait)
            message, _ = handshake.receive(ours)
        except BaseException:
            os.kill(child, _signal.SIGTERM)
            raise
        finally:
            os.close(reading)
            ours.close()
            _, status = os.waitpid(child, 0)
    except ChildProcessError as exc:
        raise Bug("the process of a build step was reaped by another") from exc
    if message is None:
        raise Bug("the process of a build step vanished", why=f"wait status {status}")
    if "error" in message:
        raise handshake.raised(message)
    return int(message["code"])


def _in_child(paths: Paths, spec: StepSpec, output: int, socket: _socket.socket) -> None:
    try:
        # A session of its own: Ctrl-C reaches only the parent, which then ends us in order.
        os.setsid()
        _signal.signal(_signal.SIGTERM, _signal.default_int_handler)
        process.prctl(process.PR_SET_PDEATHSIG, _signal.SIGTERM)
        code = run_step(paths, spec, output)
        handshake.send(socket, {"code": code})
    except KeyboardInterrupt:
        os._exit(1)
    except BaseException as error:
        handshake.send(socket, handshake.describe(error, "running a build step"))
    os._exit(0)


def _pump(fd: int, on_line: Callable[[str], None], on_wait: Callable[[], None]) -> None:
    rest = b""
    while True:
        if not select.select([fd], [], [], _WAIT_SECONDS)[0]:
            on_wait()
            continue
        block = os.read(fd, 1 << 16)
        if not block:
            break
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            on_line(_text(line))
        if len(rest) > _LONGEST_LINE:
            on_line(_text(rest))
            rest = b""
    if rest:
        on_line(_text(rest))


def _text(line: bytes) -> str:
    """What a terminal would show in the end: a carriage return starts the line anew."""
    return line.rstrip(b"\r").rsplit(b"\r", 1)[-1].decode("utf-8", "replace")
