"""Carry a child's standard streams: our terminal to its terminal, or our pipes to its pipes."""

from __future__ import annotations

import errno
import os
import select

from pier.kernel import lifetime, signals, tty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Spawn = Callable[[tuple[int, int, int]], int]

_CHUNK = 1 << 16
_PROXIED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")


def detach(spawn: Spawn) -> int:
    """Start a child without streams and leave it to the machine's init. Returns 0."""
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    try:
        spawn((null, null, null))
    finally:
        os.close(null)
    return 0


def converse(spawn: Spawn, *, terminal: tuple[int, int] | None, stdin: bool) -> int:
    """The exit code of the child, once it has ended and all it wrote has been passed on.

    *terminal*: (master, slave) of its terminal. Without *stdin* it reads nothing.
    """
    streams = _Terminal(*terminal) if terminal else _Pipes(stdin=stdin)
    try:
        pid = spawn(streams.child_ends)
    finally:
        streams.close_child_ends()
    return _Conversation(streams, pid, stdin=stdin).run()


class _Streams:
    """Our ends: *outputs* maps an fd to ours it is written to, *input* takes what we read."""

    outputs: dict[int, int]
    input: int
    child_ends: tuple[int, int, int]
    raw = False

    def close_child_ends(self) -> None:
        for fd in set(self.child_ends):
            os.close(fd)


class _Pipes(_Streams):
    def __init__(self, *, stdin: bool) -> None:
        if stdin:
            theirs_in, self.input = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(self.input, False)
        else:
            theirs_in, self.input = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC), -1
        out, theirs_out = os.pipe2(os.O_CLOEXEC)
        err, theirs_err = os.pipe2(os.O_CLOEXEC)
        self.outputs = {out: 1, err: 2}
        self.child_ends = (theirs_in, theirs_out, theirs_err)


class _Terminal(_Streams):
    def __init__(self, master: int, slave: int) -> None:
        os.set_blocking(master, False)
        self.outputs = {master: 1}
        self.input = master
        self.child_ends = (slave, slave, slave)
        self.raw = True


class _Conversation:
    def __init__(self, streams: _Streams, pid: int, *, stdin: bool) -> None:
        self._streams = streams
        self._pid = pid
        self._stdin = stdin
        self._poll = select.poll()
        self._pending = b""
        self._waiting = False

    def run(self) -> int:
        if not self._streams.raw:
            for name in _PROXIED:
                signals.on(signals.NUMBERS[name], self._proxy)
        else:
            signals.on(signals.SIGWINCH, lambda _number, _frame: self._resize())
        for fd in self._streams.outputs:
            self._poll.register(fd, select.POLLIN)
        if self._stdin:
            self._poll.register(0, select.POLLIN)
        with tty.RawMode(0 if self._streams.raw and self._stdin else -1):
            self._resize()
            self._pump()
        _, status = os.waitpid(self._pid, 0)
        return lifetime.exit_code(status)

    def _pump(self) -> None:
        """Until every output has ended, or the child has and its output is drained."""
        pidfd = os.pidfd_open(self._pid)
        self._poll.register(pidfd, select.POLLIN)
        ended = False
        try:
            while self._streams.outputs:
                ready = self._poll.poll(0 if ended else None)
                if ended and not any(fd in self._streams.outputs for fd, _ in ready):
                    return
                for fd, happened in ready:
                    if fd == pidfd:
                        ended = True
                        self._poll.unregister(pidfd)
                    elif fd == 0:
                        self._take_input()
                    else:
                        if fd == self._streams.input and happened & ~select.POLLIN:
                            self._push()
                        if fd in self._streams.outputs and happened & ~select.POLLOUT:
                            self._pass_on(fd)
        finally:
            os.close(pidfd)

    def _pass_on(self, fd: int) -> None:
        try:
            data = os.read(fd, _CHUNK)
        except OSError as error:
            # A terminal whose last slave is closed answers EIO (pty(7)).
            if error.errno != errno.EIO:
                raise
            data = b""
        if not data:
            self._poll.unregister(fd)
            del self._streams.outputs[fd]
            return
        view = memoryview(data)
        while view:
            view = view[os.write(self._streams.outputs[fd], view) :]

    def _take_input(self) -> None:
        try:
            data = os.read(0, _CHUNK)
        except OSError:
            data = b""
        if not data:
            self._forget(0)
            self._close_input()
            return
        self._pending += data
        self._push()

    def _push(self) -> None:
        """Write what the child will take; until it has taken all, read no more of our input."""
        fd = self._streams.input
        try:
            while self._pending:
                self._pending = self._pending[os.write(fd, self._pending) :]
        except BlockingIOError:
            if not self._waiting:
                self._waiting = True
                self._poll.unregister(0)
                self._poll.register(fd, select.POLLOUT | (select.POLLIN if fd in self._streams.outputs else 0))
            return
        except OSError:
            self._pending = b""
            self._close_input()
            return
        if self._waiting:
            self._waiting = False
            self._poll.register(0, select.POLLIN)
            if fd in self._streams.outputs:
                self._poll.register(fd, select.POLLIN)
            else:
                self._poll.unregister(fd)

    def _close_input(self) -> None:
        """The child reads the end of its input; on a terminal that is for the user to type."""
        fd = self._streams.input
        if self._streams.raw or fd < 0:
            return
        if self._waiting:
            self._waiting = False
            self._poll.unregister(fd)
        elif self._stdin:
            self._stdin = False
            self._forget(0)
        os.close(fd)
        self._streams.input = -1

    def _forget(self, fd: int) -> None:
        try:
            self._poll.unregister(fd)
        except KeyError:
            return

    def _proxy(self, number: int, _frame: object) -> None:
        try:
            os.kill(self._pid, number)
        except ProcessLookupError:
            return

    def _resize(self) -> None:
        if self._streams.raw:
            rows, columns = tty.window_size(0)
            if rows and columns:
                tty.set_window_size(self._streams.input, rows, columns)
