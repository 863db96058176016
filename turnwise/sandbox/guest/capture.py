"""Output of a call: drained as fast as it arrives, of which the beginning and the end are kept."""

from __future__ import annotations

import os


class Capture:
    """Keeps the first and last `keep // 2` bytes of a stream of any length."""

    def __init__(self, keep: int) -> None:
        self._half = max(keep // 2, 1)
        self._head = bytearray()
        self._tail = bytearray()
        self.written = 0
        """Bytes added, kept or not."""

    def add(self, data: bytes) -> None:
        self.written += len(data)
        room = self._half - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        if len(self._tail) > 2 * self._half:
            del self._tail[: -self._half]

    def value(self) -> tuple[bytes, bool]:
        """Return the kept bytes, with a line that counts the dropped ones, and whether any were."""
        tail = bytes(self._tail[-self._half :])
        dropped = self.written - len(self._head) - len(tail)
        if not dropped:
            return bytes(self._head) + tail, False
        return bytes(self._head) + b"\n[... %d bytes dropped ...]\n" % dropped + tail, True


class Pipe:
    """A pipe that untrusted code writes to, and the capture of what it wrote."""

    def __init__(self, keep: int) -> None:
        self.keep = keep
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.capture = Capture(keep)
        self.open = True

    def release(self) -> None:
        """Close our copy of the write end, once the writer has its own."""
        os.close(self.writer)
        self.writer = -1

    def drain(self, limit: int = 1 << 22) -> bool:
        """Read what is there, up to about `limit` bytes; return False once the stream has ended."""
        taken = 0
        while self.open and taken < limit:
            try:
                data = os.read(self.reader, 1 << 16)
            except BlockingIOError:
                break
            if not data:
                self.open = False
            self.capture.add(data)
            taken += len(data)
        return self.open

    def swap(self) -> Capture:
        """Return the capture so far and begin a new one."""
        old, self.capture = self.capture, Capture(self.keep)
        return old

    def close(self) -> None:
        os.close(self.reader)
        if self.writer >= 0:
            self.release()
