"""The disk is full at any step of any command: it fails or succeeds, and leaves a store that is whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fault import strikes
from fault.aftermath import Aftermath
from fault.scenarios import SCENARIOS, Scenario, Stage

# The calls that answer ENOSPC; write(2) is left out, for it also serves pipes and the kernel's own files.
_GROWING = ("link", "linkat", "mkdir", "mkdirat", "rename", "renameat", "renameat2", "symlink", "symlinkat")
# This part of PIER_FAULTS.
_PART = 0.3


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_command_that_finds_no_room_at_any_step_harms_nothing(
    stage: Stage, scenario: Scenario, faults: int, seed: int
) -> None:
    count = round(faults * _PART / len(SCENARIOS))
    if not count and SCENARIOS.index(scenario) % 4 != seed % 4:
        pytest.skip(f"PIER_FAULTS={faults} asks for fewer")
    count = max(1, count)
    aftermath = Aftermath(stage)
    words = stage.prepare(scenario)
    found = strikes.points(stage.pier, words, stdin=scenario.stdin, cwd=stage.pier.cwd)
    aftermath.sweep()
    growing = [replace(point, effect="error=ENOSPC") for point in found if point.call in _GROWING]
    for point in strikes.chosen(growing, count, seed):
        words = stage.prepare(scenario)
        strikes.strike(stage.pier, point, words, stdin=scenario.stdin, cwd=stage.pier.cwd)
        aftermath.judge(f"pier {' '.join(words)} {point}")
    aftermath.verdict()
