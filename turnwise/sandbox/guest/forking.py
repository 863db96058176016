"""A sandbox is copied: its files, then each of its interpreters, which fork and enter the copy of
the root themselves.

An interpreter has no privilege but to change its root, and only it can copy its memory; so it is
asked to. The kernel says who answers (SCM_CREDENTIALS), since the answer itself comes from
untrusted code.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import socket
import struct
import time
from typing import TYPE_CHECKING

from . import processes, roots
from .files import Refused
from .frames import Channel
from .jobs import Interpreter

if TYPE_CHECKING:
    from .branch import Branch

PATIENCE = 10.0
"""Seconds that an interpreter has to copy itself."""


def fork(origin: Branch) -> Branch:
    """A branch on the passed channel that continues where `origin` stands.

    Raises:
        Refused: where roots cannot be made, there is no room, or an interpreter does not copy
            itself.
    """
    from .branch import Branch

    if not origin.channel.passed:
        raise Refused("a fork needs a channel of its own")
    descriptor = origin.channel.passed.pop(0)
    place = origin.root
    if place is None or not place.path:
        os.close(descriptor)
        raise Refused("this sandbox cannot be forked")
    branch = Branch(origin.guest, Channel(descriptor, descriptor), origin.plan)
    _allow_more(origin)
    try:
        branch.root = root = roots.make(origin.guest.number(), origin.plan, place)
        for number, job in origin.sessions.items():
            if job.alive:
                branch.sessions[number] = _copy(job, root, origin)
                branch.watch(branch.sessions[number])
    except RecursionError:
        _undo(branch)
        raise Refused("the sandbox cannot be forked: its directories are nested too deep") from None
    except (OSError, Refused) as problem:
        _undo(branch)
        raise Refused(f"the sandbox cannot be forked: {problem}") from None
    return branch


def _undo(branch: Branch) -> None:
    branch.guest.branches.append(branch)  # its interpreters are known while they are killed
    branch.kill_all()
    branch.guest.branches.remove(branch)
    branch.channel.close()
    if branch.root is not None:
        branch.root.remove()


def _copy(job: Interpreter, root: roots.Root, origin: Branch) -> Interpreter:
    """An interpreter forked from `job` into `root`."""
    copy = Interpreter(root, origin.guest.take_mark(), job.out.keep)
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    directory = os.open(root.path, os.O_PATH | os.O_DIRECTORY)
    try:
        job.channel.send(
            {"fork": True},
            descriptors=(theirs.fileno(), copy.out.writer, copy.err.writer, directory),
        )
        theirs.close()
        copy.pid = _answered(ours)
        _verify(copy.pid, root, origin)
        processes.mark(copy.pid, copy.mark)
    except OSError as problem:
        ours.close()
        copy.alive = False
        copy.out.close()
        copy.err.close()
        raise Refused(f"an interpreter did not copy itself ({problem})") from None
    finally:
        os.close(directory)
        theirs.close()
    copy.out.release()
    copy.err.release()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
    copy.adopt(ours.detach())
    return copy


def _verify(pid: int, root: roots.Root, origin: Branch) -> None:
    """What answered is a new process, in the root of the copy."""
    known = {job.pid for branch in origin.guest.branches for job in branch.jobs()}
    if pid in known or os.readlink(f"/proc/{pid}/root") != root.path:
        raise OSError("it stayed where it was")


def _allow_more(origin: Branch) -> None:
    """The kernel counts the processes of all forks together: let everybody's share grow with their
    number.
    """
    limits = origin.plan["limits"]
    limits["shares"] = len(origin.guest.branches) + 1
    most = limits["shares"] * int(limits["processes"])
    for job in [job for branch in origin.guest.branches for job in branch.jobs() if job.alive]:
        with contextlib.suppress(OSError, ValueError):
            hard = resource.prlimit(job.pid, resource.RLIMIT_NPROC)[1]
            resource.prlimit(job.pid, resource.RLIMIT_NPROC, (min(most, hard), hard))


def _answered(ours: socket.socket) -> int:
    """The process that says it is ready, as the kernel knows it."""
    deadline = time.monotonic() + PATIENCE
    poll = select.poll()
    poll.register(ours.fileno(), select.POLLIN)
    if not poll.poll((deadline - time.monotonic()) * 1000):
        raise OSError("no answer in time")
    data, extra, _, _ = ours.recvmsg(1 << 10, socket.CMSG_SPACE(12), socket.MSG_DONTWAIT)
    for level, kind, value in extra:
        if data and (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            return int(struct.unpack("iii", value[:12])[0])
    raise OSError("it ended")
