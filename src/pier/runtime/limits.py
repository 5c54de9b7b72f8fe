"""From the limits asked for and the control groups there are to files and values: cgroups(7), both versions. Pure.

Version 1: Documentation/admin-guide/cgroup-v1; version 2: Documentation/admin-guide/cgroup-v2.rst of the kernel.
"""

from __future__ import annotations

from pier.errors import Invalid
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pier.model.container import Resources

PERIOD = 100_000
SMALLEST_MEMORY = 6 << 20
_NANO = 1_000_000_000
_UNLIMITED = -1
_LEAST_SHARES, _MOST_SHARES = 2, 262_144


class Write(Record):
    """*value* into *file* of the container's group of *controller*; *option* is what asked for it."""

    controller: str
    file: str
    value: str
    option: str


def writes(wanted: Resources, *, unified: bool) -> tuple[Write, ...]:
    """What puts *wanted* in force, in an order the kernel takes for a group without limits."""
    return _version_2(wanted) if unified else _version_1(wanted)


def changes(before: Resources, wanted: Resources, *, unified: bool) -> tuple[Write, ...]:
    """What turns *before* into *wanted* on a running container."""
    present = {(item.controller, item.file): item.value for item in writes(before, unified=unified)}
    found = [
        item for item in writes(wanted, unified=unified) if present.get((item.controller, item.file)) != item.value
    ]
    if not unified and (wanted.memory > before.memory > 0 or wanted.memory < 0):
        # memory.limit_in_bytes may never exceed memory.memsw.limit_in_bytes: on the way up, the sum goes first.
        found.sort(key=lambda item: item.file != "memory.memsw.limit_in_bytes")
    return tuple(found)


def controllers(wanted: Resources) -> tuple[str, ...]:
    """The controllers that *wanted* needs, each once."""
    return tuple(dict.fromkeys(item.controller for item in _version_1(wanted)))


def swap_total(wanted: Resources) -> int:
    """Memory and swap together: Docker's default is twice the memory; -1 unlimited, 0 where no limit was asked for."""
    if wanted.memory <= 0:
        return wanted.memory
    return wanted.memory_swap or 2 * wanted.memory


def quota(wanted: Resources) -> tuple[int, int]:
    """(quota, period) in microseconds; quota 0 when none is asked."""
    if wanted.nano_cpus:
        return wanted.nano_cpus * PERIOD // _NANO, PERIOD
    return wanted.cpu_quota, wanted.cpu_period or PERIOD


def _version_1(wanted: Resources) -> tuple[Write, ...]:
    found: list[Write] = []

    def put(controller: str, file: str, value: object, option: str) -> None:
        found.append(Write(controller=controller, file=f"{controller}.{file}", value=str(value), option=option))

    if wanted.memory:
        put("memory", "limit_in_bytes", wanted.memory, "memory")
        put("memory", "memsw.limit_in_bytes", swap_total(wanted), "memory-swap" if wanted.memory_swap else "memory")
    if wanted.memory_reservation:
        put("memory", "soft_limit_in_bytes", wanted.memory_reservation, "memory-reservation")
    if wanted.memory_swappiness >= 0:
        put("memory", "swappiness", wanted.memory_swappiness, "memory-swappiness")
    if wanted.oom_kill_disable:
        put("memory", "oom_control", 1, "oom-kill-disable")
    if wanted.cpu_shares:
        put("cpu", "shares", wanted.cpu_shares, "cpu-shares")
    limit, period = quota(wanted)
    if wanted.nano_cpus or wanted.cpu_period:
        put("cpu", "cfs_period_us", period, "cpus" if wanted.nano_cpus else "cpu-period")
    if limit:
        put("cpu", "cfs_quota_us", limit, "cpus" if wanted.nano_cpus else "cpu-quota")
    if wanted.cpuset_cpus:
        put("cpuset", "cpus", wanted.cpuset_cpus, "cpuset-cpus")
    if wanted.cpuset_mems:
        put("cpuset", "mems", wanted.cpuset_mems, "cpuset-mems")
    if wanted.pids_limit:
        put("pids", "max", "max" if wanted.pids_limit < 0 else wanted.pids_limit, "pids-limit")
    return tuple(found)


def _version_2(wanted: Resources) -> tuple[Write, ...]:
    found: list[Write] = []

    def put(controller: str, file: str, value: object, option: str) -> None:
        found.append(Write(controller=controller, file=f"{controller}.{file}", value=str(value), option=option))

    if wanted.memory:
        total = swap_total(wanted)
        put("memory", "max", "max" if wanted.memory < 0 else wanted.memory, "memory")
        swap = "max" if total == _UNLIMITED else total - wanted.memory
        put("memory", "swap.max", swap, "memory-swap" if wanted.memory_swap else "memory")
    if wanted.memory_reservation:
        put("memory", "low", wanted.memory_reservation, "memory-reservation")
    if wanted.memory_swappiness >= 0:
        put("memory", "swappiness", wanted.memory_swappiness, "memory-swappiness")
    if wanted.oom_kill_disable:
        put("memory", "oom_control", 1, "oom-kill-disable")
    if wanted.cpu_shares:
        put("cpu", "weight", weight(wanted.cpu_shares), "cpu-shares")
    limit, period = quota(wanted)
    if limit or wanted.cpu_period:
        put("cpu", "max", f"{limit if limit > 0 else 'max'} {period}", "cpus" if wanted.nano_cpus else "cpu-quota")
    if wanted.cpuset_cpus:
        put("cpuset", "cpus", wanted.cpuset_cpus, "cpuset-cpus")
    if wanted.cpuset_mems:
        put("cpuset", "mems", wanted.cpuset_mems, "cpuset-mems")
    if wanted.pids_limit:
        put("pids", "max", "max" if wanted.pids_limit < 0 else wanted.pids_limit, "pids-limit")
    return tuple(found)


def weight(shares: int) -> int:
    """cpu.weight (1 to 10000) for version 1's cpu.shares (2 to 262144), as the OCI runtimes map them."""
    bounded = min(max(shares, _LEAST_SHARES), _MOST_SHARES)
    return 1 + (bounded - _LEAST_SHARES) * 9999 // (_MOST_SHARES - _LEAST_SHARES)


def warning(missing: Iterable[str]) -> str:
    """One sentence on the options that are not in force here; "" when all are."""
    names = ["--" + name for name in dict.fromkeys(missing)]
    if not names:
        return ""
    joined = names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
    verb, what = ("is", "it") if len(names) == 1 else ("are", "them")
    return f"{joined} {verb} not in force: this machine offers no control group for {what} that can be written"


def check(wanted: Resources, *, cpus: int) -> None:
    """Invalid, in Docker's words, for limits that cannot be meant on a machine of *cpus* processors."""
    _check_memory(wanted)
    if wanted.nano_cpus and (wanted.cpu_period or wanted.cpu_quota):
        other = "Period" if wanted.cpu_period else "Quota"
        raise Invalid(f"Conflicting options: Nano CPUs and CPU {other} cannot both be set.")
    if wanted.nano_cpus < 0 or wanted.nano_cpus > cpus * _NANO:
        raise Invalid(f"range of CPUs is from 0.01 to {cpus:.2f}, as there are only {cpus} CPUs available")
    if wanted.cpu_period and not 1000 <= wanted.cpu_period <= 1_000_000:
        raise Invalid("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
    if 0 < wanted.cpu_quota < 1000:
        raise Invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)")
    if wanted.cpu_shares < 0:
        raise Invalid(f"invalid CPU shares ({wanted.cpu_shares}): value must be a positive integer")
    for kind, text in (("cpus", wanted.cpuset_cpus), ("mems", wanted.cpuset_mems)):
        numbers = parse_set(text, kind)
        if kind == "cpus" and any(number >= cpus for number in numbers):
            raise Invalid(f"Requested CPUs are not available - requested {text}, available: 0-{cpus - 1}")
    if not -1000 <= wanted.oom_score_adj <= 1000:
        raise Invalid(f"Invalid value {wanted.oom_score_adj}, range for oom score adj is [-1000, 1000]")


def _check_memory(wanted: Resources) -> None:
    memory, total, soft = wanted.memory, wanted.memory_swap, wanted.memory_reservation
    if 0 < memory < SMALLEST_MEMORY:
        raise Invalid("Minimum memory limit allowed is 6MB", hint="-m 6m or more")
    if total > 0 and memory <= 0:
        raise Invalid("You should always set the Memory limit when using Memoryswap limit, see usage")
    if 0 < total < memory:
        raise Invalid("Minimum memoryswap limit should be larger than memory limit, see usage")
    if 0 < memory < soft:
        raise Invalid("Minimum memory limit can not be less than memory reservation limit, see usage")
    if 0 < soft < SMALLEST_MEMORY:
        raise Invalid("Minimum memory reservation allowed is 6MB")
    if not -1 <= wanted.memory_swappiness <= 100:
        raise Invalid(f"Invalid value: {wanted.memory_swappiness}, valid memory swappiness range is 0-100")


def parse_set(text: str, kind: str) -> tuple[int, ...]:
    """The numbers in `0-3,5` (cpuset(7), "List format"). Invalid."""
    found: set[int] = set()
    for part in text.split(",") if text else ():
        first, dash, last = part.partition("-")
        last = last if dash else first
        if not (first.isdigit() and last.isdigit() and int(first) <= int(last) < 4096):
            raise Invalid(f"Invalid value {text} for cpuset {kind}", hint="such as 0-3 or 0,1")
        found.update(range(int(first), int(last) + 1))
    return tuple(sorted(found))


def merge(before: Resources, given: Sequence[tuple[str, object]]) -> Resources:
    """*before* with what `update` was *given*; a new kind of processor limit replaces the other kind."""
    changed = dict(given)
    if changed.get("nano_cpus"):
        changed = {"cpu_period": 0, "cpu_quota": 0, **changed}
    elif changed.get("cpu_period") or changed.get("cpu_quota"):
        changed = {"nano_cpus": 0, **changed}
    return before.replace(**changed)
