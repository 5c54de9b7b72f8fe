"""Whether and when a container that has ended starts again: Docker's restart policies. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.model.container import RestartPolicy

FIRST_DELAY = 0.1
LONGEST_DELAY = 60.0
STEADY_SECONDS = 10.0


def wanted(policy: RestartPolicy, *, exit_code: int, restarts: int, stopped_by_user: bool) -> bool:
    """Whether *policy* asks for another start after *restarts* of them."""
    if stopped_by_user:
        return False
    if policy.name in ("always", "unless-stopped"):
        return True
    return policy.name == "on-failure" and exit_code != 0 and (policy.maximum == 0 or restarts < policy.maximum)


def delay(previous: float, ran_seconds: float) -> float:
    """Seconds to wait: doubled each time, and short again after a run of ten seconds."""
    if previous == 0 or ran_seconds >= STEADY_SECONDS:
        return FIRST_DELAY
    return min(previous * 2, LONGEST_DELAY)
