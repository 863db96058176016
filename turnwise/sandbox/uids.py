"""User numbers for jails of a root trainer: one per jail, from a block that no other trainer holds."""

from __future__ import annotations

import fcntl
import os
import tempfile
import threading

from turnwise.sandbox.contract import SandboxError

FIRST, BLOCK, BLOCKS = 0x70000000, 4096, 256
"""Above what systems give to people, services and containers."""


class Uids:
    """Numbers of one block, held by a lock on a file that ends with this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = 0
        self._file = -1
        self._free: list[int] = []
        self._used = 0
        self._first = 0

    def take(self) -> int:
        """A number that nothing runs as.

        Raises:
            SandboxError: where every block is held, or all numbers of ours are in use.
        """
        with self._lock:
            if (
                self._owner != os.getpid()
            ):  # a fork holds the lock of its parent's block, not the block
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
        """The number's last process is gone."""
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
