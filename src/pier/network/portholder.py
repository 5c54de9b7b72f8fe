"""Which process holds a port of this host, from /proc. It reads every process's descriptors: for refusals only."""

from __future__ import annotations

import os

_LISTEN, _UDP_BOUND = "0A", "07"


def describe(protocol: str, port: int) -> str:
    """`process NAME (pid N) has it`, or what keeps pier from saying so."""
    inodes = _inodes(protocol, port)
    if not inodes:
        return "it was taken a moment ago"
    for entry in os.listdir("/proc"):
        if entry.isdigit() and _holds(entry, inodes):
            return f"process {_name(entry)} (pid {entry}) has it"
    return "a process that this user may not look into has it"


def _inodes(protocol: str, port: int) -> set[str]:
    """The socket inodes bound to *port* (proc(5), /proc/net/tcp): listening ones for tcp, all for udp."""
    found: set[str] = set()
    for table in (protocol, protocol + "6"):
        try:
            with open(f"/proc/net/{table}", encoding="ascii") as rows:
                next(rows, None)
                for row in rows:
                    fields = row.split()
                    if int(fields[1].rpartition(":")[2], 16) == port and fields[3] in (_LISTEN, _UDP_BOUND):
                        found.add(f"socket:[{fields[9]}]")
        except FileNotFoundError:
            continue
    return found


def _holds(pid: str, inodes: set[str]) -> bool:
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            if os.readlink(f"/proc/{pid}/fd/{fd}") in inodes:
                return True
    except OSError:
        # The process ended, or is another user's (ptrace(2) access mode); either way it cannot be named.
        return False
    return False


def _name(pid: str) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as comm:
            return comm.read().strip()
    except OSError:
        return "?"
