"""The way out of a user's shared network: pasta or slirp4netns, a process that turns its packets into the user's own
connections. Configures nothing else; masquerading is the bridges' business.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select

from pier.kernel import process, signals
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Never

_READY_SECONDS = 5.0
_NETWORK_FD, _READY_FD = 3, 4
TUN = "/dev/net/tun"


class Tools(Record):
    """Where the two programs lie; "" where they are not installed."""

    pasta: str = ""
    slirp4netns: str = ""


def command(tools: Tools) -> tuple[str, ...]:
    """The words to start with: fd 3 is the network namespace; () where there is no tool.

    No address of the tool leads to the machine's own loopback: what listens only there is not for containers.
    """
    network = f"/proc/self/fd/{_NETWORK_FD}"
    if tools.slirp4netns:
        return (
            *(tools.slirp4netns, "--configure", "--mtu=65520", "--disable-host-loopback"),
            *(f"--ready-fd={_READY_FD}", "--netns-type=path", network, "tap0"),
        )
    if tools.pasta:
        ports = ("-t", "none", "-u", "none", "-T", "none", "-U", "none")
        # The pid file is written once it serves, also in the foreground (passt.c).
        told = ("--foreground", "--pid", f"/proc/self/fd/{_READY_FD}")
        return (tools.pasta, "--config-net", "--quiet", "--no-map-gw", *ports, *told, "--netns", network)
    return ()


class WayOut:
    """Owned by the holder: at most one tool runs, and it ends with the holder."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._pid = 0

    def open(self, network: int) -> str:
        """The network *network* (an fd) reaches the outside; else a warning that says what is missing."""
        if self._pid and os.waitpid(self._pid, os.WNOHANG) == (0, 0):
            return ""
        self.close()
        words = command(self._tools)
        if not words:
            return "no egress from containers: no pasta and no slirp4netns is installed (fix: apt install slirp4netns)"
        said = self._start(words, network)
        if not said:
            return ""
        self.close()
        name = words[0].rpartition("/")[2]
        return f"no egress from containers: {name} cannot start: {said}"

    def _start(self, words: tuple[str, ...], network: int) -> str:
        """What kept the tool from serving, "" when nothing did."""
        tun = tun_problem()
        if tun:
            return tun
        ready, told = os.pipe2(os.O_CLOEXEC)
        errors, complaint = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            _become(words, (network, told, complaint))
        self._pid = pid
        for fd in (told, complaint):
            os.close(fd)
        try:
            return "" if _is_ready(ready) else _last_words(errors)
        finally:
            os.close(ready)
            os.close(errors)

    def close(self) -> None:
        """The tool has ended, or ends now."""
        if self._pid:
            try:
                os.kill(self._pid, signals.SIGKILL)
                os.waitpid(self._pid, 0)
            except (ProcessLookupError, ChildProcessError):
                # It was reaped when it was last looked at.
                self._pid = 0
            self._pid = 0


def _become(words: tuple[str, ...], sources: tuple[int, int, int]) -> Never:
    """Execute *words* with the network, the pipe to say "ready" on and standard error as fds 3, 4 and 2."""
    try:
        # The holder may be killed: nobody else would end its tool.
        process.prctl(process.PR_SET_PDEATHSIG, signals.SIGKILL)
        # Out of the targets' way before any is overwritten.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in sources]
        for fd, target in zip(high, (_NETWORK_FD, _READY_FD, 2), strict=True):
            os.dup2(fd, target, inheritable=True)
        process.close_range_on_exec(_READY_FD + 1)
        signals.restore_defaults()
        os.execve(words[0], words, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    except OSError as error:
        os.write(2, (error.strerror or "failed").encode())
    finally:
        os._exit(127)


def _is_ready(ready: int) -> bool:
    """Both tools write when they serve; an end without a word is a failure."""
    poll = select.poll()
    poll.register(ready, select.POLLIN)
    return bool(poll.poll(int(_READY_SECONDS * 1000))) and bool(os.read(ready, 16))


def tun_problem() -> str:
    """What keeps a tool from the device it needs, with the fix; "" when nothing does."""
    try:
        os.close(os.open(TUN, os.O_RDWR | os.O_CLOEXEC))
    except OSError as exc:
        if exc.errno == errno.ENOENT:
            return f"{TUN} is missing (fix, as root: modprobe tun)"
        return f"{TUN}: {(exc.strerror or '').lower()} (fix, as root: chmod 666 {TUN})"
    return ""


def _last_words(errors: int) -> str:
    os.set_blocking(errors, False)
    try:
        text = os.read(errors, 1 << 12).decode("utf-8", "replace").strip()
    except BlockingIOError:
        return "it does not answer"
    return text.splitlines()[-1] if text else "it ended at once"
