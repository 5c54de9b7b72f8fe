"""The container's standard streams on the monitor's side: pipes, or the master of its terminal."""

from __future__ import annotations

import errno
import os

from pier.kernel import tty
from pier.runtime import loop as events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pier.runtime.loop import Loop

_CHUNK = 1 << 16


class Streams:
    """Made before a launch; `child_ends` go to the container, the rest stays. A terminal arrives later, by `adopt`."""

    def __init__(self, *, tty: bool, stdin_open: bool) -> None:
        self.outputs: dict[int, str] = {}
        self.input = -1
        self.terminal = -1
        self._pending = bytearray()
        self._input_ended = False
        self._loop: Loop | None = None
        if tty:
            self.child_ends = (-1, -1, -1)
            return
        if stdin_open:
            stdin, self.input = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(self.input, False)
        else:
            stdin = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        ends = [stdin]
        for name in ("stdout", "stderr"):
            ours, theirs = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(ours, False)
            self.outputs[ours] = name
            ends.append(theirs)
        self.child_ends = (ends[0], ends[1], ends[2])

    def close_child_ends(self) -> None:
        for fd in self.child_ends:
            if fd >= 0:
                os.close(fd)
        self.child_ends = (-1, -1, -1)

    def adopt(self, terminal: int) -> None:
        """The master of the container's terminal is its output and its input."""
        os.set_blocking(terminal, False)
        self.terminal = self.input = terminal
        self.outputs[terminal] = "stdout"

    def connect(self, loop: Loop, on_output: Callable[[str, bytes], None], on_drained: Callable[[], None]) -> None:
        """Hand what the container writes to *on_output* (stream name, bytes); *on_drained*: it took all its input."""
        self._loop = loop
        self._on_output = on_output
        self._on_drained = on_drained
        self.resume()

    def resume(self) -> None:
        """Watch the outputs again after `pause`."""
        for fd in self.outputs:
            self._watch(fd)

    def pause(self) -> None:
        """Read no output for now: a client is slower than the container."""
        if self._loop is not None:
            for fd in self.outputs:
                self._loop.forget(fd)

    def _watch(self, fd: int) -> None:
        if self._loop is not None:
            wanted = events.READ | (events.WRITE if fd == self.input and self._pending else 0)
            self._loop.watch(fd, wanted, self._ready)

    def _ready(self, fd: int, ready: int) -> None:
        if fd == self.input and ready & events.WRITE:
            self._push()
        if ready & ~events.WRITE and fd in self.outputs:
            self._pull(fd)

    def _pull(self, fd: int) -> bool:
        """Whether there may be more."""
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return False
        except OSError as error:
            # A terminal whose last slave is closed answers EIO, not end of file (pty(7)).
            if error.errno != errno.EIO:
                raise
            data = b""
        if not data:
            self._close_output(fd)
            return False
        self._on_output(self.outputs[fd], data)
        return True

    def drain(self) -> None:
        """Everything the ended container wrote is handed over; then all is closed."""
        for fd in tuple(self.outputs):
            while fd in self.outputs and self._pull(fd):
                continue
        self.close()

    def feed(self, data: bytes) -> None:
        """Input for the container. Without an open stdin it is dropped, as Docker does."""
        if self.input >= 0 and not self._input_ended:
            self._pending += data
            self._push()

    def backlog(self) -> int:
        """Bytes of input that the container has not taken yet."""
        return len(self._pending)

    def end_input(self) -> None:
        """No more input. On a terminal this has no meaning: a detached one stays open."""
        if self.terminal < 0:
            self._input_ended = True
            self._push()

    def resize(self, rows: int, columns: int) -> None:
        if self.terminal >= 0:
            tty.set_window_size(self.terminal, rows, columns)

    def _push(self) -> None:
        if self.input < 0:
            return
        try:
            while self._pending:
                del self._pending[: os.write(self.input, self._pending)]
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):
                raise
            self._pending.clear()
            self._input_ended = self.terminal < 0
        if not self._pending and self._loop is not None:
            self._on_drained()
        if self.terminal >= 0:
            self._watch(self.terminal)
        elif self._input_ended and not self._pending:
            self._close_input()
        elif self._loop is not None and self._pending:
            self._loop.watch(self.input, events.WRITE, self._ready)
        elif self._loop is not None:
            self._loop.forget(self.input)

    def _close_input(self) -> None:
        if self._loop is not None:
            self._loop.forget(self.input)
        os.close(self.input)
        self.input = -1

    def _close_output(self, fd: int) -> None:
        if self._loop is not None:
            self._loop.forget(fd)
        del self.outputs[fd]
        if fd == self.terminal:
            self.input = self.terminal = -1
        os.close(fd)

    def close(self) -> None:
        for fd in tuple(self.outputs):
            self._close_output(fd)
        if self.input >= 0:
            self._close_input()
        self.close_child_ends()
