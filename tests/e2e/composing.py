"""A compose project of a test: a folder with a compose file, and the commands run in it."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pexpect

from harness import Pier, Result


@dataclass
class Project:
    """The project `demo` in *folder*."""

    pier: Pier
    folder: Path

    def write(self, text: str, name: str = "compose.yaml") -> Project:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return self

    def __call__(self, *args: object, **options: Any) -> Result:
        return self.pier("compose", *args, cwd=self.folder, **options)

    def run(self, *args: object, **options: Any) -> Result:
        return self.pier.run("compose", *args, cwd=self.folder, **options)

    def fails(self, *args: object, code: int = 1, **options: Any) -> Result:
        return self.pier.fails("compose", *args, code=code, cwd=self.folder, **options)

    def terminal(self, *args: object) -> pexpect.spawn[str]:
        return self.pier.terminal("compose", *args, cwd=self.folder)

    def ids(self) -> dict[str, str]:
        """Name → id of every container."""
        return {row["Name"]: row["ID"] for row in self("ps", "-a", "--format", "json").rows()}

    def states(self) -> dict[str, str]:
        """Name → state of every container."""
        return {row["Name"]: row["State"] for row in self("ps", "-a", "--format", "json").rows()}

    def lines(self, *services: str) -> list[str]:
        """The logs of *services*, without prefixes."""
        return self("logs", "--no-log-prefix", *services).lines
