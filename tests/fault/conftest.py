"""The stage of the fault tests, and how many faults there are to be: PIER_FAULTS (default 20), from PIER_FAULT_SEED."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import CACHE, link_store, remove_store
from fault import aftermath, scenarios, strikes
from harness import CHECKOUT, Pier
from registry import FaultyRegistry, serving

_DEFAULT_FAULTS = 20


@pytest.fixture(scope="session")
def faults() -> int:
    """The number of faults in all."""
    return int(os.environ.get("PIER_FAULTS", _DEFAULT_FAULTS))


@pytest.fixture(scope="session")
def seed() -> int:
    return int(os.environ.get("PIER_FAULT_SEED", "1"))


@pytest.fixture(scope="module")
def fault_root(pier_command: list[str], image_store: Path) -> Iterator[Path]:
    """A store of these tests' own: whole images and nothing else, so that whatever comes to lie there is told."""
    if lacking := strikes.missing():
        pytest.skip(lacking)
    parent = CACHE / "sessions"
    parent.mkdir(parents=True, exist_ok=True)
    root = Path(tempfile.mkdtemp(prefix="f", dir=parent))
    link_store(image_store, root, ("images", "layers"))
    pier = Pier(pier_command, root, CHECKOUT)
    pier("builder", "prune", "-a", "-f")
    pier("image", "prune", "-f")
    aftermath.keep_something_precious(pier)
    yield root
    remove_store(pier)


@pytest.fixture
def stage(pier_command: list[str], fault_root: Path, tmp_path: Path) -> Iterator[scenarios.Stage]:
    """A store with a precious volume, project files in the working directory, and a registry."""
    pier = Pier(pier_command, fault_root, tmp_path)
    scenarios.furnish(tmp_path)
    with serving(FaultyRegistry()) as registry:
        registry.push("cut", scenarios.pushable(), "1")
        yield scenarios.Stage(pier, registry)
    pier.end_children()
    aftermath.Aftermath(scenarios.Stage(pier, registry)).sweep()
