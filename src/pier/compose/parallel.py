"""Do one thing to several objects at once, each in a short-lived child process. The caller keeps its single thread.

Starting a container forks its monitor from a process that must have one thread; so threads are no way here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

from pier.errors import PierError
from pier.kernel import signals
from pier.model import jsontext
from pier.runtime import handshake

T = TypeVar("T")


def each(items: Sequence[T], act: Callable[[T], object], *, finished: Callable[[T, PierError | None], None]) -> None:
    """*act* on every item, at once where there are several. *finished* is told each as it ends, in this process.

    What *finished* raises is raised once all have ended; an interrupt is passed on to those still at work.
    """
    if len(items) <= 1:
        for item in items:
            finished(item, _attempt(act, item))
        return
    children: dict[int, tuple[T, int]] = {}
    failures: list[PierError] = []
    try:
        for item in items:
            pid, fd = _fork(act, item)
            children[pid] = (item, fd)
        while children:
            pid, status = os.wait()
            if pid not in children:
                continue
            item, fd = children.pop(pid)
            try:
                finished(item, _verdict(fd, status))
            except PierError as exc:
                failures.append(exc)
    finally:
        for pid, (_, fd) in children.items():
            os.close(fd)
            os.kill(pid, signals.SIGINT)
            os.waitpid(pid, 0)
    if failures:
        raise failures[0]


def _attempt(act: Callable[[T], object], item: T) -> PierError | None:
    try:
        act(item)
    except PierError as exc:
        return exc
    return None


def _fork(act: Callable[[T], object], item: T) -> tuple[int, int]:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    code = 1
    try:
        os.close(reader)
        error = _attempt(act, item)
        if error is not None:
            os.write(writer, jsontext.dumps(handshake.describe(error, "")).encode())
        code = 0
    except KeyboardInterrupt:
        code = 130
    finally:
        # Nothing of the parent's (buffers, exit handlers) may run twice.
        os._exit(code)


def _verdict(fd: int, status: int) -> PierError | None:
    chunks = []
    while chunk := os.read(fd, 1 << 16):
        chunks.append(chunk)
    os.close(fd)
    if chunks:
        return handshake.raised(jsontext.loads(b"".join(chunks)))
    if status != 0:
        return PierError("the command was interrupted", why=f"a helper process ended with status {status}")
    return None
