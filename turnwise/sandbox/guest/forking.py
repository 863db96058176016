"""Copies of running interpreters, for forks of a sandbox.

An interpreter has no privilege but to change its root, and only it can copy its own memory, so it
is asked to fork itself into the copied root. Its answer comes from untrusted code; the kernel says
which process sent it (SCM_CREDENTIALS).
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import socket
import struct
import time
from collections.abc import Collection, Iterable
from typing import Any

from . import processes
from .files import RequestRefused
from .filesystem import Root
from .jobs import InterpreterJob, Job

COPY_S = 10.0
"""Seconds that an interpreter has to copy itself."""


def copy_interpreter(
    origin: InterpreterJob, root: Root, mark: int, known: Collection[int]
) -> InterpreterJob:
    """Return a copy of a running interpreter.

    Args:
        root: the root that the copy enters.
        mark: the mark of the copy's processes.
        known: process ids that existed before and cannot be the copy.

    Raises:
        RequestRefused: where the interpreter does not copy itself.
    """
    copy = InterpreterJob(root, mark, origin.out.keep)
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    directory = os.open(root.path, os.O_PATH | os.O_DIRECTORY)
    try:
        origin.channel.send(
            {"fork": True},
            descriptors=(theirs.fileno(), copy.out.writer, copy.err.writer, directory),
        )
        theirs.close()
        copy.pid = _sender(ours)
        if copy.pid in known or os.readlink(f"/proc/{copy.pid}/root") != root.path:
            raise OSError("it stayed where it was")
        processes.mark(copy.pid, copy.mark)
    except OSError as problem:
        ours.close()
        copy.alive = False
        copy.out.close()
        copy.err.close()
        raise RequestRefused(f"an interpreter did not copy itself ({problem})") from None
    finally:
        os.close(directory)
        theirs.close()
    copy.out.release()
    copy.err.release()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
    copy.adopt(ours.detach())
    return copy


def _sender(ours: socket.socket) -> int:
    """Wait for the first message; return the process id of its sender as the kernel knows it."""
    deadline = time.monotonic() + COPY_S
    poll = select.poll()
    poll.register(ours.fileno(), select.POLLIN)
    if not poll.poll((deadline - time.monotonic()) * 1000):
        raise OSError("no answer in time")
    data, extra, _, _ = ours.recvmsg(1 << 10, socket.CMSG_SPACE(12), socket.MSG_DONTWAIT)
    for level, kind, value in extra:
        if data and (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            return int(struct.unpack("iii", value[:12])[0])
    raise OSError("it ended")


def raise_process_limits(limits: dict[str, Any], sandboxes: int, jobs: Iterable[Job]) -> None:
    """Raise RLIMIT_NPROC of running jobs to the share of `sandboxes` sandboxes.

    The kernel counts the processes of a sandbox and its forks together, as they have one user.
    """
    limits["shares"] = sandboxes
    total = sandboxes * int(limits["processes"])
    for job in jobs:
        with contextlib.suppress(OSError, ValueError):
            hard = resource.prlimit(job.pid, resource.RLIMIT_NPROC)[1]
            resource.prlimit(job.pid, resource.RLIMIT_NPROC, (min(total, hard), hard))
