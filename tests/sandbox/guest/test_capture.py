"""Captures keep the beginning and the end of any output, and no more than their limit."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from turnwise.sandbox.guest.capture import Capture, Pipe


@given(st.lists(st.binary(max_size=40), max_size=20), st.integers(1, 60))
def test_beginning_and_end_are_kept_for_any_split(chunks: list[bytes], keep: int) -> None:
    capture = Capture(keep)
    for chunk in chunks:
        capture.add(chunk)
    whole, half = b"".join(chunks), max(keep // 2, 1)
    value, cut = capture.value()
    assert capture.written == len(whole)
    assert cut == (len(whole) > 2 * half)
    if not cut:
        assert value == whole
    else:
        dropped = len(whole) - 2 * half
        assert value == whole[:half] + b"\n[... %d bytes dropped ...]\n" % dropped + whole[-half:]


def test_a_pipe_is_drained_without_blocking() -> None:
    pipe = Pipe(100)
    assert pipe.drain() and pipe.capture.written == 0
    os.write(pipe.writer, b"x" * 500)
    assert pipe.drain()
    assert pipe.swap().value()[1]
    assert pipe.capture.value() == (b"", False)
    pipe.release()
    assert not pipe.drain()
    pipe.close()
