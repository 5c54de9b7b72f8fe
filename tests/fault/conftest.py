"""The stage of the fault tests, and how many faults there are to be: PIER_FAULTS (default 20), from PIER_FAULT_SEED."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fault import aftermath, scenarios, strikes
from harness import Pier
from registry import FaultyRegistry, serving

_DEFAULT_FAULTS = 20


@pytest.fixture(scope="session")
def faults() -> int:
    """The number of faults in all."""
    return int(os.environ.get("PIER_FAULTS", _DEFAULT_FAULTS))


@pytest.fixture(scope="session")
def seed() -> int:
    return int(os.environ.get("PIER_FAULT_SEED", "1"))


@pytest.fixture
def stage(pier: Pier, tmp_path: Path) -> Iterator[scenarios.Stage]:
    """A store with a precious volume, project files in the working directory, and a registry."""
    if lacking := strikes.missing():
        pytest.skip(lacking)
    scenarios.furnish(tmp_path)
    aftermath.keep_something_precious(pier)
    with serving(FaultyRegistry()) as registry:
        registry.push("cut", scenarios.pushable(), "1")
        yield scenarios.Stage(pier, registry)
    pier.run("image", "prune", "-f")
