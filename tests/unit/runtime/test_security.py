"""Capabilities and kernel parameters: Docker's defaults and what the options make of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier.errors import Invalid, NotFound
from pier.kernel import identity
from pier.model.container import Security
from pier.runtime import security

_NAMES = st.lists(st.sampled_from([*identity.NUMBER_OF, "ALL"]), max_size=4).map(tuple)


def _mask(**options: object) -> int:
    return identity.mask_of(security.capabilities(Security(**options)))  # type: ignore[arg-type]


def test_the_default_set_is_dockers() -> None:
    assert _mask() == 0xA80425FB


def test_names_are_taken_in_any_case_with_and_without_their_prefix() -> None:
    assert _mask(cap_add=("net_admin",)) == _mask(cap_add=("CAP_NET_ADMIN",)) == 0xA80425FB | 1 << 12


def test_all_can_be_dropped_and_single_ones_kept() -> None:
    assert _mask(cap_drop=("ALL",)) == 0
    assert _mask(cap_drop=("ALL",), cap_add=("CHOWN",)) == 1
    assert _mask(cap_add=("ALL",), cap_drop=("CHOWN",)) == (1 << len(identity.CAPABILITIES)) - 2


def test_privileged_has_all_whatever_else_is_said() -> None:
    assert _mask(privileged=True, cap_drop=("ALL",)) == (1 << len(identity.CAPABILITIES)) - 1


@given(_NAMES, _NAMES)
def test_what_is_dropped_by_name_is_never_held(add: tuple[str, ...], drop: tuple[str, ...]) -> None:
    names = security.capabilities(Security(cap_add=add, cap_drop=drop))
    assert not set(names) & (set(drop) - {"ALL"})
    assert (set(add) - set(drop) - {"ALL"}) <= set(names)
    assert list(names) == [name for name in identity.NUMBER_OF if name in names]


@pytest.mark.parametrize("options", [{"cap_add": ("FLY",)}, {"cap_drop": ("FLY",)}, {"cap_add": ("",)}])
def test_an_unknown_capability_is_refused_even_when_privileged(options: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(Invalid):
        _mask(privileged=True, **options)


def test_capability_numbers_are_the_kernels() -> None:
    assert identity.NUMBER_OF["CAP_SYS_ADMIN"] == 21 and identity.NUMBER_OF["CAP_CHECKPOINT_RESTORE"] == 40
    assert identity.last_capability() <= 63


@pytest.mark.parametrize("key", ["net.ipv4.ip_forward", "net/core/somaxconn", "kernel.shmmax", "fs.mqueue.msg_max"])
def test_parameters_of_the_containers_namespaces_may_be_set(key: str) -> None:
    security.check_sysctls({key: "1"}, own_network=True)


@pytest.mark.parametrize(
    "key", ["kernel.sysrq", "vm.swappiness", "fs.file-max", "kernel.core_pattern", "net/../kernel/sysrq", "", "net"]
)
def test_parameters_of_the_host_are_refused(key: str) -> None:
    with pytest.raises(Invalid, match="namespace"):
        security.check_sysctls({key: "1"}, own_network=True)


def test_network_parameters_need_a_network_of_ones_own() -> None:
    with pytest.raises(Invalid, match="not allowed here"):
        security.check_sysctls({"net.ipv4.ip_forward": "1"}, own_network=False)


@pytest.mark.parametrize("text", ["not json", "{}", "[]", '{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[1]}'])
def test_a_file_that_is_no_seccomp_profile_is_invalid(tmp_path: object, text: str) -> None:
    path = f"{tmp_path}/profile.json"
    with open(path, "w") as stream:
        stream.write(text)
    with pytest.raises(Invalid, match="profile"):
        security.seccomp_program(Security(seccomp=path), (), str(tmp_path))


def test_a_missing_seccomp_profile_is_named() -> None:
    with pytest.raises(NotFound, match="/absent"):
        security.seccomp_program(Security(seccomp="/absent"), (), "/nowhere")
