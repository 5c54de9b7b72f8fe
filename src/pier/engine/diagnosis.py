"""What works in this place, what is limited and why, and the exact command that changes it. Changes nothing."""

from __future__ import annotations

import os

from pier.engine import controls, storage, userfacts
from pier.kernel.nftables import Nftables
from pier.model.record import Record
from pier.runtime import egress
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.engine.context import Engine
    from pier.engine.userfacts import UserFacts

WORKS, LIMITED, BROKEN = "works", "limited", "broken"
_OLDEST_NESTED_OVERLAY = (5, 11)
_PORT_START = "/proc/sys/net/ipv4/ip_unprivileged_port_start"


class Finding(Record):
    """One subject: *state* is works, limited or broken; *why* and *fix* where it is not all there."""

    subject: str
    state: str = WORKS
    told: str = ""
    why: str = ""
    fix: str = ""


def runs(findings: tuple[Finding, ...]) -> bool:
    """Whether containers can run at all."""
    return all(finding.state != BROKEN for finding in findings)


def of_engine(engine: Engine, facts: UserFacts) -> tuple[Finding, ...]:
    """The findings for a place that could be entered. *facts* were looked at before."""
    user = engine.place.letter == "U"
    found = [Finding(subject="place", told=f"{engine.place.letter}, {engine.place.title}")]
    found.append(Finding(subject="store", told=engine.paths.root))
    if user:
        found.append(ids(facts, count=engine.place.ids.count))
    found.append(_storage(engine))
    found.append(_limits(user=user))
    found.append(_network(facts, user=user))
    if user:
        found.append(ports(_read(_PORT_START)))
    found.append(_seccomp())
    return tuple(found)


def of_refusal(error: Exception, why: str, fix: str) -> tuple[Finding, ...]:
    """The findings for a place that cannot be entered."""
    return (Finding(subject="place", state=BROKEN, told=f"N, {error}", why=why, fix=fix),)


def ids(facts: UserFacts, *, count: int) -> Finding:
    """Whether images can have several users."""
    why, fix = facts.lacks_range()
    if count > 1:
        return Finding(subject="user ids", told=f"{count} (full map)")
    return Finding(
        subject="user ids",
        state=LIMITED,
        told="1: images that need other users than root (postgres, USER in a Dockerfile, recipes) do not run",
        why=why or "newuidmap refused the range",
        fix=f"as root: {fix}" if fix else "as root: chmod u+s /usr/bin/newuidmap /usr/bin/newgidmap",
    )


def ports(text: str) -> Finding:
    """From which host port on a user may publish."""
    first = int(text) if text.isdigit() else 1024
    if first <= 80:
        return Finding(subject="published ports", told=f"from {first} up")
    return Finding(
        subject="published ports",
        state=LIMITED,
        told=f"from {first} up",
        why=f"ports below net.ipv4.ip_unprivileged_port_start ({first}) are root's",
        fix="as root: sysctl -w net.ipv4.ip_unprivileged_port_start=80",
    )


def _storage(engine: Engine) -> Finding:
    problem = storage.overlay_problem(engine.paths)
    if not problem:
        return Finding(subject="storage", told="overlay (native)")
    return Finding(
        subject="storage",
        state=BROKEN,
        told="overlay does not work",
        why=f"{engine.paths.root}: {problem}",
        fix="put the store on ext4, xfs or btrfs: --root FOLDER or PIER_ROOT (and Linux 5.11 when not root)",
    )


def _limits(*, user: bool) -> Finding:
    groups = controls.places("trial", cpuset=True).paths
    usable = [path for path in groups if os.access(_existing(path), os.W_OK)]
    if usable:
        return Finding(subject="limits", told="control groups, version " + ("1" if len(groups) > 1 else "2"))
    fix = "log in through systemd with delegation: systemd-run --user --scope -p Delegate=yes pier ..." if user else ""
    return Finding(
        subject="limits",
        state=LIMITED,
        told="--memory, --cpus and --pids-limit are not in force",
        why="no control group that can be written" + (" is delegated to this user" if user else ""),
        fix=fix or "mount cgroup2 on /sys/fs/cgroup, writable",
    )


def _existing(path: str) -> str:
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def _network(facts: UserFacts, *, user: bool) -> Finding:
    told = "bridges, names and published ports"
    if user:
        tool = egress.command(facts.tools)
        if not tool:
            why, fix = "neither pasta nor slirp4netns is installed", "as root: apt install slirp4netns"
            return Finding(subject="network", state=LIMITED, told=told + ", no way out", why=why, fix=fix)
        if problem := egress.tun_problem():
            why, _, fix = problem.partition(" (fix, ")
            return Finding(subject="network", state=LIMITED, told=told + ", no way out", why=why, fix=fix.rstrip(")"))
        return Finding(subject="network", told=f"{told}; way out by {tool[0].rpartition('/')[2]}")
    try:
        with Nftables() as table:
            table.chains("pier")
    except OSError as exc:
        why = f"nf_tables: {exc.strerror}"
        return Finding(subject="network", state=LIMITED, told=told + ", no way out", why=why, fix="modprobe nf_tables")
    return Finding(subject="network", told=told + "; way out by nf_tables")


def _seccomp() -> Finding:
    if "errno" in _read("/proc/sys/kernel/seccomp/actions_avail"):
        return Finding(subject="seccomp", told="the default profile")
    why = "this kernel was built without CONFIG_SECCOMP_FILTER"
    return Finding(subject="seccomp", state=BROKEN, why=why, fix="--security-opt seccomp=unconfined, at your own risk")


def _read(path: str) -> str:
    try:
        return files.read_text(path).strip()
    except OSError:
        return ""


def look() -> UserFacts:
    """To be called before the place is entered: afterwards this process is root."""
    return userfacts.look()
