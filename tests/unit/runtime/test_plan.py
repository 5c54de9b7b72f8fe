"""The plan of a container, printed and compared: what will be done, in which order, and with which flags."""

from __future__ import annotations

import pytest

from pier.errors import Invalid
from pier.kernel import identity, mount, namespaces
from pier.model.container import ContainerSpec, Resources, Security, Ulimit
from pier.runtime import operations, plan

_FACTS = plan.Facts(last_capability=40)
_ROOT = plan.Root(lower=("/l/base", "/l/top"), upper="/c/upper", work="/c/work", target="/c/root")

DEFAULT = """\
IsolateMounts
MountOverlay lower=['/l/base', '/l/top'] upper=/c/upper work=/c/work target=/c/root flags=4
MountKind kind=proc target=/proc flags=14
MountKind kind=tmpfs target=/dev flags=16777222 data=mode=755,size=65536k
MountKind kind=devpts target=/dev/pts flags=10 data=newinstance,ptmxmode=0666,mode=0620,gid=5
MountKind kind=tmpfs target=/dev/shm flags=14 data=mode=1777,size=67108864
MountKind kind=mqueue target=/dev/mqueue flags=14 optional=True
MountKind kind=sysfs target=/sys flags=15
Bind source=/dev/null target=/dev/null propagation=262144
Bind source=/dev/zero target=/dev/zero propagation=262144
Bind source=/dev/full target=/dev/full propagation=262144
Bind source=/dev/random target=/dev/random propagation=262144
Bind source=/dev/urandom target=/dev/urandom propagation=262144
Bind source=/dev/tty target=/dev/tty propagation=262144
Link target=pts/ptmx path=/dev/ptmx
Link target=/proc/self/fd path=/dev/fd
Link target=/proc/self/fd/0 path=/dev/stdin
Link target=/proc/self/fd/1 path=/dev/stdout
Link target=/proc/self/fd/2 path=/dev/stderr
Link target=/proc/kcore path=/dev/core
SetHostname hostname=box
Mask path=/proc/asound
Mask path=/proc/acpi
Mask path=/proc/interrupts
Mask path=/proc/kcore
Mask path=/proc/keys
Mask path=/proc/latency_stats
Mask path=/proc/timer_list
Mask path=/proc/timer_stats
Mask path=/proc/sched_debug
Mask path=/proc/scsi
Mask path=/sys/firmware
Mask path=/sys/devices/virtual/powercap
MakeReadOnly path=/proc/bus
MakeReadOnly path=/proc/fs
MakeReadOnly path=/proc/irq
MakeReadOnly path=/proc/sys
MakeReadOnly path=/proc/sysrq-trigger
EnterRoot
Execute sh -c true"""


def _spec(**changes: object) -> ContainerSpec:
    given = {"entrypoint": ("sh",), "command": ("-c", "true"), **changes}
    return ContainerSpec(id="0", name="box", created="", image="i", image_id="sha256:0", **given)  # type: ignore[arg-type]


def _build(
    spec: ContainerSpec,
    *,
    paths: tuple[plan.BoundPath, ...] = (),
    tmpfs: tuple[plan.Tmpfs, ...] = (),
    facts: plan.Facts = _FACTS,
    join_network: str = "",
) -> plan.Plan:
    return plan.build(
        spec,
        root=_ROOT,
        paths=paths,
        tmpfs=tmpfs,
        hostname="box",
        seccomp=b"" if spec.security.privileged else b"filter",
        facts=facts,
        join_network=join_network,
    )


def _difference(other: plan.Plan) -> tuple[list[str], list[str]]:
    """(lines only the default plan has, lines only *other* has)."""
    default, lines = DEFAULT.splitlines(), other.describe()
    return [line for line in default if line not in lines], [line for line in lines if line not in default]


def test_the_plan_of_a_default_container() -> None:
    assert "\n".join(_build(_spec()).describe()) == DEFAULT


def test_a_privileged_container_is_shown_everything_and_may_write_it() -> None:
    made = _build(_spec(security=Security(privileged=True)))
    gone, new = _difference(made)
    assert [line for line in gone if not line.startswith(("Mask", "MakeReadOnly"))] == [
        "MountOverlay lower=['/l/base', '/l/top'] upper=/c/upper work=/c/work target=/c/root flags=4",
        "MountKind kind=tmpfs target=/dev flags=16777222 data=mode=755,size=65536k",
        "MountKind kind=sysfs target=/sys flags=15",
    ]
    assert new == [
        "MountOverlay lower=['/l/base', '/l/top'] upper=/c/upper work=/c/work target=/c/root",
        "MountKind kind=tmpfs target=/dev flags=16777218 data=mode=755,size=65536k",
        "MountKind kind=sysfs target=/sys flags=14",
    ]
    assert not any(line.startswith(("Mask", "MakeReadOnly")) for line in made.describe())
    assert made.program.seccomp == b"" and made.program.capabilities == (1 << 41) - 1


def test_a_read_only_root_is_made_so_at_the_very_end() -> None:
    assert _difference(_build(_spec(security=Security(read_only=True)))) == (
        ["EnterRoot"],
        ["EnterRoot read_only=True cwd=/"],
    )


def test_parents_are_mounted_before_children_whatever_they_are() -> None:
    made = _build(
        _spec(),
        paths=(
            plan.BoundPath(source="/v/deep", target="/data/a/b"),
            plan.BoundPath(source="/v/data", target="/data", read_only=True, fill=True),
            plan.BoundPath(source="/v/resolv", target="/etc/resolv.conf"),
        ),
        tmpfs=(plan.Tmpfs(target="/data/a", options=("size=1m",)),),
    )
    nodev = f"flags={mount.MS_NODEV}"
    assert _difference(made)[1] == [
        "FillVolume volume=/v/data target=/data",
        "Bind source=/v/data target=/data flags=5 recursive=True propagation=262144",
        f"Bind source=/v/resolv target=/etc/resolv.conf {nodev} recursive=True propagation=262144",
        "MountKind kind=tmpfs target=/data/a flags=14 data=size=1m",
        f"Bind source=/v/deep target=/data/a/b {nodev} recursive=True propagation=262144",
    ]


def test_user_mounts_lie_over_the_kernels_and_below_the_masks() -> None:
    lines = _build(_spec(), paths=(plan.BoundPath(source="/v", target="/proc/x"),)).describe()
    own = lines.index("Bind source=/v target=/proc/x flags=4 recursive=True propagation=262144")
    assert lines.index("MountKind kind=proc target=/proc flags=14") < own < lines.index("Mask path=/proc/asound")


def test_a_slave_bind_lets_later_mounts_of_the_host_through() -> None:
    made = _build(_spec(), paths=(plan.BoundPath(source="/m", target="/m", propagation="rslave"),))
    assert made.operations[0] == operations.IsolateMounts(receive=True)
    assert made.operations[20] == operations.Bind(
        source="/m", target="/m", flags=mount.MS_NODEV, propagation=mount.MS_SLAVE
    )


def test_kernel_parameters_are_set_before_they_are_made_read_only() -> None:
    sysctls = {"net.core.somaxconn": "9", "kernel.shmmax": "1"}
    lines = _build(_spec(security=Security(sysctls=sysctls))).describe()
    first = lines.index("SetSysctl key=kernel.shmmax value=1")
    assert lines[first + 1] == "SetSysctl key=net.core.somaxconn value=9"
    assert first < lines.index("MakeReadOnly path=/proc/sys")


def test_devices_asked_for_are_bound_under_their_name_or_another() -> None:
    new = _difference(_build(_spec(security=Security(devices=("/dev/fuse", "/dev/sda:/dev/disk:rwm")))))[1]
    assert new == [
        "Bind source=/dev/fuse target=/dev/fuse propagation=262144",
        "Bind source=/dev/sda target=/dev/disk propagation=262144",
    ]


def test_control_groups_are_shown_read_only_unless_privileged() -> None:
    facts = plan.Facts(last_capability=40, cgroup_mounts=(("memory", "/sys/fs/cgroup/memory/x"),))
    assert operations.CgroupMount(controller="memory") in _build(_spec(), facts=facts).operations
    privileged = _build(_spec(security=Security(privileged=True)), facts=facts)
    assert operations.CgroupMount(controller="memory", read_only=False) in privileged.operations


_ISOLATED = (
    namespaces.CLONE_NEWNS
    | namespaces.CLONE_NEWPID
    | namespaces.CLONE_NEWIPC
    | namespaces.CLONE_NEWUTS
    | namespaces.CLONE_NEWCGROUP
)


@pytest.mark.parametrize(
    ("mode", "join", "own"),
    [("bridge", "", True), ("none", "", True), ("host", "", False), ("container:x", "/proc/7/ns/net", False)],
)
def test_a_container_has_namespaces_of_its_own_and_the_network_that_was_asked_for(
    mode: str, join: str, own: bool
) -> None:
    made = _build(_spec(network_mode=mode), join_network=join)
    assert made.namespaces == _ISOLATED | (namespaces.CLONE_NEWNET if own else 0)
    assert made.join_network == join


def test_the_program_is_told_who_what_and_within_which_limits() -> None:
    spec = _spec(
        env=("PATH=/bin", "A=1"),
        user="app:web",
        working_dir="/srv",
        tty=True,
        resources=Resources(ulimits=(Ulimit(name="nofile", soft=1, hard=2),), oom_score_adj=5),
        security=Security(no_new_privileges=True, group_add=("7",)),
    )
    program = _build(spec).program
    assert program.argv == ("sh", "-c", "true")
    assert program.env[-2:] == ("PATH=/bin", "A=1") and "HOSTNAME=box" in program.env and "TERM=xterm" in program.env
    assert (program.user, program.cwd, program.group_add) == ("app:web", "/srv", ("7",))
    assert (program.limits, program.oom_score_adj, program.no_new_privileges) == ((("nofile", 1, 2),), 5, True)
    assert program.capabilities == 0xA80425FB and program.seccomp == b"filter"


def test_an_unknown_capability_stops_the_plan() -> None:
    with pytest.raises(Invalid):
        _build(_spec(security=Security(cap_add=("FLY",))))


_SAFE = mount.MS_NOSUID | mount.MS_NODEV | mount.MS_NOEXEC


@pytest.mark.parametrize(
    ("words", "flags", "data"),
    [
        ((), _SAFE, ""),
        (("size=64m", "mode=1777"), _SAFE, "size=64m,mode=1777"),
        (("exec", "suid"), mount.MS_NODEV, ""),
        (("rw", "ro", "noatime"), _SAFE | mount.MS_RDONLY | mount.MS_NOATIME, ""),
        (("dev",), _SAFE, ""),
    ],
)
def test_a_tmpfs_is_safe_unless_it_is_said_otherwise_and_never_holds_devices(
    words: tuple[str, ...], flags: int, data: str
) -> None:
    assert plan.tmpfs_options(words) == (flags, data)


def test_a_privileged_tmpfs_may_hold_devices() -> None:
    assert plan.tmpfs_options(("dev",), privileged=True) == (_SAFE & ~mount.MS_NODEV, "")


def test_every_capability_has_a_number_the_mask_can_hold() -> None:
    assert identity.mask_of(tuple(identity.NUMBER_OF)) == (1 << 41) - 1
