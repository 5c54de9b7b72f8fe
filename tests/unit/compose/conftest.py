"""The folder a compose project of a test lives in."""

from __future__ import annotations

from pathlib import Path

import pytest

from unit.compose.projects import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    home = tmp_path / "demo"
    home.mkdir()
    return Folder(home)
