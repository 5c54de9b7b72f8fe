"""From a spec and what this host offers to an ordered list of operations. Pure: it looks at nothing and does nothing.

The order follows the kernel's needs: the root first, then what lies on it, parents before children, then what hides
parts of it, and the change of root last, when every host path has been used.
"""

from __future__ import annotations

from pier.kernel import identity, mount, namespaces
from pier.model.record import Record
from pier.runtime import operations as op
from pier.runtime import security
from pier.runtime.program import DEFAULT_PATH, Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.model.container import ContainerSpec

_SAFE = mount.MS_NOSUID | mount.MS_NODEV | mount.MS_NOEXEC
_PROPAGATION = {
    "private": mount.MS_PRIVATE,
    "rprivate": mount.MS_PRIVATE,
    "slave": mount.MS_SLAVE,
    "rslave": mount.MS_SLAVE,
    "shared": mount.MS_SHARED,
    "rshared": mount.MS_SHARED,
}
_TMPFS_FLAGS = {
    "ro": mount.MS_RDONLY,
    "nosuid": mount.MS_NOSUID,
    "nodev": mount.MS_NODEV,
    "noexec": mount.MS_NOEXEC,
    "noatime": mount.MS_NOATIME,
}
_TMPFS_CLEARS = {"exec": mount.MS_NOEXEC, "suid": mount.MS_NOSUID}


class Root(Record):
    """The root file system: *lower* bottom first, *upper* and *work* unless it is read-only, mounted at *target*.

    *volatile*: what is written need not survive a crash of the machine.
    """

    lower: tuple[str, ...]
    upper: str = ""
    work: str = ""
    target: str
    volatile: bool = False


class BoundPath(Record):
    """A host path to be mounted: a volume (*fill* from the image when empty), a bind, or one of pier's own files."""

    source: str
    target: str
    read_only: bool = False
    fill: bool = False
    propagation: str = "rprivate"
    recursive: bool = True
    subpath: str = ""


class Tmpfs(Record):
    """A tmpfs with mount(8) words such as size=64m and mode=1777."""

    target: str
    options: tuple[str, ...] = ()


class Plan(Record):
    """All that the launch needs. *namespaces* are CLONE_NEW* flags; *join_network* and *joins* (by kind: pid, ipc) are
    namespace files instead. *hand_over_network*: the first process sends its network, which outsiders cannot open."""

    namespaces: int
    operations: tuple[op.Operation, ...]
    program: Program
    tty: bool = False
    stdin_open: bool = False
    init: bool = False
    join_network: str = ""
    hand_over_network: bool = False
    joins: dict[str, str] = {}

    def describe(self) -> list[str]:
        """One line an operation, in order, for `--debug`."""
        return [operation.describe() for operation in self.operations] + [f"Execute {' '.join(self.program.argv)}"]


class Facts(Record):
    """What the plan must know of the host: the highest capability, and the cgroup mounts to show (controller, path).

    *nested*: this process is in a user namespace other than the first; *one_id*: in which root is the only user.
    """

    last_capability: int
    cgroup_mounts: tuple[tuple[str, str], ...] = ()
    nested: bool = False
    one_id: bool = False


def build(
    spec: ContainerSpec,
    *,
    root: Root,
    paths: tuple[BoundPath, ...],
    tmpfs: tuple[Tmpfs, ...],
    hostname: str,
    seccomp: bytes,
    facts: Facts,
    join_network: str = "",
    joins: dict[str, str] | None = None,
) -> Plan:
    """The plan of a container. *paths* hold the host paths already resolved; Invalid for an unknown capability.

    *joins*: namespace files by kind, "shm" being the mount namespace that lends its /dev/shm.
    """
    privileged = spec.security.privileged
    joins = joins or {}
    steps: list[op.Operation] = [
        op.TakeTree(source=path.source, recursive=path.recursive) for path in paths if "shared" in path.propagation
    ]
    steps += [op.IsolateMounts(receive=any("slave" in path.propagation for path in paths))]
    steps += _root(root, privileged, facts)
    steps += _kernel_files(spec, facts, joins.get("shm", ""))
    steps += _user_mounts(paths, tmpfs, privileged)
    for key, value in sorted(spec.security.sysctls.items()):
        steps.append(op.SetSysctl(key=key, value=value))
    if spec.uts_mode != "host":
        steps.append(op.SetHostname(hostname=hostname, domainname=spec.domainname))
    if not privileged:
        steps += [op.Mask(path=path) for path in security.MASKED_PATHS]
        steps += [op.MakeReadOnly(path=path) for path in security.READ_ONLY_PATHS]
    read_only = spec.security.read_only
    steps.append(op.EnterRoot(read_only=read_only, cwd=spec.working_dir if read_only else ""))
    return Plan(
        namespaces=_namespaces(spec, join_network),
        operations=tuple(steps),
        program=_program(spec, hostname, seccomp, facts),
        tty=spec.tty,
        stdin_open=spec.stdin_open,
        init=spec.init,
        join_network=join_network,
        hand_over_network=facts.nested and spec.network_mode == "bridge",
        joins={kind: path for kind, path in joins.items() if kind in ("pid", "ipc")},
    )


def _namespaces(spec: ContainerSpec, join_network: str) -> int:
    flags = namespaces.CLONE_NEWNS | namespaces.CLONE_NEWCGROUP
    flags |= namespaces.CLONE_NEWPID if not spec.pid_mode else 0
    flags |= namespaces.CLONE_NEWIPC if spec.ipc_mode in ("private", "shareable", "none") else 0
    flags |= namespaces.CLONE_NEWUTS if spec.uts_mode != "host" else 0
    if spec.network_mode != "host" and not join_network:
        flags |= namespaces.CLONE_NEWNET
    return flags


def _root(root: Root, privileged: bool, facts: Facts) -> list[op.Operation]:
    # nodev: a container may make device nodes (CAP_MKNOD) but not open them, also where no device cgroup guards them.
    flags = 0 if privileged else mount.MS_NODEV
    return [
        op.MountOverlay(
            lower=root.lower,
            upper=root.upper,
            work=root.work,
            target=root.target,
            flags=flags,
            volatile=root.volatile,
            user_xattrs=facts.nested,
        )
    ]


def _shared_memory(spec: ContainerSpec, lender: str) -> list[op.Operation]:
    """/dev/shm goes with the IPC namespace, as in Docker: own, the host's, another container's, or none."""
    if spec.ipc_mode == "none":
        return []
    if spec.ipc_mode == "host":
        return [op.Bind(source="/dev/shm", target="/dev/shm")]
    if lender:
        return [op.BorrowMount(namespace=lender, path="/dev/shm", target="/dev/shm")]
    return [op.MountKind(kind="tmpfs", target="/dev/shm", flags=_SAFE, data=f"mode=1777,size={spec.shm_bytes}")]


def _kernel_files(spec: ContainerSpec, facts: Facts, lender: str = "") -> list[op.Operation]:
    """/proc, /dev and /sys as in moby's oci/defaults.go."""
    privileged = spec.security.privileged
    sys_flags = _SAFE | (0 if privileged else mount.MS_RDONLY)
    dev_flags = mount.MS_NOSUID | mount.MS_STRICTATIME | (0 if privileged else mount.MS_NODEV)
    steps: list[op.Operation] = [
        op.MountKind(kind="proc", target="/proc", flags=_SAFE),
        op.MountKind(kind="tmpfs", target="/dev", flags=dev_flags, data="mode=755,size=65536k"),
        op.MountKind(
            kind="devpts",
            target="/dev/pts",
            flags=mount.MS_NOSUID | mount.MS_NOEXEC,
            # Group tty, where there is such a group.
            data="newinstance,ptmxmode=0666,mode=0620" + ("" if facts.one_id else ",gid=5"),
        ),
        *_shared_memory(spec, lender),
        op.MountKind(kind="mqueue", target="/dev/mqueue", flags=_SAFE, optional=True),
        _sysfs(spec, facts, sys_flags),
    ]
    if facts.cgroup_mounts:
        steps.append(op.MountKind(kind="tmpfs", target="/sys/fs/cgroup", flags=_SAFE, data="mode=755", optional=True))
        steps += [op.CgroupMount(controller=name, read_only=not privileged) for name, _ in facts.cgroup_mounts]
        steps += [] if privileged else [op.MakeReadOnly(path="/sys/fs/cgroup")]
    for name in security.DEVICES:
        steps.append(op.Bind(source=f"/dev/{name}", target=f"/dev/{name}", recursive=False))
    for device in spec.security.devices:
        source, _, rest = device.partition(":")
        steps.append(op.Bind(source=source, target=rest.partition(":")[0] or source, recursive=False))
    for path, target in (
        ("/dev/ptmx", "pts/ptmx"),
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
        ("/dev/core", "/proc/kcore"),
    ):
        steps.append(op.Link(path=path, target=target))
    return steps


def _sysfs(spec: ContainerSpec, facts: Facts, flags: int) -> op.Operation:
    """A new sysfs needs rights over the network namespace that it shows; the host's can only be lent."""
    if facts.nested and spec.network_mode == "host":
        return op.Bind(source="/sys", target="/sys", flags=flags)
    return op.MountKind(kind="sysfs", target="/sys", flags=flags)


def _user_mounts(paths: tuple[BoundPath, ...], tmpfs: tuple[Tmpfs, ...], privileged: bool) -> list[op.Operation]:
    """Volumes, binds and tmpfs, parents before children."""
    keyed: list[tuple[str, list[op.Operation]]] = []
    for path in paths:
        steps: list[op.Operation] = []
        if path.fill:
            steps.append(op.FillVolume(volume=path.source, target=path.target))
        flags = (mount.MS_RDONLY if path.read_only else 0) | (0 if privileged else mount.MS_NODEV)
        steps.append(
            op.Bind(
                source=path.source,
                target=path.target,
                flags=flags,
                recursive=path.recursive,
                subpath=path.subpath,
                propagation=_PROPAGATION[path.propagation],
            )
        )
        keyed.append((path.target, steps))
    for item in tmpfs:
        flags, data = tmpfs_options(item.options, privileged=privileged)
        keyed.append((item.target, [op.MountKind(kind="tmpfs", target=item.target, flags=flags, data=data)]))
    keyed.sort(key=lambda pair: pair[0].rstrip("/").count("/"))
    return [step for _, steps in keyed for step in steps]


def tmpfs_options(words: tuple[str, ...], *, privileged: bool = False) -> tuple[int, str]:
    """(mount flags, data) of tmpfs options; nosuid, nodev and noexec unless a word clears them, as in Docker.

    "dev" is heard from privileged containers only: in Docker the device cgroup guards devices there, here nodev does.
    """
    flags, data = _SAFE, []
    for word in words:
        if word in _TMPFS_FLAGS:
            flags |= _TMPFS_FLAGS[word]
        elif word in _TMPFS_CLEARS:
            flags &= ~_TMPFS_CLEARS[word]
        elif word == "dev":
            flags &= ~mount.MS_NODEV if privileged else flags
        elif word != "rw":
            data.append(word)
    return flags, ",".join(data)


def _program(spec: ContainerSpec, hostname: str, seccomp: bytes, facts: Facts) -> Program:
    base = [f"PATH={DEFAULT_PATH}", f"HOSTNAME={hostname}"]
    if spec.tty:
        base.append("TERM=xterm")
    limits = tuple((limit.name, limit.soft, limit.hard) for limit in spec.resources.ulimits)
    return Program(
        argv=spec.argv,
        env=(*base, *spec.env),
        cwd=spec.working_dir or "/",
        user=spec.user,
        group_add=spec.security.group_add,
        capabilities=identity.mask_of(security.capabilities(spec.security)),
        last_capability=facts.last_capability,
        seccomp=seccomp,
        no_new_privileges=spec.security.no_new_privileges,
        limits=limits,
        oom_score_adj=spec.resources.oom_score_adj,
        one_id=facts.one_id,
    )
