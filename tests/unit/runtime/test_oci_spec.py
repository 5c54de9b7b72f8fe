"""A plan written as config.json: valid by the specification's schema, and read back as the same container."""

from __future__ import annotations

from typing import Any

import pytest

import oci_schemas
from pier.errors import Unsupported
from pier.kernel import namespaces
from pier.model.container import ContainerSpec, Resources, Security, Ulimit
from pier.runtime import oci_read, oci_seccomp, oci_spec, plan, security
from pier.runtime.oci_groups import Hierarchy
from pier.runtime.users import Identity

_ROOT_USER = Identity(uid=0, gid=0)
_ROOT = plan.Root(lower=("/l",), upper="/u", work="/w", target="/root")
_BINDS = (
    plan.BoundPath(source="/store/hosts", target="/etc/hosts"),
    plan.BoundPath(source="/store/data", target="/data", read_only=True, fill=True),
)


def _spec(**changes: Any) -> ContainerSpec:
    return ContainerSpec(
        id="a" * 64, name="n", created="", image="i", image_id="sha256:i", command=("true",), **changes
    )


def _plan(spec: ContainerSpec, paths: tuple[plan.BoundPath, ...] = _BINDS, **more: Any) -> plan.Plan:
    return plan.build(
        spec,
        root=_ROOT,
        paths=paths,
        tmpfs=(plan.Tmpfs(target="/t", options=("size=1m",)),),
        hostname="h",
        seccomp=b"",
        facts=plan.Facts(last_capability=40, cgroup_mounts=(("cpu", "/c/cpu"), ("pids", "/c/pids"))),
        **more,
    )


def _bundle(spec: ContainerSpec, who: Identity = _ROOT_USER, **more: Any) -> dict[str, Any]:
    profile = oci_seccomp.expand(
        security.seccomp_profile(""), machine="x86_64", capabilities=security.DEFAULT_CAPABILITIES, kernel=(6, 1)
    )
    planned = more.pop("planned", None) or _plan(spec)
    return oci_spec.bundle(planned, root="/root", who=who, seccomp=profile, cgroups_path="/pier/a", **more)


def _mount(config: dict[str, Any], target: str) -> dict[str, Any]:
    (found,) = [entry for entry in config["mounts"] if entry["destination"] == target]
    return dict(found)


SPECS = {
    "plain": _spec(),
    "terminal": _spec(tty=True, user="1000"),
    "privileged": _spec(security=Security(privileged=True)),
    "restrained": _spec(
        security=Security(read_only=True, no_new_privileges=True, sysctls={"net.ipv4.ip_forward": "1"})
    ),
    "host network": _spec(network_mode="host"),
    "limits": _spec(resources=Resources(memory=64 << 20, ulimits=(Ulimit(name="nofile", soft=1, hard=-1),))),
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_what_is_written_follows_the_schema(spec: ContainerSpec) -> None:
    oci_schemas.check(_bundle(spec, resources=spec.resources), "config")


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_piers_own_reader_takes_what_is_written(spec: ContainerSpec) -> None:
    facts = oci_read.Facts(
        last_capability=40,
        granted=(1 << 41) - 1,
        hierarchies=tuple(
            Hierarchy(mount_point=f"/c/{name}", controllers=(name,)) for name in ("cpu", "pids", "memory")
        ),
    )
    config = {**_bundle(spec), "root": {"path": "/root", "readonly": spec.security.read_only}}
    # Recursive attributes are for the kernels that runtimes in Go and C ask by themselves.
    for entry in config["mounts"]:
        entry["options"] = [word for word in entry["options"] if word != "rro"]
    read = oci_read.read(config, identifier="a", bundle="/b", facts=facts, compile_filter=lambda _: b"filter")
    own = _plan(spec)
    assert read.plan.namespaces == own.namespaces
    assert read.plan.program.argv == own.program.argv
    assert read.plan.program.capabilities == own.program.capabilities
    assert read.plan.tty == own.tty
    assert read.process.warnings == ()


def test_what_runtimes_do_by_themselves_is_left_out() -> None:
    targets = [entry["destination"] for entry in _bundle(_spec())["mounts"]]
    assert not [target for target in targets if target in ("/dev/null", "/dev/fd", "/dev/ptmx")]
    assert targets.count("/sys/fs/cgroup") == 1
    assert _mount(_bundle(_spec()), "/sys/fs/cgroup")["type"] == "cgroup"


def test_the_root_and_the_filling_of_volumes_come_before() -> None:
    kinds = [type(step).__name__ for step in oci_spec.prelude(_plan(_spec()))]
    assert kinds == ["MountOverlay", "FillVolume"]


def test_runtimes_may_make_nodes_in_dev_and_a_device_list_guards_them() -> None:
    config = _bundle(_spec(), devices=(("c", 10, 229),))
    assert "nodev" not in _mount(config, "/dev")["options"]
    rules = config["linux"]["resources"]["devices"]
    assert rules[0] == {"allow": False, "access": "rwm"}
    assert {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rwm"} in rules


def test_a_bind_says_how_it_is_mounted() -> None:
    config = _bundle(_spec(), plain_files=frozenset({"/store/hosts"}))
    assert _mount(config, "/etc/hosts")["options"] == ["bind", "private", "nodev"]
    assert _mount(config, "/data")["options"] == ["rbind", "rprivate", "ro", "nodev", "rro"]


def test_root_keeps_its_capabilities_and_others_keep_none() -> None:
    own = _bundle(_spec())["process"]["capabilities"]
    other = _bundle(_spec(), who=Identity(uid=5, gid=5, groups=(5, 10)))["process"]
    assert own["effective"] == own["bounding"] == other["capabilities"]["bounding"]
    assert other["capabilities"]["effective"] == other["capabilities"]["permitted"] == []
    assert other["user"]["additionalGids"] == [5, 10]


def test_namespaces_of_others_are_joined_by_their_files() -> None:
    planned = _plan(_spec(network_mode="container:x"), join_network="/proc/7/ns/net")
    found = {entry["type"]: entry.get("path") for entry in _bundle(_spec(), planned=planned)["linux"]["namespaces"]}
    assert found["network"] == "/proc/7/ns/net"
    assert found["pid"] is None
    assert not planned.namespaces & namespaces.CLONE_NEWNET


def test_limits_become_resources() -> None:
    wanted = Resources(memory=64 << 20, nano_cpus=1_500_000_000, cpuset_cpus="0", pids_limit=9)
    found = _bundle(_spec(), resources=wanted)["linux"]["resources"]
    assert found["memory"] == {"limit": 64 << 20, "swap": 128 << 20}
    assert found["cpu"] == {"quota": 150_000, "period": 100_000, "cpus": "0"}
    assert found["pids"] == {"limit": 9}


def test_a_domain_name_is_written_for_runtimes_that_know_no_such_field() -> None:
    config = _bundle(_spec(domainname="example"))
    assert config["hostname"] == "h"
    assert config["linux"]["sysctl"]["kernel.domainname"] == "example"


def test_what_no_other_runtime_can_do_is_refused() -> None:
    with pytest.raises(Unsupported, match="--init"):
        _bundle(_spec(init=True))
    shared = (plan.BoundPath(source="/s", target="/t", propagation="rshared"),)
    with pytest.raises(Unsupported, match="--runtime"):
        _bundle(_spec(), planned=_plan(_spec(), shared))


def test_the_profile_is_expanded_for_the_capabilities_held() -> None:
    profile = security.seccomp_profile("")

    def names(*capabilities: str) -> set[str]:
        found = oci_seccomp.expand(profile, machine="x86_64", capabilities=capabilities, kernel=(6, 1))
        assert not [entry for entry in found["syscalls"] if "includes" in entry or "excludes" in entry]
        return {name for entry in found["syscalls"] for name in entry["names"]}

    assert "mount" in names("CAP_SYS_ADMIN")
    assert "mount" not in names("CAP_CHOWN")
