"""The example as a compose project in a folder of its own."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from harness import CHECKOUT, Pier, Result

EXAMPLE = CHECKOUT / "examples" / "simple-api"
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
