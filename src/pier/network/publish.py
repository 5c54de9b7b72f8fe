"""Host ports for published container ports: bound and listening before anything else of a container is made.

Forwards nothing: `pier.network.proxy` does, in the monitor, which inherits the sockets.
"""

from __future__ import annotations

import _socket
import errno
import os

from pier.errors import Conflict, Denied, Invalid, PierError, Unsupported
from pier.model.ports import PortBinding, format_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Holder = Callable[[PortBinding], str]

_BACKLOG = 1024
_ATTEMPTS = 16
_ANY_IPV4, _ANY_IPV6 = "0.0.0.0", "::"
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


class Listener:
    """One bound socket. *binding* holds the address and port really taken."""

    __slots__ = ("binding", "socket")

    def __init__(self, socket: _socket.socket, binding: PortBinding) -> None:
        self.socket = socket
        self.binding = binding

    @property
    def fd(self) -> int:
        return self.socket.fileno()

    def close(self) -> None:
        self.socket.close()


def open_listeners(bindings: Sequence[PortBinding], *, holder: Holder | None = None) -> list[Listener]:
    """A listener for each binding, two (IPv4 and IPv6) for those without an address; all of them or none.

    Conflict when a port is taken, saying by whom: *holder* is asked first, and answers such as "container web", or ""
    when it does not know. Denied for a privileged port, Invalid for an address that is not this host's.
    """
    opened: list[Listener] = []
    try:
        for binding in bindings:
            opened += _open(binding, holder)
    except BaseException:
        for listener in opened:
            listener.close()
        raise
    return opened


def _open(binding: PortBinding, holder: Holder | None) -> list[Listener]:
    if binding.protocol not in ("tcp", "udp"):
        raise Unsupported(f"cannot publish {binding.container_port}/{binding.protocol}: only tcp and udp are proxied")
    candidates = range(binding.host_port, max(binding.host_port, binding.host_port_end) + 1)
    if binding.host_port == 0:
        candidates = range(_ATTEMPTS)
    failure: OSError | None = None
    for candidate in candidates:
        try:
            return _bind_families(binding, candidate if binding.host_port else 0)
        except OSError as exc:
            failure = exc
            if exc.errno != errno.EADDRINUSE:
                break
    assert failure is not None
    raise _refusal(binding, failure, holder) from failure


def _bind_families(binding: PortBinding, port: int) -> list[Listener]:
    """Both families on the same port, which only the first one picks when *port* is 0."""
    if binding.host_ip:
        return [_bind(binding, binding.host_ip, port)]
    first = _bind(binding, _ANY_IPV4, port)
    try:
        return [first, _bind(binding, _ANY_IPV6, first.binding.host_port)]
    except OSError as exc:
        if exc.errno in _NO_IPV6:
            return [first]
        first.close()
        raise


def _bind(binding: PortBinding, host_ip: str, port: int) -> Listener:
    family = _socket.AF_INET6 if ":" in host_ip else _socket.AF_INET
    stream = binding.protocol == "tcp"
    kind = _socket.SOCK_STREAM if stream else _socket.SOCK_DGRAM
    opened = _socket.socket(family, kind | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK, 0)
    try:
        if family == _socket.AF_INET6:
            opened.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, 1)
        if stream:
            # Without it, connections of the last run in TIME_WAIT hold the port for a minute (socket(7)).
            opened.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        opened.bind((host_ip, port))
        if stream:
            opened.listen(_BACKLOG)
        taken = opened.getsockname()[1]
    except BaseException:
        opened.close()
        raise
    return Listener(opened, binding.replace(host_ip=host_ip, host_port=taken, host_port_end=0))


def _refusal(binding: PortBinding, exc: OSError, holder: Holder | None) -> PierError:
    span = f"{binding.host_port}-{binding.host_port_end}" if binding.host_port_end else str(binding.host_port)
    where = format_address(binding.host_ip or _ANY_IPV4, span)
    if exc.errno == errno.EADDRINUSE:
        known = holder(binding) if holder else ""
        return Conflict(
            f"Bind for {where} failed: port is already allocated",
            why=f"{known} has it" if known else _process_holding(binding),
            hint="stop it, or publish another host port with -p",
        )
    if exc.errno in (errno.EACCES, errno.EPERM):
        return Denied(
            f"Bind for {where} failed: permission denied",
            why="ports below net.ipv4.ip_unprivileged_port_start (1024) are root's",
            hint="publish a host port from 1024 up, for example"
            f" -p {8000 + binding.host_port}:{binding.container_port}\n"
            f"or, as root: sysctl -w net.ipv4.ip_unprivileged_port_start={binding.host_port}",
        )
    if exc.errno == errno.EADDRNOTAVAIL:
        return Invalid(f"Bind for {where} failed: {binding.host_ip} is no address of this host")
    return Unsupported(f"Bind for {where} failed: {os.strerror(exc.errno or 0)}")


def _process_holding(binding: PortBinding) -> str:
    from pier.network import portholder

    return portholder.describe(binding.protocol, binding.host_port)
