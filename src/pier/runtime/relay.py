"""The command's side of an attached container: local terminal or pipes here, the monitor's frames there."""

from __future__ import annotations

import os
import select
import time

from pier.errors import Bug, Conflict, PierError
from pier.kernel import signals, tty
from pier.model import jsontext
from pier.model.record import Record
from pier.runtime import frames, handshake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 1 << 16
_FORCED_AFTER = 3
_LONG_SECONDS = 1e5
_PROXIED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
DETACH_KEYS = b"\x10\x11"


class Ending(Record):
    """How an attachment ended: the container's exit code, or *detached* while it runs on."""

    exit_code: int = 0
    detached: bool = False
    lost: bool = False


class Relay:
    """One conversation with a monitor over the connected stream *fd*, which it owns."""

    def __init__(
        self,
        fd: int,
        *,
        terminal: bool = False,
        stdin: bool = False,
        output: bool = True,
        proxy_signals: bool = True,
        detach_keys: bytes = DETACH_KEYS,
        shown: tuple[str, ...] = ("stdout", "stderr"),
        warn: Callable[[str], None],
        note: Callable[[str], None] | None = None,
    ) -> None:
        # Never wait to send: a monitor whose container takes no input may be waiting for us to take its output.
        os.set_blocking(fd, False)
        self._fd = fd
        self._outbox: list[bytes] = []
        self._flushing = False
        self._terminal = terminal
        self._stdin = stdin
        self._shown = shown if output else ()
        self._proxy = proxy_signals and not terminal
        self._keys = detach_keys
        self._matched = 0
        self._warn = warn
        self._note = note
        self._decoder = frames.Decoder()
        self._inbox: list[tuple[bytes, bytes]] = []
        self._interrupts = 0

    def wait_started(self) -> int:
        """The container's pid once its program runs; the monitor's PierError when it could not begin."""
        while True:
            kind, payload = self._next()
            if kind == frames.STARTED:
                return int(jsontext.loads(payload)["pid"])
            if kind == frames.FAILED:
                raise handshake.raised(jsontext.loads(payload))
            if kind in (frames.WARNING, frames.NOTE):
                self._say(kind, payload)
            elif kind == b"":
                raise PierError(
                    "the container's monitor ended before the container began",
                    why="it was killed, or the machine is out of memory",
                    hint="try again; `pier ps -a` shows what is left",
                )
            else:
                raise Bug(f"the monitor spoke of {kind!r} before the start")

    def attach_output(self) -> None:
        """Ask the monitor of a running container for its output from now on."""
        self._send(frames.encode(frames.ATTACH, b'{"output":true}'))

    def request_stop(self) -> None:
        """Tell the monitor that the user wants the container down, so that no policy restarts it."""
        self._send(frames.encode(frames.STOP))

    def send_signal(self, number: int) -> None:
        """Ask the monitor to signal the container's first process, whichever that is by then."""
        self._send(frames.encode(frames.SIGNAL, bytes([number])))

    def administer(self, kind: bytes) -> None:
        """Have the monitor pause, resume or reload the container; its PierError when it cannot. Conflict: it has ended.
        """
        self._send(frames.encode(kind))
        while True:
            answer, payload = self._next()
            if answer == frames.DONE:
                return
            if answer == frames.REFUSED:
                raise handshake.raised(jsontext.loads(payload))
            if answer in (frames.EXITED, b""):
                raise Conflict("the container is not running", why="it ended just now")

    def run(self) -> Ending:
        """Relay until the container ends, the user detaches, or the monitor is gone."""
        self.take_signals()
        with tty.RawMode(0 if self._terminal else -1):
            self._resize()
            while True:
                ending = self._take_inbox()
                if ending is not None:
                    return ending
                for fd, ready in self._watched(stdin=self._stdin).poll():
                    if fd == self._fd:
                        self._exchange(ready)
                    elif self._forward_input():
                        return Ending(detached=True)

    def run_quietly(self) -> Ending:
        """Wait for the container's end, showing nothing and handling no signal."""
        while True:
            ending = self.ended_within(_LONG_SECONDS)
            if ending is not None:
                return ending

    def ended_within(self, seconds: float) -> Ending | None:
        """The container's end; None when it has not come after *seconds*."""
        deadline = time.monotonic() + seconds
        while True:
            while self._inbox:
                kind, payload = self._inbox.pop(0)
                if kind == frames.EXITED:
                    return Ending(exit_code=int(jsontext.loads(payload)["code"]))
                if kind == b"":
                    return Ending(exit_code=137, lost=True)
            if not self._wait(max(0.0, deadline - time.monotonic())):
                return None

    def _watched(self, *, stdin: bool) -> select.poll:
        """The monitor and, while all earlier input has been sent, our input."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN | (select.POLLOUT if self._outbox else 0))
        if stdin and not self._outbox:
            poll.register(0, select.POLLIN)
        return poll

    def _wait(self, seconds: float | None) -> bool:
        """Whether the monitor spoke, or took something, within *seconds*."""
        found = self._watched(stdin=False).poll(None if seconds is None else seconds * 1000)
        for _, ready in found:
            self._exchange(ready)
        return bool(found)

    def _exchange(self, ready: int) -> None:
        if ready & select.POLLOUT:
            self._flush()
        if ready & ~select.POLLOUT:
            self._receive()

    def _take_inbox(self) -> Ending | None:
        inbox, self._inbox = self._inbox, []
        for kind, payload in inbox:
            if kind == frames.STDOUT and "stdout" in self._shown:
                _write_all(1, payload)
            elif kind == frames.STDERR and "stderr" in self._shown:
                _write_all(2, payload)
            elif kind in (frames.WARNING, frames.NOTE):
                self._say(kind, payload)
            elif kind == frames.EXITED:
                return Ending(exit_code=int(jsontext.loads(payload)["code"]))
            elif kind == b"":
                return Ending(exit_code=137, lost=True)
        return None

    def _say(self, kind: bytes, payload: bytes) -> None:
        tell = self._warn if kind == frames.WARNING else self._note
        if tell is not None:
            tell(payload.decode())

    def _next(self) -> tuple[bytes, bytes]:
        while not self._inbox:
            self._wait(None)
        return self._inbox.pop(0)

    def _receive(self) -> None:
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        self._inbox += self._decoder.feed(data) if data else [(b"", b"")]

    def _forward_input(self) -> bool:
        """Whether the user typed the detach keys."""
        try:
            data = os.read(0, _CHUNK)
        except OSError:
            data = b""
        if not data:
            self._stdin = False
            self._send(frames.encode(frames.INPUT_END))
            return False
        if self._terminal and self._keys:
            data, detached = self._match_keys(data)
            if detached:
                return True
        if data:
            self._send(frames.encode(frames.INPUT, data))
        return False

    def _match_keys(self, data: bytes) -> tuple[bytes, bool]:
        """*data* without a sequence of detach keys; keys typed so far are held back, as in Docker."""
        passed = bytearray()
        for byte in data:
            if byte == self._keys[self._matched]:
                self._matched += 1
                if self._matched == len(self._keys):
                    return bytes(passed), True
                continue
            passed += self._keys[: self._matched]
            self._matched = 0
            passed.append(byte)
        return bytes(passed), False

    def take_signals(self) -> None:
        """From now on the user's signals are the container's, where they are to be proxied. Idempotent."""
        if self._terminal:
            signals.on(signals.SIGWINCH, lambda _number, _frame: self._resize())
        if self._proxy:
            for name in _PROXIED:
                signals.on(signals.NUMBERS[name], self._proxy_signal)

    def _proxy_signal(self, number: int, _frame: object) -> None:
        if number in (signals.SIGINT, signals.SIGTERM):
            self._interrupts += 1
            if self._interrupts > _FORCED_AFTER:
                raise KeyboardInterrupt
        self._send(frames.encode(frames.SIGNAL, bytes([number])))

    def _resize(self) -> None:
        rows, columns = tty.window_size(0) if self._terminal else (0, 0)
        if rows and columns:
            self._send(frames.encode_size(rows, columns))

    def _send(self, frame: bytes) -> None:
        self._outbox.append(frame)
        self._flush()

    def _flush(self) -> None:
        """Send what the monitor will take now; the rest waits for `_exchange`."""
        # A signal handler that sends may come between any two steps here: it must only add to the end.
        if self._flushing:
            return
        self._flushing = True
        try:
            while self._outbox:
                rest = self._outbox[0][os.write(self._fd, self._outbox[0]) :]
                self._outbox[:1] = [rest] if rest else []
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):
            # The monitor has ended; its farewell is still to be read.
            self._outbox.clear()
        finally:
            self._flushing = False

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def parse_detach_keys(text: str) -> bytes:
    """The bytes of "ctrl-p,ctrl-q" or "a,ctrl-]". ValueError."""
    keys = bytearray()
    for word in text.split(","):
        if len(word) == 1:
            keys += word.encode()
        elif word.startswith("ctrl-") and len(word) == 6 and word[5] in "abcdefghijklmnopqrstuvwxyz@[\\]^_":
            keys.append(ord(word[5].upper()) & 0x1F)
        else:
            raise ValueError(text)
    return bytes(keys)
