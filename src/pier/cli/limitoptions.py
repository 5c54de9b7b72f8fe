"""The options for a container's limits, the same for `run`, `create` and `update`, and what they mean."""

from __future__ import annotations

from pier.cli.options import Option, flag, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pier.cli.options import Arguments

_CPU_NANOS = 1_000_000_000

CHANGEABLE: tuple[Option, ...] = (
    value("cpu-period", help="Limit CPU CFS (Completely Fair Scheduler) period", kind="int"),
    value("cpu-quota", help="Limit CPU CFS (Completely Fair Scheduler) quota", kind="int"),
    value("cpu-shares", "c", "CPU shares (relative weight)", kind="int"),
    value("cpus", help="Number of CPUs", kind="decimal"),
    value("cpuset-cpus", help="CPUs in which to allow execution (0-3, 0,1)"),
    value("cpuset-mems", help="MEMs in which to allow execution (0-3, 0,1)"),
    value("memory", "m", "Memory limit", kind="bytes"),
    value("memory-reservation", help="Memory soft limit", kind="bytes"),
    value("memory-swap", help="Swap limit equal to memory plus swap: '-1' to enable unlimited swap", kind="bytes"),
    value("pids-limit", help="Tune container pids limit (set -1 for unlimited)", kind="int"),
)
FIXED: tuple[Option, ...] = (
    value("memory-swappiness", help="Tune container memory swappiness (0 to 100)", kind="int", default=-1),
    flag("oom-kill-disable", help="Disable OOM Killer"),
    value("oom-score-adj", help="Tune host's OOM preferences (-1000 to 1000)", kind="int"),
)


def given(arguments: Arguments) -> tuple[tuple[str, Any], ...]:
    """(field of `Resources`, value) of each changeable limit that was typed."""
    found: list[tuple[str, Any]] = []
    for option in CHANGEABLE:
        if not arguments.given(option.name):
            continue
        if option.name == "cpus":
            found.append(("nano_cpus", round((arguments.decimal("cpus") or 0) * _CPU_NANOS)))
        elif option.kind == "string":
            found.append((option.name.replace("-", "_"), arguments.text(option.name)))
        else:
            found.append((option.name.replace("-", "_"), arguments.number(option.name) or 0))
    return tuple(found)
