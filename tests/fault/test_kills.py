"""kill -9 at any point of any command: no lie, no leak, no lost byte, and every command works afterwards.

The points are found by tracing the command once; a seed chooses among them. PIER_FAULTS sets how many.
"""

from __future__ import annotations

import random

import pytest

from fault import strikes
from fault.aftermath import Aftermath
from fault.scenarios import SCENARIOS, Scenario, Stage

# Of the faults, this part is shots at random moments at random processes; the rest are chosen system calls.
_SHOTS = 0.2


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_command_killed_before_any_system_call_harms_nothing(
    stage: Stage, scenario: Scenario, faults: int, seed: int
) -> None:
    count = max(1, round(faults * (1 - _SHOTS) / len(SCENARIOS)))
    aftermath = Aftermath(stage)
    words = stage.prepare(scenario)
    found = strikes.points(stage.pier, words, stdin=scenario.stdin, cwd=stage.pier.cwd)
    aftermath.sweep()
    for point in strikes.chosen(found, count, seed):
        words = stage.prepare(scenario)
        strikes.strike(stage.pier, point, words, stdin=scenario.stdin, cwd=stage.pier.cwd)
        aftermath.judge(f"pier {' '.join(words)} killed {point}")
        stage.repeat(scenario)
        aftermath.sweep()
    aftermath.verdict()


def test_any_process_shot_at_any_moment_harms_nothing(stage: Stage, faults: int, seed: int) -> None:
    source = random.Random(seed)
    aftermath = Aftermath(stage)
    for _ in range(max(1, round(faults * _SHOTS))):
        scenario = source.choice(SCENARIOS)
        words = stage.prepare(scenario)
        shot = strikes.shoot(
            stage.pier, words, source, stdin=scenario.stdin, cwd=stage.pier.cwd, longest=scenario.longest
        )
        aftermath.judge(f"pier {' '.join(words)}, and {shot} is shot")
    aftermath.verdict()
