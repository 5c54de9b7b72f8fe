"""Progress: lines in place on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
import os

from pier.ui.progress import Progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal, of no known size."""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError


def test_a_pipe_gets_one_line_for_each_change_of_status():
    stream = io.StringIO()
    lines = Progress(stream)
    lines.update("abc", "Downloading", 10, 100)
    lines.update("abc", "Downloading", 50, 100)
    lines.update("abc", "Pull complete")
    lines.say("Digest: sha256:1")
    assert stream.getvalue() == "abc: Downloading\nabc: Pull complete\nDigest: sha256:1\n"


def test_a_terminal_gets_its_line_redrawn():
    stream = Terminal()
    lines = Progress(stream)
    lines.update("abc", "Waiting")
    lines.update("def", "Waiting")
    lines.update("abc", "Downloading", 500, 1000)
    assert stream.getvalue() == (
        "abc: Waiting\ndef: Waiting\n\x1b[2A\r\x1b[Kabc: Downloading [============>            ] 500B/1kB\x1b[2B\r"
    )


def test_a_line_never_wraps():
    stream = Terminal()
    Progress(stream).update("abc", "x" * 500)
    assert max(map(len, stream.getvalue().splitlines())) < 80


def test_after_an_end_lines_begin_anew():
    stream = Terminal()
    lines = Progress(stream)
    lines.update("abc", "Waiting")
    lines.say("said")
    lines.update("abc", "Waiting")
    assert stream.getvalue() == "abc: Waiting\nsaid\nabc: Waiting\n"


def test_a_terminal_that_tells_no_size_counts_as_eighty_columns():
    primary, secondary = os.openpty()
    with open(secondary, "w") as stream:
        Progress(stream).update("abc", "x" * 70)
    assert os.read(primary, 200) == b"abc: " + b"x" * 70 + b"\r\n"
    os.close(primary)
