"""What this machine gives an ordinary user: user namespaces, subordinate ids, tools. Looks; changes nothing."""

from __future__ import annotations

import os

from pier.errors import Unsupported
from pier.model.record import Record
from pier.runtime.egress import Tools
from pier.runtime.shared import Ids
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.errors import PierError

_FOLDERS = ("/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", "/sbin", "/run/wrappers/bin", "/usr/local/sbin")
CLONE_SWITCH = "/proc/sys/kernel/unprivileged_userns_clone"
APPARMOR_SWITCH = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
MAXIMUM = "/proc/sys/user/max_user_namespaces"
_FIRST_RANGE, _RANGE = 100000, 65536
_SUBUID, _SUBGID = "/etc/subuid", "/etc/subgid"


class UserFacts(Record):
    """*switches* hold the text of the kernel's files, "" where absent; *confinement* is the AppArmor profile."""

    NESTED = {"ids": Ids, "tools": Tools}

    user: str
    uid: int
    gid: int
    ids: Ids = Ids()
    tools: Tools = Tools()
    free_range: int = _FIRST_RANGE
    clone_switch: str = ""
    apparmor_switch: str = ""
    maximum: str = ""
    confinement: str = ""

    def obstacle(self) -> PierError | None:
        """What forbids user namespaces here, found before it fails."""
        if self.maximum == "0":
            return _impossible("user.max_user_namespaces is 0", "sysctl -w user.max_user_namespaces=28633")
        if self.clone_switch == "0":
            return _impossible("kernel.unprivileged_userns_clone is 0", "sysctl -w kernel.unprivileged_userns_clone=1")
        if self.apparmor_switch == "1" and self.confinement.startswith("unconfined"):
            return _impossible(
                "AppArmor takes all capabilities away in user namespaces of programs without a profile",
                "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
            )
        return None

    def refusal(self, error: OSError) -> PierError:
        """What the kernel's *error* on making a user namespace comes to."""
        return _impossible(
            f"the kernel refuses a user namespace: {(error.strerror or 'failed').lower()}",
            "check sysctl user.max_user_namespaces, and whether an outer container forbids unshare(2)",
        )

    def lacks_range(self) -> tuple[str, str]:
        """(why only one id is mapped, the administrator's fix); ("", "") when a range is."""
        if not (self.ids.newuidmap and self.ids.newgidmap):
            return "newuidmap and newgidmap are not installed", "apt install uidmap"
        if not (self.ids.users and self.ids.groups):
            span = f"{self.free_range}-{self.free_range + _RANGE - 1}"
            return (
                f"user {self.user} has no range in {_SUBUID} and {_SUBGID}",
                f"usermod --add-subuids {span} --add-subgids {span} {self.user}",
            )
        return "", ""


def _impossible(why: str, command: str) -> Unsupported:
    fix = command if command.startswith("check") else f"as root: {command}"
    hint = f"{fix}\nor run pier as root"
    return Unsupported("an ordinary user cannot run containers on this machine", why=why, hint=hint)


def look() -> UserFacts:
    """The facts for the user of this process, which has not entered a user namespace of pier's yet."""
    uid = os.geteuid()
    name = _user_name(uid)
    subuid, subgid = _read(_SUBUID), _read(_SUBGID)
    return UserFacts(
        user=name,
        uid=uid,
        gid=os.getegid(),
        ids=Ids(
            newuidmap=_program("newuidmap"),
            newgidmap=_program("newgidmap"),
            users=ranges(subuid, name, uid),
            groups=ranges(subgid, name, uid),
        ),
        tools=Tools(pasta=_program("pasta"), slirp4netns=_program("slirp4netns")),
        free_range=first_free(subuid + "\n" + subgid),
        clone_switch=_read(CLONE_SWITCH),
        apparmor_switch=_read(APPARMOR_SWITCH),
        maximum=_read(MAXIMUM),
        confinement=_read("/proc/self/attr/current"),
    )


def ranges(text: str, name: str, uid: int) -> tuple[tuple[int, int], ...]:
    """(first, count) of each range of subuid(5) that names the user or the uid; what makes no sense is left out."""
    found = []
    for line in text.splitlines():
        owner, _, rest = line.strip().partition(":")
        first, _, count = rest.partition(":")
        if owner in (name, str(uid)) and first.isdigit() and count.isdigit() and int(count):
            found.append((int(first), int(count)))
    return tuple(found)


def first_free(text: str) -> int:
    """The first id above every range in the text of subuid(5), where a new range would be nobody else's."""
    ends = [_FIRST_RANGE]
    for line in text.splitlines():
        first, _, count = line.strip().partition(":")[2].partition(":")
        if first.isdigit() and count.isdigit():
            ends.append(int(first) + int(count))
    return max(ends)


def _user_name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _program(name: str) -> str:
    for folder in _FOLDERS:
        path = f"{folder}/{name}"
        if os.access(path, os.X_OK):
            return path
    return ""


def _read(path: str) -> str:
    try:
        return files.read_text(path).strip("\0\n ")
    except (OSError, UnicodeDecodeError):
        return ""
