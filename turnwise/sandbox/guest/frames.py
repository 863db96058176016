"""Frames on a stream: a JSON header and a body of bytes, each with its length before it;
descriptors may ride along.
"""

from __future__ import annotations

import array
import json
import os
import select
import socket
import stat
import struct
import time
from typing import Any

HEADER = 4_000_000
"""Longest header, bytes: a listing of a workspace is the largest."""
BODY = 300_000_000
"""Longest body, bytes."""
_LENGTHS = struct.Struct(">II")

Header = dict[str, Any]


def pack(header: Header, body: bytes = b"") -> bytes:
    """One frame as bytes."""
    text = json.dumps(header, separators=(",", ":")).encode()
    return _LENGTHS.pack(len(text), len(body)) + text + body


class Channel:
    """Two ends of a stream that carries frames. A frame too long, or not a frame, ends it as if it
    had been closed.
    """

    def __init__(self, reader: int, writer: int, longest: int = BODY) -> None:
        self.reader, self.writer, self._longest = reader, writer, longest
        self._socket = (
            socket.socket(fileno=reader) if stat.S_ISSOCK(os.fstat(reader).st_mode) else None
        )
        self._buffer = bytearray()
        self.passed: list[int] = []
        """Descriptors that came and were not yet taken."""
        self.closed = False
        self._patience: float | None = None

    def fileno(self) -> int:
        return self.reader

    def send(self, header: Header, body: bytes = b"", descriptors: tuple[int, ...] = ()) -> None:
        """Write one frame whole; `OSError` where nobody reads it."""
        data = memoryview(pack(header, body))
        if descriptors:
            if self._socket is None:
                raise OSError("descriptors need a socket")
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
            data = data[self._socket.sendmsg([data], rights, socket.MSG_NOSIGNAL) :]
        while data:
            data = data[self._write(data) :]

    def _write(self, data: memoryview) -> int:
        if self._socket is not None:
            return self._socket.send(data, socket.MSG_NOSIGNAL)
        if self._patience is not None:
            poll = select.poll()
            poll.register(self.writer, select.POLLOUT)
            if not poll.poll(self._patience * 1000):
                raise TimeoutError("nobody reads")
            data = data[:4096]  # what a pipe that can be written to takes without waiting
        return os.write(self.writer, data)

    def patience(self, seconds: float) -> None:
        """From now on, sending to a reader that takes nothing for so long is an `OSError`."""
        self._patience = seconds
        if self._socket is not None:
            self._socket.settimeout(seconds)

    def wait(self, seconds: float) -> tuple[Header, bytes] | None:
        """The next frame, if it comes in time; see `closed`."""
        deadline = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self.reader, select.POLLIN)
        while (frame := self.take()) is None:
            left = deadline - time.monotonic()
            if self.closed or left <= 0 or not poll.poll(max(left * 1000, 1)):
                return None
            self.fill()
        return frame

    def fill(self) -> None:
        """Take in what has arrived (waits when nothing has); sets `closed` at the end of the
        stream.
        """
        try:
            if self._socket is None:
                data = os.read(self.reader, 1 << 18)
            else:
                data, passed, _, _ = socket.recv_fds(self._socket, 1 << 18, 8)
                self.passed += passed
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.closed = True
        self._buffer += data

    def take(self) -> tuple[Header, bytes] | None:
        """The next frame that is here whole, or None."""
        if len(self._buffer) < _LENGTHS.size:
            return None
        header, body = _LENGTHS.unpack_from(self._buffer)
        if header > HEADER or body > self._longest:
            self.closed = True
            self._buffer.clear()
            return None
        end = _LENGTHS.size + header + body
        if len(self._buffer) < end:
            return None
        text = bytes(self._buffer[_LENGTHS.size : _LENGTHS.size + header])
        data = bytes(self._buffer[_LENGTHS.size + header : end])
        del self._buffer[:end]
        try:
            parsed = json.loads(text)
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            self.closed = True
            return None
        return parsed, data

    def receive(self) -> tuple[Header, bytes] | None:
        """Wait for the next frame; None at the end of the stream."""
        while True:
            frame = self.take()
            if frame is not None:
                return frame
            if self.closed:
                return None
            self.fill()

    def close(self) -> None:
        """Close both ends and whatever was passed and not taken."""
        self.closed = True
        for descriptor in self.passed:
            os.close(descriptor)
        self.passed = []
        if self._socket is not None:
            self._socket.close()
        else:
            os.close(self.reader)
        if self.writer != self.reader:
            os.close(self.writer)
