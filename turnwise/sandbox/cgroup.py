"""Cgroups: limits on memory and processes of a whole sandbox, where we may make them (v1 or v2).

A sandbox sees no cgroup file. Cgroups are named after the process that made them, and those of dead
processes are removed when the next one is made.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PREFIX = "turnwise-"
REMOVE_S = 10.0
"""Seconds in which the kernel must release the last process of a cgroup."""
_NUMBERS = itertools.count()
_LOCK = threading.Lock()
_swept_by: list[int] = []
"""This process, once it has removed the cgroups of dead ones; a fork does so again."""


def _parent(controller: str) -> Path | None:
    """Return the directory where cgroups with this controller can be made; None without one."""
    first = ROOT / controller
    if first.is_dir() and os.access(first, os.W_OK):
        return first
    controllers = ROOT / "cgroup.controllers"
    if not controllers.exists() or not os.access(ROOT, os.W_OK):
        return None
    with contextlib.suppress(OSError):
        (ROOT / "cgroup.subtree_control").write_text(f"+{controller}")
    enabled = (ROOT / "cgroup.subtree_control").read_text().split()
    return ROOT if controller in enabled else None


def _sweep(parents: set[Path]) -> None:
    """Remove the cgroups of dead processes."""
    for parent in parents:
        for left in parent.glob(PREFIX + "*"):
            maker = left.name[len(PREFIX) :].split("-")[0]
            if maker.isdigit() and not Path(f"/proc/{maker}").exists():
                with contextlib.suppress(OSError):
                    left.rmdir()


class Cgroup:
    """The cgroup of one sandbox in the controllers `memory` and `pids`, where available."""

    def __init__(self, memory_mb: int, processes: int) -> None:
        self._memory, self._pids = _parent("memory"), _parent("pids")
        with _LOCK:
            if os.getpid() not in _swept_by:
                _swept_by.append(os.getpid())
                _sweep({parent for parent in (self._memory, self._pids) if parent})
        name = f"{PREFIX}{os.getpid()}-{next(_NUMBERS)}"
        self._folders: set[Path] = set()
        try:
            self._memory = self._make(self._memory, name)
            self._pids = self._make(self._pids, name)
            self.resize(memory_mb, processes)
        except OSError:
            self.remove()
            self._memory = self._pids = None

    def _make(self, parent: Path | None, name: str) -> Path | None:
        if parent is None:
            return None
        folder = parent / name
        folder.mkdir(exist_ok=True)
        self._folders.add(folder)
        return folder

    @property
    def memory(self) -> bool:
        """Whether the memory of the sandbox is limited."""
        return self._memory is not None

    def resize(self, memory_mb: int, processes: int) -> None:
        """Set the limits; `OSError` where the kernel refuses one below what is in use."""
        if self._pids is not None:
            (self._pids / "pids.max").write_text(str(processes))
        if self._memory is None:
            return
        size = str(memory_mb << 20)
        if (self._memory / "memory.max").exists():
            (self._memory / "memory.max").write_text(size)
            with contextlib.suppress(OSError):
                (self._memory / "memory.swap.max").write_text("0")
            return
        # The limit that counts swap may never be below the other one: set it before and after.
        with contextlib.suppress(OSError):
            (self._memory / "memory.memsw.limit_in_bytes").write_text(size)
        (self._memory / "memory.limit_in_bytes").write_text(size)
        with contextlib.suppress(OSError):
            (self._memory / "memory.memsw.limit_in_bytes").write_text(size)

    def add(self, pid: int) -> None:
        """Move a process, and with it all it will start, to the cgroup."""
        for folder in self._folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def join_files(self) -> list[str]:
        """Return the files to which a single-threaded process writes "0" to join the cgroup.

        Moving another process (`add`) makes the kernel wait for an RCU grace period, 10 ms and
        more. A thread that moves itself does not wait (v1; v2 has no such file).
        """
        names = ("tasks", "cgroup.procs")
        return [
            str(next(folder / name for name in names if (folder / name).exists()))
            for folder in sorted(self._folders)
        ]

    def kills(self) -> int:
        """Return how many processes the kernel has killed for memory."""
        if self._memory is None:
            return 0
        for name in ("memory.events", "memory.oom_control"):
            with contextlib.suppress(OSError):
                for line in (self._memory / name).read_text().splitlines():
                    key, _, value = line.partition(" ")
                    if key == "oom_kill":
                        return int(value)
        return 0

    def remove(self) -> None:
        """Remove the cgroup; its processes must be gone."""
        for folder in self._folders:
            deadline = time.monotonic() + REMOVE_S
            while time.monotonic() < deadline:
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    pass
                except OSError:
                    time.sleep(0.005)
                    continue
                break
        self._folders = set()
