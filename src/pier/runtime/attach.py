"""The monitor's clients: the command that started the container, and those that attach over its socket (mode 0600)."""

from __future__ import annotations

import _socket
import os
import struct

from pier.model import jsontext
from pier.runtime import frames
from pier.runtime import loop as events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from pier.runtime.loop import Loop

    class Commands(Protocol):
        """What clients may ask of the monitor."""

        def input(self, data: bytes) -> None: ...

        def input_end(self) -> None: ...

        def input_backlog(self) -> int: ...

        def resize(self, rows: int, columns: int) -> None: ...

        def signal(self, number: int) -> None: ...

        def stop_requested(self) -> None: ...

        def administer(self, kind: bytes) -> bytes:
            """The answer (a frame) to a request to pause, resume or reload."""

        def flow_changed(self) -> None:
            """A client has fallen behind, or caught up."""

        def departed(self) -> None:
            """A client that could give input is gone."""


SOCKET_NAME = "attach.sock"
_CHUNK = 1 << 16
_SLOW_BYTES = 1 << 20
_INPUT_BYTES = 1 << 20
_BACKLOG = 64


class Client:
    """One stream to a client. *output*: it wants what the container writes."""

    def __init__(self, fd: int, loop: Loop, commands: Commands, *, output: bool) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self.output = output
        self._loop = loop
        self._commands = commands
        self._decoder = frames.Decoder()
        self._out = bytearray()
        self._closing = False
        self._throttled = False
        loop.watch(fd, events.READ, self._ready)

    @property
    def slow(self) -> bool:
        return len(self._out) > _SLOW_BYTES

    @property
    def idle(self) -> bool:
        return not self._out

    def send(self, frame: bytes) -> None:
        if self.fd < 0:
            return
        was_slow = self.slow
        self._out += frame
        self._push()
        if self.slow != was_slow:
            self._commands.flow_changed()

    def close_when_sent(self) -> None:
        self._closing = True
        self._push()

    def _push(self) -> None:
        try:
            while self._out:
                del self._out[: os.write(self.fd, self._out)]
        except BlockingIOError:
            self._watch()
            return
        except (BrokenPipeError, ConnectionResetError):
            self.close()
            return
        if self._closing:
            self.close()
        else:
            self._watch()

    def _watch(self) -> None:
        wanted = (0 if self._throttled else events.READ) | (events.WRITE if self._out else 0)
        self._loop.watch(self.fd, wanted, self._ready)

    def _ready(self, _fd: int, ready: int) -> None:
        if ready & events.WRITE:
            was_slow = self.slow
            self._push()
            if was_slow and not self.slow:
                self._commands.flow_changed()
        if ready & ~events.WRITE and self.fd >= 0:
            self._pull()

    def _pull(self) -> None:
        try:
            data = os.read(self.fd, _CHUNK)
            incoming = self._decoder.feed(data)
            for kind, payload in incoming:
                self._obey(kind, payload)
        except BlockingIOError:
            return
        except (ConnectionResetError, ValueError, LookupError, TypeError, AttributeError, struct.error):
            # Whoever speaks no sense is dropped; the container goes on.
            self.close()
            return
        if not data:
            self.close()
        elif self.fd >= 0 and self._commands.input_backlog() > _INPUT_BYTES:
            # Who gives no input is still heard: a stop must not wait behind another client's input.
            self._throttled = any(kind == frames.INPUT for kind, _ in incoming)
            self._watch()

    def resume_input(self) -> None:
        """The container has taken what was sent: read on."""
        if self.fd >= 0 and self._throttled:
            self._throttled = False
            self._watch()

    def _obey(self, kind: bytes, payload: bytes) -> None:
        commands = self._commands
        if kind == frames.INPUT:
            commands.input(payload)
        elif kind == frames.INPUT_END:
            commands.input_end()
        elif kind == frames.RESIZE:
            commands.resize(*frames.decode_size(payload))
        elif kind == frames.SIGNAL:
            commands.signal(payload[0])
        elif kind == frames.STOP:
            commands.stop_requested()
        elif kind in (frames.PAUSE, frames.RESUME, frames.RELOAD):
            self.send(commands.administer(kind))
        elif kind == frames.ATTACH:
            self.output = bool(jsontext.loads(payload).get("output"))

    def close(self) -> None:
        if self.fd >= 0:
            self._loop.forget(self.fd)
            os.close(self.fd)
            self.fd = -1
            self._out.clear()
            if self.output:
                self._commands.departed()


class AttachServer:
    """Accepts clients on `attach.sock` in *folder* and speaks to all of them."""

    def __init__(self, folder: str, loop: Loop, commands: Commands) -> None:
        self._loop = loop
        self._commands = commands
        self.clients: list[Client] = []
        self._listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        self._listener.setblocking(False)
        # Through /proc the name stays below the 108 bytes of unix(7) wherever the store lies.
        self._folder = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        # One left behind by a monitor that was killed: who makes a new one has claimed the container under its lock.
        _unlink_quietly(self._folder)
        before = os.umask(0o177)
        try:
            self._listener.bind(f"/proc/self/fd/{self._folder}/{SOCKET_NAME}")
        finally:
            os.umask(before)
        self._listener.listen(_BACKLOG)
        loop.watch(self._listener.fileno(), events.READ, self._accept)

    def add(self, fd: int, *, output: bool) -> Client:
        client = Client(fd, self._loop, self._commands, output=output)
        self.clients.append(client)
        return client

    def _accept(self, _fd: int, _ready: int) -> None:
        try:
            fd, _ = self._listener._accept()  # type: ignore[attr-defined]
        except BlockingIOError:
            return
        os.set_inheritable(fd, False)
        self.add(fd, output=False)

    def broadcast_output(self, kind: bytes, data: bytes) -> None:
        self._sweep()
        listeners = [client for client in self.clients if client.output]
        if listeners:
            frame = frames.encode(kind, data)
            for client in listeners:
                client.send(frame)

    def broadcast(self, frame: bytes) -> None:
        self._sweep()
        for client in self.clients:
            client.send(frame)

    @property
    def congested(self) -> bool:
        return any(client.slow for client in self.clients if client.fd >= 0)

    def resume_input(self) -> None:
        for client in self.clients:
            client.resume_input()

    def dismiss(self) -> None:
        """Every client gets what is still on its way, and is then closed."""
        for client in self.clients:
            client.close_when_sent()
        self._sweep()

    @property
    def drained(self) -> bool:
        self._sweep()
        return not self.clients

    def _sweep(self) -> None:
        self.clients = [client for client in self.clients if client.fd >= 0]

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self._loop.forget(self._listener.fileno())
        self._listener.close()
        _unlink_quietly(self._folder)
        os.close(self._folder)


def _unlink_quietly(folder: int) -> None:
    try:
        os.unlink(SOCKET_NAME, dir_fd=folder)
    except FileNotFoundError:
        return
