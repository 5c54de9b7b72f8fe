"""What the commands typed most import when they really run: the set, not the milliseconds (those are bench's)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness import Pier

TOO_DEAR = {
    "argparse", "asyncio", "collections", "contextlib", "dataclasses", "enum", "functools", "inspect", "json",
    "logging", "pathlib", "re", "shutil", "signal", "site", "socket", "subprocess", "tempfile", "threading", "typing",
    "httpx", "pydantic", "rich", "yaml",
}  # fmt: skip


def _imported(pier: Pier, *words: str) -> set[str]:
    """Modules imported by the command and by the monitor it forks."""
    launcher = Path(pier.command[0])
    (main,) = launcher.parent.parent.glob("lib/python3.*/site-packages/pier/__main__.py")
    argv = [launcher.parent / "python3", "-I", "-S", "-X", "importtime", main, *words]
    done = subprocess.run(argv, capture_output=True, text=True, env=pier.env, check=False)
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    assert done.returncode == 0 and lines, done.stderr[-2000:]
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--rm", "alpine", "true"),
        ("run", "--rm", "--network", "none", "-e", "A=b", "-v", "/tmp:/data", "alpine", "true"),
        ("run", "-d", "--name", "other", "-p", "127.0.0.1::80", "alpine", "true"),
        ("exec", "box", "true"),
        ("ps",),
        ("ps", "-a"),
        ("logs", "box"),
        ("images",),
        ("stop", "-t", "0", "box"),
        ("restart", "-t", "0", "box"),
        ("rm", "-f", "box"),
    ],
    ids=" ".join,
)
def test_a_command_typed_often_imports_nothing_dear(pier: Pier, words: tuple[str, ...]) -> None:
    pier("run", "-d", "--name", "box", "alpine", "sleep", "1000")
    found = _imported(pier, *words)
    assert "pier.cli.main" in found
    assert not found & TOO_DEAR
