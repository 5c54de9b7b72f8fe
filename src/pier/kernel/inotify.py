"""Wait for changes of files: inotify(7)."""

from __future__ import annotations

import os
import select

from pier.kernel import libc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

IN_MODIFY = 0x002
IN_MOVED_TO = 0x080
IN_CREATE = 0x100
IN_DELETE_SELF = 0x400

_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
_EVENT_BYTES = 1 << 14

_init = libc.function("inotify_init1", libc.c_int)
_add = libc.function("inotify_add_watch", libc.c_int, libc.c_char_p, libc.c_uint)


class Watch:
    """Changes in one *folder*, while the `with` block runs. OSError where the host allows no more watches."""

    def __init__(self, folder: str) -> None:
        self._fd = libc.check(_init(_NONBLOCK_CLOEXEC))
        try:
            mask = IN_MODIFY | IN_MOVED_TO | IN_CREATE | IN_DELETE_SELF
            libc.check(_add(self._fd, libc.encode(folder), mask), folder)
        except BaseException:
            os.close(self._fd)
            raise
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._fd)

    def wait(self, seconds: float) -> bool:
        """Whether something changed since the last call, or does within *seconds*."""
        if not self._poll.poll(int(seconds * 1000)):
            return False
        try:
            while os.read(self._fd, _EVENT_BYTES):
                continue
        except BlockingIOError:
            return True
        return True
