"""What the first process says to the monitor arrives whole: messages, fds and errors."""

from __future__ import annotations

import errno
import inspect
import os

import pytest

from pier import errors
from pier.runtime import handshake

_KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.PierError) and kind not in (errors.SyntaxProblem, errors.Corrupt)
]


@pytest.mark.parametrize("kind", _KINDS)
def test_an_error_arrives_with_its_class_and_words(kind: type[errors.PierError]) -> None:
    ours, theirs = handshake.pair()
    handshake.send(theirs, handshake.describe(kind("what é", why="why", hint="hint"), "stage"))
    message, fd = handshake.receive(ours)
    assert message is not None and fd == -1
    error = handshake.raised(message)
    assert (type(error), error.message, error.why, error.hint) == (kind, "what é", "why", "hint")


def test_an_oserror_arrives_with_its_number_its_file_and_the_stage() -> None:
    error = handshake.raised(handshake.describe(FileNotFoundError(errno.ENOENT, "No such file", "/x"), "Bind /x"))
    assert type(error) is errors.PierError
    assert "Bind /x" in error.message
    assert "No such file /x (errno 2)" in error.why


def test_what_nobody_expected_arrives_as_a_bug() -> None:
    error = handshake.raised(handshake.describe(ZeroDivisionError("by zero"), "stage"))
    assert isinstance(error, errors.Bug) and "ZeroDivisionError: by zero (stage)" in error.message


def test_an_fd_travels_with_its_message_and_closes_on_exec() -> None:
    ours, theirs = handshake.pair()
    read, write = os.pipe()
    handshake.send(theirs, {"terminal": True}, write)
    os.close(write)
    message, fd = handshake.receive(ours)
    assert message == {"terminal": True} and not os.get_inheritable(fd)
    os.write(fd, b"through")
    assert os.read(read, 10) == b"through"
    os.close(fd)
    os.close(read)


def test_messages_stay_apart_and_the_end_is_none() -> None:
    ours, theirs = handshake.pair()
    handshake.send(theirs, {"ready": True})
    handshake.send(theirs, {"executing": True})
    theirs.close()
    assert [handshake.receive(ours)[0] for _ in range(3)] == [{"ready": True}, {"executing": True}, None]


def test_sending_to_nobody_is_a_broken_pipe() -> None:
    ours, theirs = handshake.pair()
    ours.close()
    with pytest.raises(BrokenPipeError):
        handshake.send(theirs, {"ready": True})
