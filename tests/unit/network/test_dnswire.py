"""The DNS wire format under arbitrary bytes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier.network import dnswire

labels = st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=20)
names = st.lists(labels, min_size=1, max_size=8).map(".".join)


def question(name: str, kind: int = dnswire.TYPE_A, identity: int = 7, flags: int = 0x0100) -> bytes:
    return struct.pack(">HHHHHH", identity, flags, 1, 0, 0, 0) + dnswire.encode_name(name) + struct.pack(">HH", kind, 1)


@given(st.binary(max_size=600))
def test_any_bytes_are_a_query_or_a_value_error(data: bytes) -> None:
    try:
        query = dnswire.parse_query(data)
    except ValueError:
        assert len(dnswire.format_error(data)) in (0, 12)
    else:
        assert data[12:].startswith(query.question)
        assert dnswire.answers(dnswire.reply(query), query.id, query)


@given(names, st.integers(0, 65535), st.integers(0, 65535))
def test_a_question_is_read_back(name: str, kind: int, identity: int) -> None:
    query = dnswire.parse_query(question(name.upper(), kind, identity) + b"an OPT record, perhaps")
    assert (query.name, query.kind, query.id, query.recursion) == (name, kind, identity, True)


@given(names, st.data())
def test_a_question_that_is_cut_off_is_refused(name: str, data: st.DataObject) -> None:
    whole = question(name)
    with pytest.raises(ValueError):
        dnswire.parse_query(whole[: data.draw(st.integers(0, len(whole) - 1))])


def test_a_pointer_in_a_question_is_refused_rather_than_followed() -> None:
    looping = struct.pack(">HHHHHH", 7, 0, 1, 0, 0, 0) + b"\xc0\x0c" + struct.pack(">HH", 1, 1)
    with pytest.raises(ValueError, match="compressed"):
        dnswire.parse_query(looping)


def test_a_name_longer_than_the_format_allows_is_refused() -> None:
    long = b"\x3f" + b"a" * 63
    with pytest.raises(ValueError, match="255"):
        dnswire.parse_query(struct.pack(">HHHHHH", 7, 0, 1, 0, 0, 0) + long * 5 + b"\0" + struct.pack(">HH", 1, 1))
    with pytest.raises(ValueError):
        dnswire.encode_name("a" * 64)


def test_labels_that_hold_dots_never_match_a_name() -> None:
    data = struct.pack(">HHHHHH", 7, 0, 1, 0, 0, 0) + b"\x03a.b\0" + struct.pack(">HH", 1, 1)
    assert dnswire.parse_query(data).name == ""


def test_an_answer_points_at_the_question_it_repeats() -> None:
    query = dnswire.parse_query(question("db"))
    reply = dnswire.reply(query, [dnswire.a_record("172.18.0.2", 5)])
    assert reply[:12] == struct.pack(">HHHHHH", 7, 0x8180, 1, 1, 0, 0)
    assert reply[12:].startswith(query.question + b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 5, 4))
    assert reply.endswith(bytes([172, 18, 0, 2]))


def test_only_the_awaited_answer_is_taken() -> None:
    query = dnswire.parse_query(question("db"))
    other = dnswire.parse_query(question("evil"))
    assert dnswire.answers(dnswire.reply(query), 7, query)
    assert not dnswire.answers(dnswire.reply(query), 8, query)
    assert not dnswire.answers(dnswire.reply(other), 7, query)
    assert not dnswire.answers(question("db"), 7, query)
    assert dnswire.answers(struct.pack(">HHHHHH", 7, 0x8185, 0, 0, 0, 0), 7, query)


@given(st.text(alphabet="0123456789.inadrp-", max_size=40))
def test_any_name_is_a_reverse_name_or_none(name: str) -> None:
    assert dnswire.reverse_address(name).count(".") in (0, 3)


def test_reverse_names_turn_around() -> None:
    assert dnswire.reverse_address("2.0.18.172.in-addr.arpa") == "172.18.0.2"
    assert dnswire.reverse_address("256.0.18.172.in-addr.arpa") == ""
