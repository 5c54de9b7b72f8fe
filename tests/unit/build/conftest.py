"""Fixtures of the build tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unit.build.workbench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    if os.geteuid() != 0:
        pytest.skip("needs root: files of an image belong to uid 0")
    return Bench(tmp_path)
