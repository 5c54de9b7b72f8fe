"""Frames come out of a stream as they went in, however it was cut on the way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier.runtime import frames

_FRAMES = st.lists(st.tuples(st.binary(min_size=1, max_size=1), st.binary(max_size=200)), max_size=8)


@given(_FRAMES, st.lists(st.integers(0, 2000), max_size=12))
def test_any_split_of_the_stream_gives_the_same_frames(sent: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    stream = b"".join(frames.encode(kind, payload) for kind, payload in sent)
    borders = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    decoder = frames.Decoder()
    received = [
        frame
        for start, end in zip(borders, borders[1:] or borders, strict=False)
        for frame in decoder.feed(stream[start:end])
    ]
    assert received == sent


@given(st.integers(0, 65535), st.integers(0, 65535))
def test_a_terminals_size_survives(rows: int, columns: int) -> None:
    ((kind, payload),) = frames.Decoder().feed(frames.encode_size(rows, columns))
    assert (kind, frames.decode_size(payload)) == (frames.RESIZE, (rows, columns))


def test_a_frame_too_long_to_be_ours_is_refused_before_it_is_taken_in() -> None:
    with pytest.raises(ValueError):
        frames.Decoder().feed(b"o\xff\xff\xff\xff")


def test_every_kind_of_frame_is_a_letter_of_its_own() -> None:
    kinds = [value for name, value in vars(frames).items() if name.isupper() and isinstance(value, bytes)]
    assert len(kinds) == len(set(kinds)) and all(len(kind) == 1 for kind in kinds)
