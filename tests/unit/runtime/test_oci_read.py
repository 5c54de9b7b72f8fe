"""config.json read: every field is honoured or refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bundles
import oci_schemas
from pier.errors import Invalid, PierError, Unsupported
from pier.kernel import mount
from pier.runtime import oci_features, oci_mounts, oci_read
from pier.runtime import oci_operations as oci
from pier.runtime import operations as op
from pier.runtime.oci_groups import Hierarchy, hierarchies
from pier.runtime.oci_state import State, Store

_V1 = tuple(Hierarchy(mount_point=f"/sys/fs/cgroup/{name}", controllers=(name,)) for name in ("cpu", "memory", "pids"))
_V2 = (Hierarchy(mount_point="/sys/fs/cgroup"),)


def _read(config: dict[str, Any], trees: tuple[Hierarchy, ...] = _V1, granted: int = (1 << 41) - 1) -> Any:
    facts = oci_read.Facts(last_capability=40, granted=granted, hierarchies=trees)
    return oci_read.read(config, identifier="c", bundle="/bundle", facts=facts, compile_filter=lambda _: b"filter")


def _changed(path: str, value: Any) -> dict[str, Any]:
    """runc's starter configuration with one field set."""
    config = bundles.starter()
    place: Any = config
    *parents, last = path.split(".")
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
    place[last] = value
    return config


def test_runcs_starter_configuration_is_valid_and_read() -> None:
    oci_schemas.check(bundles.starter(), "config")
    found = _read(bundles.starter())
    steps = found.plan.operations
    assert isinstance(steps[0], op.IsolateMounts)
    assert steps[1] == oci.BindRoot(source="/bundle/rootfs")
    assert steps[-1] == op.EnterRoot(read_only=True)
    assert oci.RaiseLoopback() in steps
    assert found.plan.program.limits == (("nofile", 1024, 1024),)
    assert found.group == "/pier/c"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("linux.intelRdt", {"closID": "x"}),
        ("linux.uidMappings", [{"containerID": 0, "hostID": 1, "size": 1}]),
        ("linux.timeOffsets", {"monotonic": {"secs": 1}}),
        ("linux.memoryPolicy", {"mode": "MPOL_BIND"}),
        ("linux.mountLabel", "label"),
        ("linux.personality", {"domain": "LINUX32"}),
        ("linux.netDevices", {"eth0": {}}),
        ("linux.rootfsPropagation", "shared"),
        ("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/s"}),
        ("linux.resources.memory", {"kernel": 1}),
        ("linux.resources.unified", {"cpu.max": "1"}),
        ("linux.resources.blockIO", {"leafWeight": 3}),
        ("linux.unheard", True),
        ("process.apparmorProfile", "p"),
        ("process.selinuxLabel", "l"),
        ("process.ioPriority", {"class": "IOPRIO_CLASS_RT"}),
        ("process.scheduler", {"policy": "SCHED_FIFO"}),
        ("process.execCPUAffinity", {"initial": "0"}),
        ("process.commandLine", "x"),
        ("process.user.username", "u"),
        ("process.unheard", 1),
        ("mounts.0.uidMappings", [{"containerID": 0, "hostID": 1, "size": 1}]),
        ("mounts.0.options", ["rro"]),
        ("mounts.0.unheard", "x"),
        ("windows", {"x": 1}),
        ("vm", {"x": 1}),
        ("unheard", {"x": 1}),
        ("linux.namespaces.0.type", "user"),
        ("linux.namespaces.0.unheard", "x"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(path: str, value: Any) -> None:
    with pytest.raises(Unsupported) as caught:
        _read(_changed(path, value))
    name = "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in path.split("."))[1:]
    assert name in caught.value.message


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("process.cwd", "relative", "process.cwd"),
        ("process.args", [], "process.args"),
        ("process.args", ["x", 1], "process.args[1]"),
        ("process.terminal", "yes", "process.terminal"),
        ("process.user.uid", -1, "process.user"),
        ("process.rlimits", [{"type": "RLIMIT_NOSUCH", "soft": 1, "hard": 1}], "process.rlimits[0].type"),
        ("process.rlimits", [{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}] * 2, "process.rlimits[1].type"),
        ("mounts.0.destination", "proc", "mounts[0].destination"),
        ("hooks.prestart", [{"path": "relative"}], "hooks.prestart[0].path"),
        ("hooks.prestart", [{"path": "/x", "timeout": 0}], "hooks.prestart[0].timeout"),
        ("linux.maskedPaths", ["proc"], "linux.maskedPaths"),
        ("linux.sysctl", {"kernel.panic": "1"}, "kernel.panic"),
        ("linux.devices", [{"type": "x", "path": "/dev/x"}], "linux.devices[0].type"),
        ("linux.namespaces.1.type", "pid", "linux.namespaces[1].type"),
        ("linux.namespaces.1.path", "net", "linux.namespaces[1].path"),
        ("mounts", {}, "mounts"),
    ],
)
def test_what_cannot_be_meant_is_named(path: str, value: Any, named: str) -> None:
    with pytest.raises(PierError) as caught:
        _read(_changed(path, value))
    assert named in caught.value.message


@pytest.mark.parametrize("name", ["ociVersion", "process", "root"])
def test_what_is_required_is_demanded(name: str) -> None:
    config = bundles.starter()
    del config[name]
    with pytest.raises(Invalid, match=name):
        _read(config)


def test_another_major_version_is_refused() -> None:
    with pytest.raises(Unsupported, match="2.0.0"):
        _read(_changed("ociVersion", "2.0.0"))


def test_fields_that_ask_for_nothing_are_no_reason_to_refuse() -> None:
    for path, value in (("linux.intelRdt", None), ("process.apparmorProfile", ""), ("linux.uidMappings", [])):
        _read(_changed(path, value))


def test_a_host_without_a_mount_namespace_is_not_changed() -> None:
    config = _changed("linux.namespaces", [{"type": "pid"}])
    with pytest.raises(Unsupported, match="mount namespace"):
        _read(config)


def test_capabilities_that_cannot_be_given_are_left_out_with_a_warning() -> None:
    config = bundles.starter()
    config["process"]["capabilities"]["bounding"] += ["CAP_NOSUCH", "CAP_SYS_ADMIN"]
    config["process"]["capabilities"]["ambient"] = ["CAP_KILL"]
    found = _read(config, granted=(1 << 41) - 1 - (1 << 21))
    assert found.plan.program.capabilities == 1 << 29 | 1 << 5 | 1 << 10
    assert found.plan.program.sets.ambient == 0
    assert [warning.partition(":")[0] for warning in found.process.warnings[:2]] == [
        "process.capabilities.bounding"
    ] * 2
    assert "ambient" in found.process.warnings[2]


def test_the_group_lies_below_its_tree_whatever_the_path() -> None:
    for path, group in (("/a/b", "/a/b"), ("a", "/pier/a"), ("/../../x", "/x"), ("../../x", "/x"), ("", "/pier/c")):
        assert _read(_changed("linux.cgroupsPath", path)).group == group


def test_limits_are_written_for_the_version_there_is() -> None:
    config = _changed("linux.resources", {"memory": {"limit": 10, "swap": 30}, "cpu": {"shares": 2, "quota": 5}})
    old = {write.file: write.text for write in _read(config).limits}
    new = {write.file: write.text for write in _read(config, _V2).limits}
    assert old == {
        "memory.limit_in_bytes": "10",
        "memory.memsw.limit_in_bytes": "30",
        "cpu.shares": "2",
        "cpu.cfs_quota_us": "5",
    }
    assert new == {"memory.max": "10", "memory.swap.max": "20", "cpu.weight": "1", "cpu.max": "5 100000"}


def test_the_last_word_on_devices_is_the_specifications() -> None:
    found = _read(_changed("linux.devices", [{"type": "c", "path": "/dev/x", "major": 10, "minor": 3}]))
    texts = [(rule.allow, rule.text) for rule in found.devices]
    assert texts[0] == (False, "a")
    assert (True, "c 1:3 rwm") in texts
    assert texts[-1] == (True, "c 10:3 rwm")
    assert oci.MakeNode(path="/dev/x", kind=0o020000, major=10, minor=3) in found.plan.operations


def test_a_bind_over_dev_keeps_its_devices() -> None:
    config = bundles.starter()
    config["mounts"] = [{"destination": "/dev", "source": "/d", "type": "bind", "options": ["rbind"]}]
    assert not [step for step in _read(config).plan.operations if isinstance(step, oci.MakeNode | op.Link)]


def test_trees_are_found_by_what_is_mounted() -> None:
    text = (
        "30 1 0:2 / /c/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "31 1 0:3 / /c/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
        "32 1 0:4 / /c/unified rw - cgroup2 cgroup2 rw,nsdelegate\n"
        "33 1 0:5 / /proc rw - proc proc rw\n"
    )
    assert hierarchies(text) == (
        Hierarchy(mount_point="/c/cpu,cpuacct", controllers=("cpu", "cpuacct")),
        Hierarchy(mount_point="/c/unified"),
    )


@given(st.lists(st.sampled_from([word for word in oci_mounts.KNOWN if word not in ("remount",)])))
def test_the_last_of_two_words_that_contradict_counts(words: list[str]) -> None:
    found = oci_mounts.parse((*words, "ro", "nosuid", "rw"), "options")
    assert not found.flags & mount.MS_RDONLY
    assert found.flags & mount.MS_NOSUID
    assert not found.data


@given(st.sets(st.sampled_from(["ro", "nosuid", "nodev", "noexec", "noatime", "relatime"])))
def test_flags_written_as_words_are_read_as_the_same_flags(words: set[str]) -> None:
    flags = oci_mounts.parse(tuple(words), "options").flags
    assert set(oci_mounts.words_of(flags)) == words
    assert oci_mounts.parse(tuple(oci_mounts.words_of(flags, "size=1m,mode=7")), "o").data == "size=1m,mode=7"


def test_features_follow_their_schema() -> None:
    oci_schemas.check(oci_features.features(last_capability=40), "features")


@pytest.mark.parametrize("annotations", [{}, {"a": "b"}])
def test_the_state_follows_its_schema(tmp_path: Any, annotations: dict[str, str]) -> None:
    store = Store(str(tmp_path / "states"))
    store.claim("c")
    store.write(State(version="1.0.2", id="c", bundle="/b", annotations=annotations))
    told: Callable[..., dict[str, Any]] = store.told
    for status in ("creating", "created", "running", "stopped"):
        oci_schemas.check(told(store.read("c"), status=status), "state")
    assert store.status(store.read("c")) == "creating"
    assert store.status(store.read("c").replace(pid=1, started=7)) == "stopped"


@pytest.mark.parametrize("identifier", ["", "..", "a/b", "a b"])
def test_an_id_is_a_plain_name(tmp_path: Any, identifier: str) -> None:
    with pytest.raises(Invalid):
        Store(str(tmp_path)).folder(identifier)
