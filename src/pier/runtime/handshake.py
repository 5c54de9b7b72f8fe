"""Messages between the monitor and a container's first process over a socketpair: one JSON object a packet, at most one
fd with it. End of file means that execve(2) has succeeded, because the socket closes on it.
"""

from __future__ import annotations

import _socket
import struct

from pier import errors
from pier.model import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PACKET_BYTES = 1 << 16
_CLASSES = {
    kind.__name__: kind
    for kind in (
        errors.PierError,
        errors.NotFound,
        errors.Conflict,
        errors.Invalid,
        errors.Unsupported,
        errors.Denied,
        errors.Unavailable,
        errors.Exhausted,
        errors.CommandNotFound,
        errors.NotExecutable,
        errors.Bug,
    )
}


def pair() -> tuple[_socket.socket, _socket.socket]:
    """Two ends that keep packets apart and close on exec."""
    return _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)


def send(socket: _socket.socket, message: dict[str, Any], fd: int = -1) -> None:
    """BrokenPipeError when the other side is gone."""
    ancillary = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("i", fd))] if fd >= 0 else []
    socket.sendmsg([jsontext.dumps(message).encode()], ancillary, _socket.MSG_NOSIGNAL)


def receive(socket: _socket.socket) -> tuple[dict[str, Any] | None, int]:
    """(message, fd or -1); (None, -1) at the end."""
    try:
        data, ancillary, _, _ = socket.recvmsg(_PACKET_BYTES, _socket.CMSG_LEN(4), _socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:
        return None, -1
    fd = -1
    for _, kind, payload in ancillary:
        if kind == _socket.SCM_RIGHTS:
            fd = struct.unpack("i", payload[:4])[0]
    return (jsontext.loads(data), fd) if data else (None, -1)


def describe(error: BaseException, stage: str) -> dict[str, Any]:
    """An error as a message; an OSError keeps its number and names the *stage* that failed."""
    if isinstance(error, errors.PierError):
        return {"error": type(error).__name__, "message": error.message, "why": error.why, "hint": error.hint}
    if isinstance(error, OSError):
        where = f" {error.filename}" if error.filename else ""
        why = f"{error.strerror}{where} (errno {error.errno})"
        return {"error": "PierError", "message": f"cannot start the container: {stage}", "why": why, "hint": ""}
    return {"error": "Bug", "message": f"{type(error).__name__}: {error} ({stage})", "why": "", "hint": ""}


def raised(message: dict[str, Any]) -> errors.PierError:
    """The error that `describe` described."""
    kind = _CLASSES.get(message["error"], errors.PierError)
    return kind(message["message"], why=message["why"], hint=message["hint"])
