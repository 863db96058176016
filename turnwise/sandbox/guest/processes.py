"""Which processes belong to which call, how they are all killed, and what memory they hold.

A process is told by a mark that it cannot lose: the hard limit RLIMIT_MSGQUEUE, a number of its own
for every session, shell and command, inherited over fork and exec and never raised again without
privilege. Whoever lowered it carries no living mark and is killed with the next call that ends.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
from collections.abc import Collection

_MARK = resource.RLIMIT_MSGQUEUE
HIGHEST = 800_000
"""The first mark; below the kernel's default limit of 819,200. Every later mark is lower, so a fork
can always take one.
"""
DEAD = "ZX"


def mark(pid: int, value: int) -> None:
    """Give a process (0: oneself) its mark."""
    resource.prlimit(pid, _MARK, (value, value))


def mark_of(pid: int) -> int | None:
    """The mark of a process; None where it is gone or not ours."""
    try:
        return resource.prlimit(pid, _MARK)[1]
    except OSError:
        return None


def _parents() -> dict[int, int]:
    """Every living process that can be seen -> its parent."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
            if fields[0].decode() not in DEAD:
                found[int(name)] = int(fields[1])
    return found


def descendants() -> list[int]:
    """All that this process (process 1, or a subreaper) has started, directly or not."""
    parents = _parents()
    if os.getpid() == 1:
        return [pid for pid in parents if pid != 1]
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found, todo = [], [os.getpid()]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def kill(value: int, living: Collection[int], seconds: float = 2.0) -> bool:
    """Kill all that carries the mark `value` or no mark of `living`; whether none is left within
    the time.
    """
    deadline = time.monotonic() + seconds
    while True:
        victims = [
            pid
            for pid in descendants()
            if (found := mark_of(pid)) == value or (found is not None and found not in living)
        ]
        if not victims:
            return True
        for pid in victims:
            with contextlib.suppress(
                OSError, ValueError
            ):  # it may not start more while we look for the others
                resource.prlimit(
                    pid, resource.RLIMIT_NPROC, (0, resource.prlimit(pid, resource.RLIMIT_NPROC)[1])
                )
        for pid in victims:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            return False
        time.sleep(0.0005)


def _kilobytes(path: str, field: bytes) -> int:
    try:
        with open(path, "rb") as file:
            for line in file:
                if line.startswith(field):
                    return int(line.split()[1])
    except OSError:
        pass
    return 0


def memory(marks: Collection[int], enough: int) -> int:
    """Kilobytes held by the processes with these marks: a cheap upper bound where that is below
    `enough`, else their shares.
    """
    pids = [pid for pid in descendants() if mark_of(pid) in marks]
    bound = sum(
        _kilobytes(f"/proc/{pid}/status", b"RssAnon:")
        + _kilobytes(f"/proc/{pid}/status", b"RssShmem:")
        for pid in pids
    )
    if bound < enough:
        return bound
    return sum(_kilobytes(f"/proc/{pid}/smaps_rollup", b"Pss_Anon:") for pid in pids)
