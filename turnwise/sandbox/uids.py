"""User numbers for the sandboxes of a root trainer: one each, from a block that only we hold."""

from __future__ import annotations

import fcntl
import os
import tempfile
import threading

from turnwise.sandbox.contract import SandboxError

FIRST, BLOCK, BLOCKS = 0x70000000, 4096, 256
"""First number, numbers of a block, blocks; above what systems give to users and containers."""


class Uids:
    """User numbers of one block, which a file lock reserves until this process ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = 0
        self._file = -1
        self._free: list[int] = []
        self._used = 0
        self._first = 0

    def take(self) -> int:
        """Return a number that nothing runs as.

        Raises:
            SandboxError: where every block is reserved, or all numbers of ours are in use.
        """
        with self._lock:
            # A fork of the trainer inherits the lock, but must not use the block of its parent.
            if self._owner != os.getpid():
                self._claim()
            if self._free:
                return self._free.pop(0)
            if self._used == BLOCK:
                raise SandboxError(
                    f"{BLOCK} sandboxes are open in this process: close some before opening more"
                )
            self._used += 1
            return self._first + self._used - 1

    def give(self, uid: int) -> None:
        """Return a number whose last process is gone."""
        with self._lock:
            if self._owner == os.getpid():
                self._free.append(uid)

    def _claim(self) -> None:
        folder = "/run/lock" if os.access("/run/lock", os.W_OK) else tempfile.gettempdir()
        for number in range(BLOCKS):
            path = os.path.join(folder, f"turnwise-uids-{number}")
            try:
                file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            except OSError:
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(file)
                continue
            self._owner, self._file, self._free, self._used = os.getpid(), file, [], 0
            self._first = FIRST + number * BLOCK
            return
        raise SandboxError(
            f"all {BLOCKS} blocks of user numbers under {folder} are held by other processes"
        )


UIDS = Uids()
