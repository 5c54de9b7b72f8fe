"""One command line from words to exit code, without a store."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pier import __version__

MAIN = Path(__file__).resolve().parents[3] / "src" / "pier" / "__main__.py"


def pier(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Started as the launcher starts it."""
    argv = [sys.executable, "-I", "-S", str(MAIN), *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]


def test_version_is_one_line():
    done = pier("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"pier version {__version__}\n", "")


@pytest.mark.parametrize("words", [(), ("--help",), ("help",), ("-h",)])
def test_without_a_command_the_overview_is_printed(words: tuple[str, ...]):
    done = pier(*words)
    assert done.returncode == 0
    assert "Common Commands:" in done.stdout


@pytest.mark.parametrize("words", [("help", "ps"), ("ps", "--help"), ("ps", "-h"), ("container", "ls", "--help")])
def test_help_of_a_command_is_the_same_from_everywhere(words: tuple[str, ...]):
    done = pier(*words)
    assert done.returncode == 0
    assert "List containers" in done.stdout
    assert "Aliases:\n  pier container ls, pier container list, pier container ps, pier ps\n" in done.stdout


def test_a_group_lists_its_commands():
    done = pier("volume")
    assert done.returncode == 0
    assert "  prune       Remove unused local volumes\n" in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("foo",), 1, "pier: 'foo' is not a pier command."),
        (("--foo",), 125, "unknown flag: --foo"),
        (("ps", "--foo"), 125, "unknown flag: --foo"),
        (("run", "--foo", "alpine"), 125, "unknown flag: --foo"),
        (("stop",), 1, '"pier stop" requires at least 1 argument.'),
        (("-H", "tcp://x", "ps"), 125, "pier does not support --host"),
        (("volume", "foo"), 1, "pier: 'volume foo' is not a pier command."),
        (("inspect", "--type", "foo", "x"), 1, 'unknown type: "foo"'),
    ],
)
def test_a_wrong_command_line_is_refused_in_words(words: tuple[str, ...], code: int, said: str):
    done = pier(*words)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


HELP = [sys.executable, "-I", "-S", str(MAIN), "--help"]


def test_a_reader_that_leaves_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(HELP, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert done.returncode == 141
    assert done.stderr == b""


def test_a_full_disk_behind_stdout_is_said():
    with open("/dev/full", "w") as full:
        done = subprocess.run(HELP, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "no space left on the disk" in done.stderr
    assert "Traceback" not in done.stderr
