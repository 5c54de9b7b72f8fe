"""A plan as config.json of an OCI bundle, for another runtime to run. Pure: `prelude` says what is to be done before.

What the other runtime does by itself is left out: the standard devices and links of /dev. What it cannot do is refused.
"""

from __future__ import annotations

from pier.errors import Bug, Unsupported
from pier.kernel import identity, mount, namespaces
from pier.runtime import limits, oci_mounts, security
from pier.runtime import operations as op

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pier.model.container import Resources
    from pier.runtime.plan import Plan
    from pier.runtime.program import Program
    from pier.runtime.users import Identity

VERSION = "1.0.2"
_NAME_OF = {"mnt": "mount", "net": "network"}
_OWN_LINKS = ("/dev/ptmx", "/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/core")
_INFINITE = (1 << 64) - 1
_BEFORE = (op.MountOverlay, op.FillVolume)


def prelude(plan: Plan) -> tuple[op.Operation, ...]:
    """What must have been done, in a mount namespace of the caller's, before a runtime is given the bundle."""
    return tuple(step for step in plan.operations if isinstance(step, _BEFORE))


def bundle(
    plan: Plan,
    *,
    root: str,
    who: Identity,
    seccomp: dict[str, Any] | None,
    cgroups_path: str,
    plain_files: frozenset[str] = frozenset(),
    resources: Resources | None = None,
    devices: tuple[tuple[str, int, int], ...] = (),
    privileged: bool = False,
    annotations: dict[str, str] | None = None,
) -> dict[str, Any]:
    """The configuration of *plan*, its root file system lying at *root* and its user resolved to *who*.

    *plain_files*: sources of binds that are no directories. *devices*: (type, major, minor) of those it may use
    beyond the standard ones. Unsupported names what no OCI runtime can do.
    """
    if plan.init:
        raise Unsupported("--init needs pier's own runtime", hint="leave --runtime out, or have an init in the image")
    writer = _Writer(plain_files)
    for step in plan.operations:
        if not isinstance(step, _BEFORE):
            writer.add(step)
    linux: dict[str, Any] = {
        "cgroupsPath": cgroups_path,
        "namespaces": _namespaces(plan),
        "resources": {**_resources(resources), "devices": _device_rules(devices, privileged=privileged)},
        "rootfsPropagation": writer.propagation,
        "maskedPaths": writer.masked,
        "readonlyPaths": writer.read_only,
    }
    if writer.sysctls:
        linux["sysctl"] = writer.sysctls
    if seccomp is not None:
        linux["seccomp"] = seccomp
    config: dict[str, Any] = {
        "ociVersion": VERSION,
        "process": _process(plan.program, who, terminal=plan.tty),
        "root": {"path": root, "readonly": writer.read_only_root},
        "mounts": writer.mounts,
        "linux": linux,
    }
    if writer.hostname:
        config["hostname"] = writer.hostname
    if annotations:
        config["annotations"] = dict(annotations)
    return config


class _Writer:
    """Collects what operations become."""

    def __init__(self, plain_files: frozenset[str]) -> None:
        self._plain_files = plain_files
        self.mounts: list[dict[str, Any]] = []
        self.masked: list[str] = []
        self.read_only: list[str] = []
        self.sysctls: dict[str, str] = {}
        self.hostname = ""
        self.propagation = "private"
        self.read_only_root = False

    def add(self, step: op.Operation) -> None:
        if isinstance(step, op.MountKind):
            self._kind(step)
        elif isinstance(step, op.CgroupMount):
            self._cgroup(step)
        elif isinstance(step, op.Bind):
            self._bind(step)
        elif isinstance(step, op.Mask):
            self.masked.append(step.path)
        elif isinstance(step, op.MakeReadOnly):
            self.read_only.append(step.path)
        elif isinstance(step, op.SetSysctl):
            self.sysctls[step.key.replace("/", ".")] = step.value
        elif isinstance(step, op.SetHostname):
            self.hostname = step.hostname
            if step.domainname:
                # As a sysctl, because not every runtime reads the field `domainname`.
                self.sysctls["kernel.domainname"] = step.domainname
        elif isinstance(step, op.IsolateMounts):
            self.propagation = "slave" if step.receive else "private"
        elif isinstance(step, op.EnterRoot):
            self.read_only_root = step.read_only
        elif isinstance(step, (op.TakeTree, op.BorrowMount)):
            raise Unsupported(
                "--runtime: another runtime cannot take mounts from other mount namespaces",
                why=step.describe(),
                hint="leave --runtime out",
            )
        elif not (isinstance(step, op.Link) and step.path in _OWN_LINKS):
            raise Bug(f"no OCI form is known for {step.describe()}")

    def _kind(self, step: op.MountKind) -> None:
        # A runtime makes nodes in /dev, and its device list guards them.
        flags = step.flags & ~mount.MS_NODEV if step.target == "/dev" else step.flags
        options = oci_mounts.words_of(flags, step.data)
        self.mounts.append({"destination": step.target, "type": step.kind, "source": step.kind, "options": options})

    def _cgroup(self, step: op.CgroupMount) -> None:
        """One entry stands for all controllers, and for the tmpfs that pier puts below them."""
        if self.mounts and self.mounts[-1]["destination"] == "/sys/fs/cgroup":
            if self.mounts[-1]["type"] == "cgroup":
                return
            self.mounts.pop()
        options = ["nosuid", "noexec", "nodev", "relatime", "ro" if step.read_only else "rw"]
        self.mounts.append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": options})

    def _bind(self, step: op.Bind) -> None:
        if step.target == step.source and step.target in [f"/dev/{name}" for name in security.DEVICES]:
            return
        if step.subpath:
            raise Unsupported(
                f"--runtime: no part of a volume can be mounted at {step.target}", hint="leave --runtime out"
            )
        # Nothing lies below a file, and crun demands a directory for what goes below.
        recursive = step.recursive and step.source not in self._plain_files
        options = ["rbind" if recursive else "bind"]
        options.append(oci_mounts.propagation_word(step.propagation, recursive=recursive))
        options += oci_mounts.words_of(step.flags)
        if recursive and step.flags & mount.MS_RDONLY:
            options.append("rro")
        self.mounts.append({"destination": step.target, "type": "bind", "source": step.source, "options": options})


def _namespaces(plan: Plan) -> list[dict[str, str]]:
    joined = {**plan.joins, **({"net": plan.join_network} if plan.join_network else {})}
    found = []
    for kind, flag in namespaces.FLAG_OF.items():
        name = _NAME_OF.get(kind, kind)
        if kind in joined:
            found.append({"type": name, "path": joined[kind]})
        elif plan.namespaces & flag:
            found.append({"type": name})
    return found


def _process(program: Program, who: Identity, *, terminal: bool) -> dict[str, Any]:
    env = dict(item.partition("=")[::2] for item in program.env)
    if not env.get("HOME"):
        env["HOME"] = who.home
    names = ["CAP_" + name for number, name in enumerate(identity.CAPABILITIES) if program.capabilities >> number & 1]
    # Who is not root keeps none, as in pier's own runtime.
    kept = names if who.uid == 0 else []
    process: dict[str, Any] = {
        "terminal": terminal,
        "user": {"uid": who.uid, "gid": who.gid, "umask": program.umask, "additionalGids": list(who.groups)},
        "args": list(program.argv),
        "env": [f"{name}={value}" for name, value in env.items()],
        "cwd": program.cwd,
        "capabilities": {"bounding": names, "effective": kept, "permitted": kept, "inheritable": [], "ambient": []},
        "noNewPrivileges": program.no_new_privileges,
        "rlimits": [
            {"type": f"RLIMIT_{name.upper()}", "soft": _limit(soft), "hard": _limit(hard)}
            for name, soft, hard in program.limits
        ],
    }
    if program.oom_score_adj:
        process["oomScoreAdj"] = program.oom_score_adj
    return process


def _limit(value: int) -> int:
    return _INFINITE if value < 0 else value


def _device_rules(devices: tuple[tuple[str, int, int], ...], *, privileged: bool) -> list[dict[str, Any]]:
    if privileged:
        return [{"allow": True, "access": "rwm"}]
    return [{"allow": False, "access": "rwm"}] + [
        {"allow": True, "type": kind, "major": major, "minor": minor, "access": "rwm"} for kind, major, minor in devices
    ]


def _resources(wanted: Resources | None) -> dict[str, Any]:
    """`linux.resources`; empty without *wanted*, for a caller who puts the limits in force himself."""
    if wanted is None:
        return {}
    memory = {
        "limit": wanted.memory,
        "swap": limits.swap_total(wanted),
        "reservation": wanted.memory_reservation,
        "swappiness": wanted.memory_swappiness if wanted.memory_swappiness >= 0 else None,
        "disableOOMKiller": wanted.oom_kill_disable or None,
    }
    quota = wanted.cpu_quota or wanted.nano_cpus * limits.PERIOD // 1_000_000_000
    cpu = {
        "shares": wanted.cpu_shares,
        "quota": quota,
        "period": wanted.cpu_period or (limits.PERIOD if quota else 0),
        "cpus": wanted.cpuset_cpus,
        "mems": wanted.cpuset_mems,
    }
    found: dict[str, Any] = {}
    for name, fields in (("memory", memory), ("cpu", cpu)):
        kept = {field: value for field, value in fields.items() if value or (field == "swappiness" and value == 0)}
        if kept:
            found[name] = kept
    if wanted.pids_limit:
        found["pids"] = {"limit": wanted.pids_limit}
    return found
