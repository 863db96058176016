"""Frames survive any split of the stream; malformed ones end the channel."""

from __future__ import annotations

import os
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnwise.sandbox.guest.frames import MAX_HEADER_BYTES, Channel, pack

HEADERS = st.dictionaries(
    st.text(max_size=8), st.integers() | st.text(max_size=20) | st.none(), max_size=4
)


def pair() -> tuple[Channel, Channel]:
    ours, theirs = socket.socketpair()
    one, two = ours.detach(), theirs.detach()
    return Channel(one, one), Channel(two, two)


@given(st.lists(st.tuples(HEADERS, st.binary(max_size=300)), max_size=5), st.integers(1, 50))
def test_any_cut_of_the_stream_gives_the_same_frames(
    frames: list[tuple[dict[str, object], bytes]], size: int
) -> None:
    reader, writer = os.pipe()
    channel = Channel(reader, reader)
    data = b"".join(pack(*frame) for frame in frames)
    seen = []
    for start in range(0, len(data), size):
        os.write(writer, data[start : start + size])
        channel.fill()
        while (frame := channel.take()) is not None:
            seen.append(frame)
    os.close(writer)
    assert channel.receive() is None and channel.closed
    channel.close()
    assert seen == frames


def test_descriptors_are_passed_and_closed_with_the_channel() -> None:
    one, two = pair()
    reader, writer = os.pipe()
    one.send({"a": 1}, b"body", (reader,))
    assert two.receive() == ({"a": 1}, b"body")
    assert len(two.passed) == 1
    os.write(writer, b"through")
    kept = two.passed[0]
    assert os.read(kept, 10) == b"through"
    two.close()
    with pytest.raises(OSError):
        os.fstat(kept)
    one.close()
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize(
    "garbage",
    [
        struct.pack(">II", MAX_HEADER_BYTES + 1, 0),
        struct.pack(">II", 2, 1 << 31),
        struct.pack(">II", 4, 0) + b"nope",
        struct.pack(">II", 2, 0) + b"[]",
    ],
)
def test_a_malformed_frame_ends_the_channel(garbage: bytes) -> None:
    reader, writer = os.pipe()
    channel = Channel(reader, reader)
    os.write(writer, garbage)
    assert channel.wait(5) is None
    assert channel.closed
    channel.close()
    os.close(writer)


def test_a_wait_is_bounded() -> None:
    one, two = pair()
    assert one.wait(0.01) is None and not one.closed
    two.close()
    assert one.wait(5) is None and one.closed
    one.close()


def test_sending_to_a_reader_that_does_not_read_is_an_error() -> None:
    one, two = pair()
    one.set_send_timeout(0.05)
    with pytest.raises(OSError):
        one.send({}, bytes(10_000_000))
    one.close()
    two.close()
    reader, writer = os.pipe()
    channel = Channel(os.dup(reader), writer)
    channel.set_send_timeout(0.05)
    with pytest.raises(OSError):
        channel.send({}, bytes(10_000_000))
    channel.close()
    os.close(reader)
