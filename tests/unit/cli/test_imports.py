"""What the commands typed most may load, as a set: milliseconds belong to bench/."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[3] / "src"
MAIN = SOURCE / "pier" / "__main__.py"

# The interpreter's own start, what `os` brings, and modules written in C that cost nothing to speak of.
CHEAP = {
    "__future__",
    "__main__",
    "_abc",
    "_codecs",
    "_collections_abc",
    "_ctypes",
    "_io",
    "_json",
    "_signal",
    "_socket",
    "_stat",
    "_struct",
    "_thread",
    "_warnings",
    "_weakref",
    "abc",
    "atexit",
    "builtins",
    "codecs",
    "ctypes",
    "encodings",
    "errno",
    "fcntl",
    "gc",
    "genericpath",
    "io",
    "marshal",
    "os",
    "posix",
    "posixpath",
    "select",
    "stat",
    "struct",
    "termios",
    "sys",
    "time",
    "zipimport",
    # ctypes brings it for its fields' byte order.
    "types",
}


def loaded_by(root: Path, *words: str) -> set[str]:
    """Top-level modules that a command loads, started as the launcher starts it."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-X", "importtime", str(MAIN), "--root", str(root), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    names = [line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {name.partition(".")[0] for name in names} - {"imported package"}


@pytest.mark.parametrize(
    "words",
    [
        ("ps",),
        ("ps", "-a", "--filter", "name=x"),
        ("images",),
        ("run", "--help"),
        ("exec", "--help"),
        ("stop", "nobody"),
        ("start", "nobody"),
        ("logs", "nobody"),
        ("inspect", "nobody"),
        ("--version",),
    ],
    ids=" ".join,
)
def test_a_command_typed_all_day_loads_only_what_costs_nothing(words: tuple[str, ...], tmp_path: Path) -> None:
    surplus = {name for name in loaded_by(tmp_path, *words) - CHEAP - {"pier"} if not name.startswith("_frozen")}
    assert not surplus


@pytest.mark.parametrize("words", [("ps",), ("images",), ("inspect", "nobody"), ("--version",)], ids=" ".join)
def test_a_command_that_only_reads_does_not_load_the_c_library(words: tuple[str, ...], tmp_path: Path) -> None:
    assert "ctypes" not in loaded_by(tmp_path, *words)
