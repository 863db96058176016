"""The first process of a sandbox: answers requests on its channels, drains what runs, reaps what
ends, and outlives none of it.

One loop and no threads. Nothing here waits for untrusted code: what it writes is taken as it comes,
what it ends is noticed by the kernel, and what must go is killed. When the last channel is gone, or
the leash is let go of, the process ends, and with process 1 everything else.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import sys
from collections.abc import Callable

from . import kernel
from .branch import Branch
from .frames import Channel
from .jobs import marks

TICK, REST = 0.1, 1.0
"""Seconds between two looks at memory while something is being answered, and while nothing is."""


class Guest:
    """All roots of one jail (or the only one there is) and what runs in them."""

    def __init__(self, channel: Channel, leash: int = -1) -> None:
        self.selector = selectors.DefaultSelector()
        self.branches: list[Branch] = []
        self.children: dict[int, Callable[[int], None]] = {}
        self.take_mark = marks()
        self._leash = leash
        self._numbers = 0
        self._wake, wakeup = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wakeup, False)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.watch(self._wake, self._reap)
        if leash >= 0:
            self.watch(leash, self.leave)
        self.add(Branch(self, channel))

    def watch(self, descriptor: int, ready: Callable[[], None]) -> None:
        self.selector.register(descriptor, selectors.EVENT_READ, ready)

    def forget(self, descriptor: int) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(descriptor)

    def add(self, branch: Branch) -> None:
        self.branches.append(branch)
        self.watch(branch.channel.fileno(), branch.ready)

    def drop(self, branch: Branch) -> None:
        """A channel has ended; with the last one, so does everything."""
        self.branches.remove(branch)
        if not self.branches:
            self.leave()

    def number(self) -> int:
        self._numbers += 1
        return self._numbers

    def living(self) -> set[int]:
        """Marks of what may live."""
        return {job.mark for branch in self.branches for job in branch.jobs() if job.alive}

    def leave(self) -> None:
        """End; where the kernel does not kill the rest with us, we do."""
        for branch in list(self.branches):
            branch.kill_all()
        os._exit(0)

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 4096)
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                ended = self.children.pop(pid, None)
                if ended is not None:
                    ended(status)

    def serve(self) -> None:
        """Never returns."""
        while True:
            busy = any(branch.busy for branch in self.branches)
            for key, _ in self.selector.select(TICK if busy else REST):
                if (
                    key.fileobj in self.selector.get_map()
                ):  # an earlier event of this round may have ended it
                    key.data()
            self._reap()
            for branch in list(self.branches):
                branch.look_at_memory()


def start(reader: int, writer: int, leash: int = -1) -> None:
    """Serve on a channel; never returns."""
    kernel.prctl(
        kernel.DUMPABLE, 0
    )  # nobody of the same user may look into this process or write to it
    if os.getpid() != 1:
        kernel.prctl(kernel.SUBREAPER, 1)
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    Guest(Channel(reader, writer), leash).serve()


def main() -> None:
    """`IN OUT` on the command line."""
    start(int(sys.argv[-2]), int(sys.argv[-1]))
