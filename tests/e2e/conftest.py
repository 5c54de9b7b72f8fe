"""The lab's application as a project of its own, and its image."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import Pier
from project import BUILD_SECONDS, Stack, example_copy


@pytest.fixture
def stack(pier: Pier, tmp_path: Path, free_port: int) -> Stack:
    """The example in a project called simple-api; nothing is up yet."""
    pier.extra_env = {"API_PORT": str(free_port)}
    return Stack(pier, example_copy(tmp_path / "simple-api"), free_port)


@pytest.fixture
def simple_api(pier: Pier, tmp_path: Path) -> str:
    """The image of the lab's API; the first test that asks for it builds it."""
    pier("build", "-t", "simple-api", ".", cwd=example_copy(tmp_path / "context"), timeout=BUILD_SECONDS)
    return "simple-api"
