"""`linux.resources` as writes to control group files, of version 1 or 2. Pure; what a version cannot do is refused by
name. See cgroups(7) and config-linux, "Control groups", of the OCI runtime specification.
"""

from __future__ import annotations

from pier.errors import Unsupported
from pier.model.record import Record
from pier.runtime.oci_section import Section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What every container may use, as the specification's default devices demand: (type, major, minor, access).
DEFAULT_DEVICES = (
    ("c", -1, -1, "m"),
    ("b", -1, -1, "m"),
    ("c", 1, 3, "rwm"),
    ("c", 1, 5, "rwm"),
    ("c", 1, 7, "rwm"),
    ("c", 1, 8, "rwm"),
    ("c", 1, 9, "rwm"),
    ("c", 5, 0, "rwm"),
    ("c", 5, 1, "rwm"),
    ("c", 5, 2, "rwm"),
    ("c", 136, -1, "rwm"),
)
_SHARES_RANGE = 262142


class Write(Record):
    """*text* into *file* of the container's group of *controller*; *field* asked for it."""

    controller: str
    file: str
    text: str
    field: str


class DeviceRule(Record):
    """One line of the device list: *kind* a, b or c; -1 is any number."""

    allow: bool
    kind: str
    major: int
    minor: int
    access: str

    @property
    def text(self) -> str:
        """As devices.allow and devices.deny of version 1 take it."""
        if self.kind == "a":
            return "a"
        numbers = ":".join("*" if number < 0 else str(number) for number in (self.major, self.minor))
        return f"{self.kind} {numbers} {self.access}"


def devices(resources: dict[str, Any], path: str, extra: tuple[tuple[str, int, int], ...]) -> tuple[DeviceRule, ...]:
    """The device rules in force, the last match deciding; none when the configuration names none.

    *extra*: the nodes of `linux.devices`, which the container is to use.
    """
    rules = []
    for number, item in enumerate(resources.get("devices") or ()):
        with Section(item, f"{path}.devices[{number}]") as section:
            rules.append(
                DeviceRule(
                    allow=section.flag("allow"),
                    kind=section.text("type") or "a",
                    major=section.number("major", -1),
                    minor=section.number("minor", -1),
                    access=section.text("access") or "rwm",
                )
            )
    if not rules:
        return ()
    allowed = DEFAULT_DEVICES + tuple((kind, major, minor, "rwm") for kind, major, minor in extra)
    return (*rules, *(DeviceRule(allow=True, kind=k, major=a, minor=i, access=w) for k, a, i, w in allowed))


def writes(resources: dict[str, Any], path: str, *, unified: bool) -> tuple[Write, ...]:
    """All writes in order, but for devices. Unsupported names the field that this version of cgroups cannot honour."""
    with Section(resources, path) as section:
        section.answered_elsewhere("devices")
        found = _memory(section.section("memory"), unified=unified)
        found += _cpu(section.section("cpu"), unified=unified)
        with section.section("pids") as pids:
            limit = pids.number("limit")
            if limit:
                found.append(_write("pids", "pids.max", str(limit) if limit > 0 else "max", pids.at("limit")))
        found += _block(section.section("blockIO"), unified=unified)
        found += _huge_pages(section, unified=unified)
        found += _rdma(section)
        with section.section("network") as network:
            found += _network(network, unified=unified)
        for name, text in section.pairs("unified").items():
            if not unified:
                raise _version(section.at("unified"), 1)
            found.append(_write(name.partition(".")[0], name, text, f"{section.at('unified')}.{name}"))
    return tuple(found)


def _write(controller: str, file: str, text: str, field: str) -> Write:
    return Write(controller=controller, file=file, text=text, field=field)


def _version(field: str, version: int) -> Unsupported:
    return Unsupported(f"{field} is not supported here", why=f"version {version} of control groups has no such limit")


def _memory(section: Section, *, unified: bool) -> list[Write]:
    found = []
    with section:
        for name in ("kernel", "kernelTCP"):
            section.refuse(name, "the kernel has given this limit up")
        section.flag("checkBeforeUpdate")
        limit, swap = section.number("limit"), section.number("swap")
        if limit:
            file = "memory.max" if unified else "memory.limit_in_bytes"
            found.append(_write("memory", file, _amount(limit, unified=unified), section.at("limit")))
        if swap:
            file = "memory.swap.max" if unified else "memory.memsw.limit_in_bytes"
            # Version 2 counts swap alone, the configuration memory and swap together.
            amount = swap - limit if unified and swap > 0 else swap
            found.append(_write("memory", file, _amount(amount, unified=unified), section.at("swap")))
        reservation = section.number("reservation")
        if reservation:
            file = "memory.low" if unified else "memory.soft_limit_in_bytes"
            found.append(_write("memory", file, _amount(reservation, unified=unified), section.at("reservation")))
        legacy = (
            ("memory.swappiness", "swappiness", str(section.number("swappiness")), section.has("swappiness")),
            ("memory.oom_control", "disableOOMKiller", "1", section.flag("disableOOMKiller")),
            ("memory.use_hierarchy", "useHierarchy", "1", section.flag("useHierarchy")),
        )
        for file, name, text, wanted in legacy:
            if wanted and unified:
                raise _version(section.at(name), 2)
            if wanted:
                found.append(_write("memory", file, text, section.at(name)))
    return found


def _amount(value: int, *, unified: bool) -> str:
    return "max" if unified and value < 0 else str(value)


def _cpu(section: Section, *, unified: bool) -> list[Write]:
    found = []
    with section:
        shares, quota, period = section.number("shares"), section.number("quota"), section.number("period")
        if shares:
            weight = 1 + (shares - 2) * 9999 // _SHARES_RANGE
            file, text = ("cpu.weight", str(weight)) if unified else ("cpu.shares", str(shares))
            found.append(_write("cpu", file, text, section.at("shares")))
        if unified and (quota or period):
            text = f"{quota if quota > 0 else 'max'} {period or 100000}"
            found.append(_write("cpu", "cpu.max", text, section.at("quota" if quota else "period")))
        elif period:
            found.append(_write("cpu", "cpu.cfs_period_us", str(period), section.at("period")))
        if quota and not unified:
            found.append(_write("cpu", "cpu.cfs_quota_us", str(quota), section.at("quota")))
        if section.number("burst"):
            file = "cpu.max.burst" if unified else "cpu.cfs_burst_us"
            found.append(_write("cpu", file, str(section.number("burst")), section.at("burst")))
        if section.number("idle"):
            found.append(_write("cpu", "cpu.idle", str(section.number("idle")), section.at("idle")))
        for name, file in (("realtimePeriod", "cpu.rt_period_us"), ("realtimeRuntime", "cpu.rt_runtime_us")):
            if section.number(name) and unified:
                raise _version(section.at(name), 2)
            if section.number(name):
                found.append(_write("cpu", file, str(section.number(name)), section.at(name)))
        for name in ("cpus", "mems"):
            if section.text(name):
                found.append(_write("cpuset", f"cpuset.{name}", section.text(name), section.at(name)))
    return found


def _block(section: Section, *, unified: bool) -> list[Write]:
    found = []
    throttles = (
        ("throttleReadBpsDevice", "read_bps", "rbps"),
        ("throttleWriteBpsDevice", "write_bps", "wbps"),
        ("throttleReadIOPSDevice", "read_iops", "riops"),
        ("throttleWriteIOPSDevice", "write_iops", "wiops"),
    )
    with section:
        for name in ("leafWeight", "weightDevice"):
            section.refuse(name, "the kernel's present schedulers have no such weight")
        if section.number("weight"):
            file = "io.bfq.weight" if unified else "blkio.weight"
            controller = "io" if unified else "blkio"
            found.append(_write(controller, file, str(section.number("weight")), section.at("weight")))
        for name, legacy, word in throttles:
            for item in section.sections(name):
                with item:
                    device = f"{item.number('major')}:{item.number('minor')}"
                    rate = item.number("rate")
                if unified:
                    found.append(_write("io", "io.max", f"{device} {word}={rate}", item.path))
                else:
                    found.append(_write("blkio", f"blkio.throttle.{legacy}_device", f"{device} {rate}", item.path))
    return found


def _huge_pages(section: Section, *, unified: bool) -> list[Write]:
    found = []
    for item in section.sections("hugepageLimits"):
        with item:
            file = f"hugetlb.{item.text('pageSize')}.{'max' if unified else 'limit_in_bytes'}"
            found.append(_write("hugetlb", file, str(item.number("limit")), item.path))
    return found


def _rdma(section: Section) -> list[Write]:
    found = []
    for device in section.whole("rdma"):
        with section.section("rdma").section(device) as item:
            words = [device]
            words += [f"hca_handle={item.number('hcaHandles')}"] if item.has("hcaHandles") else []
            words += [f"hca_object={item.number('hcaObjects')}"] if item.has("hcaObjects") else []
        found.append(_write("rdma", "rdma.max", " ".join(words), item.path))
    return found


def _network(section: Section, *, unified: bool) -> list[Write]:
    if unified:
        for name in ("classID", "priorities"):
            if section.has(name):
                raise _version(section.at(name), 2)
    found = []
    if section.number("classID"):
        found.append(_write("net_cls", "net_cls.classid", str(section.number("classID")), section.at("classID")))
    for item in section.sections("priorities"):
        with item:
            text = f"{item.text('name')} {item.number('priority')}"
        found.append(_write("net_prio", "net_prio.ifpriomap", text, item.path))
    return found
