"""The lab's application as a project of its own, and its image."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import Pier, Result

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "examples" / "simple-api"
BUILD_SECONDS = 300.0


@dataclass
class Stack:
    """A compose project in a folder, answering on *port*."""

    pier: Pier
    folder: Path
    port: int

    def __call__(self, *args: object, **options: object) -> Result:
        return self.pier("compose", *args, cwd=self.folder, timeout=BUILD_SECONDS, **options)

    def run(self, *args: object) -> Result:
        return self.pier.run("compose", *args, cwd=self.folder, timeout=BUILD_SECONDS)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace *old* by *new* in the project's file *name*."""
        path = self.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


def example_copy(target: Path) -> Path:
    """The example's files at *target*, with their times: the build cache sees the same context."""
    shutil.copytree(EXAMPLE, target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


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
