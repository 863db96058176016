"""Last steps of a process before it runs untrusted code.

Descriptors, signals, resource limits, capabilities, Landlock and the filter of system calls.
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
SPARE_ADDRESS_MB = 1024
"""Address space beyond the memory limit: a program maps more than it uses."""
SPARE_PROCESSES = 1024
"""Added to the hard RLIMIT_NPROC, so that the soft one can be raised for forks of the sandbox."""


def _lower(kind: int, soft: int, hard: int | None = None) -> None:
    highest = resource.getrlimit(kind)[1]
    hard = soft if hard is None else hard
    if highest != resource.RLIM_INFINITY:
        hard, soft = min(hard, highest), min(soft, highest)
    resource.setrlimit(kind, (soft, hard))


def _mapped_bytes() -> int:
    """Return the size of this process's address space."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def set_limits(limits: dict[str, Any], mapped: bool) -> None:
    """Set the resource limits of this process and all it starts.

    Args:
        limits: the fields of `contract.Limits`, and `shares`: how many sandboxes share the user.
        mapped: do not count what is mapped already as memory used.
    """
    room = int(limits["memory_mb"]) * MEGABYTE
    spare = _mapped_bytes() if mapped else SPARE_ADDRESS_MB * MEGABYTE
    _lower(resource.RLIMIT_AS, room + spare)
    _lower(resource.RLIMIT_FSIZE, int(limits["file_mb"]) * MEGABYTE)
    _lower(resource.RLIMIT_NOFILE, int(limits["open_files"]))
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_MEMLOCK, 1 << 16)
    count = int(limits["processes"])
    _lower(resource.RLIMIT_NPROC, count * int(limits.get("shares", 1)), SPARE_PROCESSES + count)
    # Out of memory, the kernel should kill this rather than the process that supervises it.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")


def close_descriptors(keep: dict[int, int]) -> None:
    """Keep only these descriptors, target number -> present one; 0, 1 and 2 must be among them."""
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


def reset_signals() -> None:
    """Restore the default handlers, unblock every signal and detach the parent's wakeup pipe."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def apply(plan: dict[str, Any], mark: int, mapped: bool, fork: bool = False) -> None:
    """Confine this process: its mark, limits, capabilities, Landlock and system calls.

    Args:
        plan: the `configure` request: `limits`, `mode`, `landlock` (arguments of
            `landlock.restrict`, where the process has no root of its own), `seccomp` (whether to
            filter system calls) and `refuse` (see `seccomp.program`).
        mark: see `processes`.
        mapped: see `set_limits`.
        fork: keep CAP_SYS_CHROOT, so that a fork can enter its copy of the root.
    """
    os.umask(0o022)
    processes.mark(0, mark)
    set_limits(plan["limits"], mapped)
    jail = plan["mode"] == "jail"
    if jail:
        kernel.drop_capabilities((kernel.CHROOT,) if fork else ())
    else:
        kernel.prctl(kernel.NO_NEW_PRIVS, 1)
    kernel.prctl(kernel.DUMPABLE, 1)
    if plan.get("landlock"):
        landlock.restrict(**plan["landlock"])
    if plan.get("seccomp", True):
        seccomp.install(("chroot",) if fork and jail else (), tuple(plan.get("refuse", ())))
