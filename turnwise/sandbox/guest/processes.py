"""Processes of a call: how they are recognised and killed, and the memory they hold.

Every session, shell and command has a number of its own, its mark, which its processes carry as
their hard limit RLIMIT_MSGQUEUE. The limit is inherited over fork and exec, and cannot be raised
again without privilege. A process that lowers it carries no living mark, and is killed when the
next call ends.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
from collections.abc import Collection

_MARK = resource.RLIMIT_MSGQUEUE
FIRST_MARK = 800_000
"""Below the kernel's default limit of 819,200. Each mark is lower than the one before, so that a
forked interpreter, which carries an older one, can still be given its own.
"""
DEAD_STATES = "ZX"


def mark(pid: int, value: int) -> None:
    """Give a process its mark; 0 is this process."""
    resource.prlimit(pid, _MARK, (value, value))


def mark_of(pid: int) -> int | None:
    """Return the mark of a process; None where it is gone or not ours."""
    try:
        return resource.prlimit(pid, _MARK)[1]
    except OSError:
        return None


def _parents() -> dict[int, int]:
    """Return every visible living process with its parent."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
            if fields[0].decode() not in DEAD_STATES:
                found[int(name)] = int(fields[1])
    return found


def descendants() -> list[int]:
    """Return all processes below this one, which is process 1 or a subreaper."""
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
    """Kill every process with the mark `value`, or with none of the marks `living`.

    Returns:
        Whether none is left within the time.
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
            # First stop them all from starting more, then kill them.
            with contextlib.suppress(OSError, ValueError):
                hard = resource.prlimit(pid, resource.RLIMIT_NPROC)[1]
                resource.prlimit(pid, resource.RLIMIT_NPROC, (0, hard))
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


def memory_kb(marks: Collection[int], enough_kb: int) -> int:
    """Return the kilobytes held by the processes with these marks.

    An upper bound, which is cheap, where that is below `enough_kb`; otherwise exact, with memory
    that processes share counted once.
    """
    pids = [pid for pid in descendants() if mark_of(pid) in marks]
    bound = sum(
        _kilobytes(f"/proc/{pid}/status", b"RssAnon:")
        + _kilobytes(f"/proc/{pid}/status", b"RssShmem:")
        for pid in pids
    )
    if bound < enough_kb:
        return bound
    return sum(_kilobytes(f"/proc/{pid}/smaps_rollup", b"Pss_Anon:") for pid in pids)
