"""Write compose files into a folder and load them, as the command line would."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from pier.compose.load import load
from pier.compose.locate import Request
from pier.compose.model import Project
from pier.errors import SyntaxProblem


class Folder:
    """A project's folder; `load` keeps the warnings in *warnings*."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warnings: list[str] = []

    def write(self, **files: str) -> Folder:
        """`compose_yaml=` writes compose.yaml; other names have their `__` as `/` and the last `_` as `.`."""
        for name, text in files.items():
            head, _, ending = name.replace("__", "/").rpartition("_")
            self.file(f"{head}.{ending}", text)
        return self

    def file(self, name: str, text: str) -> Folder:
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(textwrap.dedent(text))
        return self

    def load(self, *files: str, environ: dict[str, str] | None = None, **request: Any) -> Project:
        return load(
            Request(directory=str(self.path), environ={"HOME": "/home/me", **(environ or {})}, files=files, **request),
            self.warnings.append,
        )

    def problem(self, *files: str, **request: Any) -> SyntaxProblem:
        with pytest.raises(SyntaxProblem) as caught:
            self.load(*files, **request)
        return caught.value
