"""Limits as files and values, for both versions of control groups."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier.errors import Invalid
from pier.model.container import Resources
from pier.runtime import limits

MEGABYTE = 1 << 20


def told(wanted: Resources, *, unified: bool) -> dict[str, str]:
    return {item.file: item.value for item in limits.writes(wanted, unified=unified)}


def test_no_limit_writes_nothing() -> None:
    assert limits.writes(Resources(), unified=True) == limits.writes(Resources(), unified=False) == ()


@pytest.mark.parametrize(
    ("wanted", "first", "second"),
    [
        (
            Resources(memory=64 * MEGABYTE),
            {"memory.limit_in_bytes": "67108864", "memory.memsw.limit_in_bytes": "134217728"},
            {"memory.max": "67108864", "memory.swap.max": "67108864"},
        ),
        (
            Resources(memory=64 * MEGABYTE, memory_swap=64 * MEGABYTE),
            {"memory.limit_in_bytes": "67108864", "memory.memsw.limit_in_bytes": "67108864"},
            {"memory.max": "67108864", "memory.swap.max": "0"},
        ),
        (
            Resources(memory=64 * MEGABYTE, memory_swap=-1),
            {"memory.limit_in_bytes": "67108864", "memory.memsw.limit_in_bytes": "-1"},
            {"memory.max": "67108864", "memory.swap.max": "max"},
        ),
        (
            Resources(nano_cpus=500_000_000),
            {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"},
            {"cpu.max": "50000 100000"},
        ),
        (
            Resources(cpu_period=50_000, cpu_quota=25_000),
            {"cpu.cfs_period_us": "50000", "cpu.cfs_quota_us": "25000"},
            {"cpu.max": "25000 50000"},
        ),
        (Resources(cpu_shares=1024), {"cpu.shares": "1024"}, {"cpu.weight": "39"}),
        (Resources(pids_limit=-1), {"pids.max": "max"}, {"pids.max": "max"}),
        (Resources(pids_limit=7), {"pids.max": "7"}, {"pids.max": "7"}),
        (Resources(cpuset_cpus="0-1"), {"cpuset.cpus": "0-1"}, {"cpuset.cpus": "0-1"}),
    ],
)
def test_each_limit_has_its_file(wanted: Resources, first: dict[str, str], second: dict[str, str]) -> None:
    assert told(wanted, unified=False) == first
    assert told(wanted, unified=True) == second


def test_memory_is_raised_behind_its_sum_and_lowered_before_it() -> None:
    small, large = Resources(memory=32 * MEGABYTE), Resources(memory=64 * MEGABYTE)
    raised = [item.file for item in limits.changes(small, large, unified=False)]
    lowered = [item.file for item in limits.changes(large, small, unified=False)]
    assert raised == ["memory.memsw.limit_in_bytes", "memory.limit_in_bytes"]
    assert lowered == ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]


def test_what_stays_is_not_written_again() -> None:
    before = Resources(memory=32 * MEGABYTE, pids_limit=5)
    assert [item.file for item in limits.changes(before, before.replace(pids_limit=6), unified=True)] == ["pids.max"]


def test_a_new_kind_of_processor_limit_replaces_the_other() -> None:
    assert limits.merge(Resources(nano_cpus=1), [("cpu_quota", 5000)]) == Resources(cpu_quota=5000)
    assert limits.merge(Resources(cpu_quota=5000), [("nano_cpus", 1)]) == Resources(nano_cpus=1)


def test_what_is_not_in_force_is_said_in_one_sentence() -> None:
    assert limits.warning([]) == ""
    assert limits.warning(["memory"]).startswith("--memory is not in force")
    assert limits.warning(["memory", "cpus", "memory"]).startswith("--memory and --cpus are not in force")


@pytest.mark.parametrize(
    "wanted",
    [
        Resources(memory=MEGABYTE),
        Resources(memory_swap=64 * MEGABYTE),
        Resources(memory=64 * MEGABYTE, memory_swap=32 * MEGABYTE),
        Resources(memory=8 * MEGABYTE, memory_reservation=16 * MEGABYTE),
        Resources(nano_cpus=3_000_000_000),
        Resources(nano_cpus=1, cpu_period=50_000),
        Resources(cpu_period=10),
        Resources(cpu_quota=10),
        Resources(cpuset_cpus="2"),
        Resources(cpuset_cpus="1-0"),
        Resources(memory_swappiness=101),
        Resources(oom_score_adj=-1001),
    ],
)
def test_limits_that_cannot_be_meant_are_refused(wanted: Resources) -> None:
    with pytest.raises(Invalid):
        limits.check(wanted, cpus=2)


@given(st.integers(min_value=2, max_value=262_144))
def test_shares_map_into_the_range_of_weights(shares: int) -> None:
    assert 1 <= limits.weight(shares) <= 10_000


@given(st.sets(st.integers(min_value=0, max_value=4095), max_size=20))
def test_a_cpu_list_reads_back(numbers: set[int]) -> None:
    assert set(limits.parse_set(",".join(map(str, sorted(numbers))), "cpus")) == numbers
