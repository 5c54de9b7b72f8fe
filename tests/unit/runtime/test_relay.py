"""The command's side of an attached container, against a monitor played over a real socket."""

from __future__ import annotations

import json
import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier import errors
from pier.runtime import frames, handshake
from pier.runtime.relay import Relay, parse_detach_keys


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("ctrl-p,ctrl-q", b"\x10\x11"),
        ("ctrl-@", b"\x00"),
        ("a,ctrl-]", b"a\x1d"),
        ("ctrl-[,x", b"\x1bx"),
        ("ctrl-_", b"\x1f"),
    ],
)
def test_detach_keys_are_read_as_docker_reads_them(text: str, keys: bytes) -> None:
    assert parse_detach_keys(text) == keys


@pytest.mark.parametrize("text", ["", "ctrl", "ctrl-", "ctrl-1", "ctrl-ab", "ab", "a,,b", "alt-a"])
def test_other_detach_keys_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_detach_keys(text)


class Talk:
    """A relay and the far end of its stream."""

    def __init__(self) -> None:
        ours, self.monitor = socket.socketpair()
        self.warned: list[str] = []
        self.relay = Relay(ours.detach(), terminal=True, warn=self.warned.append)

    def say(self, kind: bytes, payload: bytes = b"") -> None:
        self.monitor.sendall(frames.encode(kind, payload))

    def end(self) -> None:
        self.relay.close()
        self.monitor.close()


@pytest.fixture
def talk() -> Talk:
    return Talk()


def _typed(pieces: list[bytes]) -> tuple[bytes, bool]:
    """What the container gets of the typed *pieces*, and whether the user left."""
    talk = Talk()
    passed = b""
    try:
        for piece in pieces:
            some, detached = talk.relay._match_keys(piece)
            passed += some
            if detached:
                return passed, True
        return passed, False
    finally:
        talk.end()


def test_the_keys_detach_and_reach_no_container() -> None:
    assert _typed([b"ls\n", b"\x10\x11"]) == (b"ls\n", True)
    assert _typed([b"ls\n\x10", b"\x11more"]) == (b"ls\n", True)


def test_a_first_key_without_its_second_is_handed_on_late() -> None:
    assert _typed([b"\x10"]) == (b"", False)
    assert _typed([b"\x10", b"x"]) == (b"\x10x", False)
    assert _typed([b"\x11\x10x\x11"]) == (b"\x11\x10x\x11", False)


@given(st.lists(st.binary(max_size=6), max_size=6))
def test_without_the_keys_everything_typed_arrives(pieces: list[bytes]) -> None:
    plain = [piece.replace(b"\x10", b"p") for piece in pieces]
    assert _typed(plain) == (b"".join(plain), False)


def test_the_start_is_waited_for_and_warnings_are_passed_on(talk: Talk) -> None:
    talk.say(b"n", "the network says é".encode())
    talk.say(frames.STARTED, b'{"pid":17,"restarts":0}')
    assert talk.relay.wait_started() == 17
    assert talk.warned == ["the network says é"]
    talk.end()


def test_a_failed_start_is_raised_as_the_monitor_met_it(talk: Talk) -> None:
    told = handshake.describe(errors.CommandNotFound("no such program", hint="look"), "")
    talk.say(frames.FAILED, json.dumps(told).encode())
    with pytest.raises(errors.CommandNotFound, match="no such program"):
        talk.relay.wait_started()
    talk.end()


def test_a_monitor_that_ends_before_the_start_is_an_error(talk: Talk) -> None:
    talk.monitor.close()
    with pytest.raises(errors.PierError, match="monitor ended"):
        talk.relay.wait_started()
    talk.end()


def test_the_end_is_reported_with_its_code_and_a_lost_monitor_as_lost(talk: Talk) -> None:
    assert talk.relay.ended_within(0) is None
    talk.say(frames.STDOUT, b"ignored")
    talk.say(frames.EXITED, b'{"code":7}')
    ending = talk.relay.ended_within(5)
    assert ending is not None and (ending.exit_code, ending.lost) == (7, False)
    talk.monitor.close()
    assert talk.relay.run_quietly().lost
    talk.end()


def test_requests_are_frames_in_order(talk: Talk) -> None:
    talk.relay.request_stop()
    talk.relay.send_signal(15)
    assert frames.Decoder().feed(talk.monitor.recv(100)) == [(frames.STOP, b""), (frames.SIGNAL, b"\x0f")]
    talk.end()


def test_asking_a_monitor_that_is_gone_is_no_error() -> None:
    talk = Talk()
    talk.monitor.close()
    talk.relay.request_stop()
    talk.relay.request_stop()
    fd = talk.relay._fd
    talk.end()
    with pytest.raises(OSError):
        os.fstat(fd)
