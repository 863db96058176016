"""Frames on a stream: two lengths, a JSON header and a body of bytes; descriptors may be passed."""

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

MAX_HEADER_BYTES = 4_000_000
"""The listing of a workspace is the largest header."""
MAX_BODY_BYTES = 300_000_000
_LENGTHS = struct.Struct(">II")

Header = dict[str, Any]


def pack(header: Header, body: bytes = b"") -> bytes:
    """Return one frame as bytes."""
    text = json.dumps(header, separators=(",", ":")).encode()
    return _LENGTHS.pack(len(text), len(body)) + text + body


class Channel:
    """A stream of frames in both directions.

    A frame that is too long or malformed ends the channel as if the other side had closed it.

    Args:
        reader: descriptor to read from.
        writer: descriptor to write to; the same one for a socket.
        max_body_bytes: longest body that is accepted.
    """

    def __init__(self, reader: int, writer: int, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self.reader, self.writer, self._max_body_bytes = reader, writer, max_body_bytes
        self._socket = (
            socket.socket(fileno=reader) if stat.S_ISSOCK(os.fstat(reader).st_mode) else None
        )
        self._buffer = bytearray()
        self.passed: list[int] = []
        """Descriptors received and not yet taken."""
        self.closed = False
        self._send_timeout_s: float | None = None

    def fileno(self) -> int:
        return self.reader

    def send(self, header: Header, body: bytes = b"", descriptors: tuple[int, ...] = ()) -> None:
        """Write one whole frame; `OSError` where nobody reads it."""
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
        if self._send_timeout_s is not None:
            poll = select.poll()
            poll.register(self.writer, select.POLLOUT)
            if not poll.poll(self._send_timeout_s * 1000):
                raise TimeoutError("nobody reads")
            data = data[:4096]  # a writable pipe takes this much without blocking
        return os.write(self.writer, data)

    def set_send_timeout(self, seconds: float) -> None:
        """Make `send` raise `OSError` when the reader takes nothing for this long."""
        self._send_timeout_s = seconds
        if self._socket is not None:
            self._socket.settimeout(seconds)

    def wait(self, seconds: float) -> tuple[Header, bytes] | None:
        """Return the next frame, or None when the time is over or the channel has `closed`."""
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
        """Read what has arrived, blocking until something has; set `closed` at the end."""
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
        """Return the next frame that has arrived whole, or None."""
        if len(self._buffer) < _LENGTHS.size:
            return None
        header, body = _LENGTHS.unpack_from(self._buffer)
        if header > MAX_HEADER_BYTES or body > self._max_body_bytes:
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
        """Wait for the next frame and return it; None at the end of the stream."""
        while True:
            frame = self.take()
            if frame is not None:
                return frame
            if self.closed:
                return None
            self.fill()

    def close(self) -> None:
        """Close both ends, and the passed descriptors that were not taken."""
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
