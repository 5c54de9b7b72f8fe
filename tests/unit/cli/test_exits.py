"""Errors become words on stderr and exit codes, in one place."""

from __future__ import annotations

import errno

import pytest

from pier import errors
from pier.cli import exits
from pier.cli.options import Misuse


def test_an_error_says_what_why_and_fix():
    problem = errors.Conflict("port 80 is taken", why="held by nginx (pid 812)", hint="stop it\nor -p 81:80")
    assert exits.describe(problem) == (
        "Error: port 80 is taken\n  why: held by nginx (pid 812)\n  fix: stop it\n       or -p 81:80"
    )


def test_a_syntax_problem_points_at_its_column():
    problem = errors.SyntaxProblem("unknown instruction ECHO", file="Dockerfile", line=3, column=2, text="\tECHO hi\n")
    assert exits.describe(problem) == "Error: Dockerfile:3:2: unknown instruction ECHO\n  | \tECHO hi\n  | \t^"


@pytest.mark.parametrize(
    ("raised", "failure", "code"),
    [
        (errors.NotFound("No such container: x"), 1, 1),
        (errors.NotFound("No such image: x"), 125, 125),
        (errors.CommandNotFound("no such program"), 1, 127),
        (errors.NotExecutable("not executable"), 125, 126),
        (Misuse("unknown flag: --foo", 125), 1, 125),
        (KeyboardInterrupt(), 1, 130),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), 1, 1),
        (ZeroDivisionError("division by zero"), 1, 1),
    ],
)
def test_each_error_has_its_exit_code(
    raised: BaseException, failure: int, code: int, capsys: pytest.CaptureFixture[str]
):
    assert exits.report(raised, debug=False, failure=failure) == code
    assert "Traceback" not in capsys.readouterr().err


def test_ctrl_c_is_said_in_a_word(capsys: pytest.CaptureFixture[str]):
    exits.report(KeyboardInterrupt(), debug=False)
    assert capsys.readouterr().err == "Interrupted\n"


def test_a_full_disk_is_no_bug(capsys: pytest.CaptureFixture[str]):
    exits.report(OSError(errno.ENOSPC, "No space left on device", "/x"), debug=False)
    said = capsys.readouterr().err
    assert "no space left on the disk while writing /x" in said
    assert "pier system df" in said
    assert "bug" not in said


def test_the_unexpected_is_a_bug_to_report(capsys: pytest.CaptureFixture[str]):
    exits.report(ZeroDivisionError("division by zero"), debug=False)
    said = capsys.readouterr().err
    assert "ZeroDivisionError: division by zero" in said
    assert "this is a bug in pier" in said


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]):
    def fail() -> int:
        raise ZeroDivisionError("division by zero")

    assert exits.guarded(fail, debug=True) == 1
    assert "Traceback" in capsys.readouterr().err
