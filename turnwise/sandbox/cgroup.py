"""Limits on memory and processes of a whole sandbox, where this process may make cgroups (version 1
or 2).

Only this side knows of them: a sandbox sees no cgroup file. They are named by the process that made
them, and those whose maker is gone are swept when the next one is made.
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
_COUNT = itertools.count()
_LOCK = threading.Lock()
_swept: list[int] = []


def _home(controller: str) -> Path | None:
    """The directory in which this process may make cgroups with `memory` or `pids`; None where it
    may not.
    """
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


def _sweep(homes: set[Path]) -> None:
    """Remove what dead processes left."""
    for home in homes:
        for left in home.glob(PREFIX + "*"):
            maker = left.name[len(PREFIX) :].split("-")[0]
            if maker.isdigit() and not Path(f"/proc/{maker}").exists():
                with contextlib.suppress(OSError):
                    left.rmdir()


class Cgroup:
    """One sandbox's cgroup in each controller that there is.

    Args:
        memory_mb, processes: the limits.
    """

    def __init__(self, memory_mb: int, processes: int) -> None:
        self._memory, self._pids = _home("memory"), _home("pids")
        with _LOCK:
            if os.getpid() not in _swept:
                _swept.append(os.getpid())
                _sweep({home for home in (self._memory, self._pids) if home})
        name = f"{PREFIX}{os.getpid()}-{next(_COUNT)}"
        self._folders: set[Path] = set()
        try:
            self._memory = self._make(self._memory, name)
            self._pids = self._make(self._pids, name)
            self.resize(memory_mb, processes)
        except OSError:
            self.remove()
            self._memory = self._pids = None

    def _make(self, home: Path | None, name: str) -> Path | None:
        if home is None:
            return None
        folder = home / name
        folder.mkdir(exist_ok=True)
        self._folders.add(folder)
        return folder

    @property
    def memory(self) -> bool:
        """Whether memory is limited."""
        return self._memory is not None

    def resize(self, memory_mb: int, processes: int) -> None:
        """Set the limits anew. A limit below what is in use may be refused by the kernel and then
        stays as it was.
        """
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
        with contextlib.suppress(
            OSError
        ):  # with swap counted: never below the limit without it, so first where it grows
            (self._memory / "memory.memsw.limit_in_bytes").write_text(size)
        (self._memory / "memory.limit_in_bytes").write_text(size)
        with contextlib.suppress(OSError):
            (self._memory / "memory.memsw.limit_in_bytes").write_text(size)

    def add(self, pid: int) -> None:
        """Put a process, and all it will start, under the limits."""
        for folder in self._folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def doors(self) -> list[str]:
        """Files to which a process without threads writes "0" to be under the limits from then on,
        with all it starts.

        Moving another process (`add`) makes the kernel wait until every processor has passed a
        quiet state, 10 ms and more; a thread that moves itself waits for nobody (version 1; version
        2 has no such file).
        """
        names = ("tasks", "cgroup.procs")
        return [
            str(next(folder / name for name in names if (folder / name).exists()))
            for folder in sorted(self._folders)
        ]

    def kills(self) -> int:
        """How many processes the kernel has killed for memory."""
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
        """Once its processes are gone."""
        for folder in self._folders:
            for _ in range(400):
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    pass
                except OSError:
                    time.sleep(0.005)  # the kernel has not yet let go of the last process
                    continue
                break
        self._folders = set()
