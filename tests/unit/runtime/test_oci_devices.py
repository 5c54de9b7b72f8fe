"""The device list of version 2: an eBPF program, asked of the kernel itself."""

from __future__ import annotations

import os
import struct
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from pier.runtime import oci_cgroup, oci_devices

_DENY_ALL = {"allow": False, "access": "rwm"}


@pytest.fixture
def group() -> Iterator[Path]:
    """A version 2 control group of the test's own."""
    for place in (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")):
        if (place / "cgroup.controllers").exists() and os.geteuid() == 0:
            folder = place / f"pier-test-{uuid.uuid4().hex[:8]}"
            break
    else:
        pytest.skip("needs root and a cgroup v2 tree")
    folder.mkdir()
    yield folder
    folder.rmdir()


def _opens(group: Path, path: str, flags: int) -> bool:
    """Whether a process in the group may open *path*."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            (group / "cgroup.procs").write_text("0")
            os.open(path, flags)
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0


def test_the_list_decides_what_may_be_opened(group: Path) -> None:
    rules = [_DENY_ALL, {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"}]
    oci_devices.attach(str(group), oci_cgroup.devices({"devices": rules}, "r", ()))
    assert _opens(group, "/dev/null", os.O_RDWR)
    assert not _opens(group, "/dev/kmsg", os.O_WRONLY)


def test_a_later_rule_has_the_last_word(group: Path) -> None:
    rules = [_DENY_ALL, {"allow": True, "type": "c", "access": "rwm"}]
    found = oci_cgroup.devices({"devices": rules}, "r", ())
    denied = oci_cgroup.DeviceRule(allow=False, kind="c", major=1, minor=3, access="w")
    oci_devices.attach(str(group), (*found, denied))
    assert _opens(group, "/dev/null", os.O_RDONLY)
    assert not _opens(group, "/dev/null", os.O_WRONLY)
    assert _opens(group, "/dev/zero", os.O_WRONLY)


def test_a_rule_for_everything_ends_the_program() -> None:
    rules = oci_cgroup.devices({"devices": [_DENY_ALL, {"allow": True, "type": "a"}]}, "r", ())
    code = oci_devices.compile_rules(rules)
    assert len(code) % 8 == 0
    assert struct.unpack("<BBhi", code[-8:])[0] == 0x95
    assert len(oci_devices.compile_rules(rules[-3:])) < len(code)


def test_no_rules_means_no_program() -> None:
    assert oci_cgroup.devices({}, "r", (("c", 1, 3),)) == ()
