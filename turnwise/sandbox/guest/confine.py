"""The last steps of a process before it belongs to untrusted code: descriptors, limits,
capabilities, system calls.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import resource
import signal
from typing import Any

from . import kernel, landlock, processes, seccomp

MEGABYTE = 1 << 20
SPARE_PROCESSES = 1024
"""The hard limit: forks of one sandbox are counted together by the kernel, and each raises the soft
one by its own share.
"""


def _lower(kind: int, soft: int, hard: int | None = None) -> None:
    highest = resource.getrlimit(kind)[1]
    hard = soft if hard is None else hard
    if highest != resource.RLIM_INFINITY:
        hard, soft = min(hard, highest), min(soft, highest)
    resource.setrlimit(kind, (soft, hard))


def _virtual() -> int:
    """Bytes of address space this process has mapped."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def limits(given: dict[str, Any], mapped: bool) -> None:
    """Resource limits of this process and all it starts; `mapped`: what is mapped now does not
    count as memory used.

    Address space is only a first fence, of one process: a program maps more than it uses, so it
    gets a gigabyte to spare.
    """
    room = int(given["memory_mb"]) * MEGABYTE
    _lower(resource.RLIMIT_AS, room + (_virtual() if mapped else 1024 * MEGABYTE))
    _lower(resource.RLIMIT_FSIZE, int(given["file_mb"]) * MEGABYTE)
    _lower(resource.RLIMIT_NOFILE, int(given["open_files"]))
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_MEMLOCK, 1 << 16)
    _lower(
        resource.RLIMIT_NPROC,
        int(given["processes"]) * int(given.get("shares", 1)),
        SPARE_PROCESSES + int(given["processes"]),
    )
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")  # rather one of these than the process that looks after them


def descriptors(keep: dict[int, int]) -> None:
    """Have exactly these open: target number -> present descriptor; 0, 1 and 2 must be among them."""
    high = {
        target: os.dup2(source, 900 + i, inheritable=False)
        for i, (target, source) in enumerate(sorted(keep.items()))
    }
    for target, source in high.items():
        os.dup2(source, target)
    edges = [-1, *sorted(high), 1 << 16]
    for low, up in itertools.pairwise(edges):
        if low + 1 < up:  # an empty range that ends at 0 would close everything
            os.closerange(low + 1, up)


def signals() -> None:
    """Python's defaults again, and none of the parent's wakeups."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def confine(plan: dict[str, Any], mark: int, mapped: bool, fork: bool = False) -> None:
    """Everything at once: the mark, limits, capabilities (`fork`: CAP_SYS_CHROOT stays, to enter a
    copy of the root), filter.

    Args:
        plan: the `configure` request: `limits`, `mode`, `landlock` (what `landlock.restrict` takes,
            where there is no root of our own), `seccomp` (whether to filter) and `refuse` (what
            else the filter refuses).
    """
    os.umask(0o022)
    processes.mark(0, mark)
    limits(plan["limits"], mapped)
    jail = plan["mode"] == "jail"
    if jail:
        kernel.capabilities((kernel.CHROOT,) if fork else ())
    else:
        kernel.prctl(kernel.NO_NEW_PRIVS, 1)
    kernel.prctl(kernel.DUMPABLE, 1)
    if plan.get("landlock"):
        landlock.restrict(**plan["landlock"])
    if plan.get("seccomp", True):
        seccomp.install(("chroot",) if fork and jail else (), tuple(plan.get("refuse", ())))
