"""Event loop of the guest: readable descriptors, ended children, and the memory check.

Single-threaded. Nothing here waits for untrusted code: its output is taken as it arrives, its end
is reported by the kernel, and whatever must go is killed. The process exits when the last channel
closes or the leash is released, and with process 1 the kernel kills everything else.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import selectors
import signal
from collections.abc import Callable, Iterator
from typing import Protocol

from . import processes
from .frames import Channel
from .jobs import Job

BUSY_CHECK_S, IDLE_CHECK_S = 0.1, 1.0
"""Seconds between two memory checks while a call runs, and while none does."""


class Served(Protocol):
    """A sandbox as the loop sees it (`serve.SandboxServer`)."""

    channel: Channel

    @property
    def busy(self) -> bool:
        """Whether a call is running."""

    def jobs(self) -> Iterator[Job]:
        """Yield every job, dead ones included."""

    def ready(self) -> None:
        """Handle what arrived on the channel."""

    def check_memory(self) -> None:
        """Kill what holds too much memory, where no cgroup limits it."""

    def kill_all(self) -> None:
        """Kill every job."""


class GuestLoop:
    """All sandboxes of one jail (a sandbox and its forks), or the only one of other backends.

    Args:
        leash: read end of a pipe; the guest exits when its write end closes. -1 for none.
    """

    def __init__(self, leash: int = -1) -> None:
        self.selector = selectors.DefaultSelector()
        self.servers: list[Served] = []
        self.children: dict[int, Callable[[int], None]] = {}
        """Process id -> called with the wait status when it ends."""
        self._marks = itertools.count(processes.FIRST_MARK - 1, -1)
        self._numbers = itertools.count(1)
        self._wake, wakeup = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wakeup, False)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.watch(self._wake, self._reap)
        if leash >= 0:
            self.watch(leash, self.exit)

    def watch(self, descriptor: int, ready: Callable[[], None]) -> None:
        """Call `ready` whenever the descriptor is readable."""
        self.selector.register(descriptor, selectors.EVENT_READ, ready)

    def forget(self, descriptor: int) -> None:
        """Stop watching a descriptor, if it is watched."""
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(descriptor)

    def add(self, server: Served) -> None:
        """Serve one more sandbox."""
        self.servers.append(server)
        self.watch(server.channel.fileno(), server.ready)

    def drop(self, server: Served) -> None:
        """Remove a sandbox whose channel has closed; exit after the last one."""
        self.servers.remove(server)
        if not self.servers:
            self.exit()

    def next_number(self) -> int:
        """Return a number that no root, session or shell has yet."""
        return next(self._numbers)

    def next_mark(self) -> int:
        """Return a process mark lower than every one before."""
        return next(self._marks)

    def living_jobs(self) -> list[Job]:
        """Return the jobs of all sandboxes that have not been killed."""
        return [job for server in self.servers for job in server.jobs() if job.alive]

    def exit(self) -> None:
        """Kill every job (outside a process namespace the kernel does not) and exit."""
        for server in list(self.servers):
            server.kill_all()
        os._exit(0)

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 4096)
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                on_exit = self.children.pop(pid, None)
                if on_exit is not None:
                    on_exit(status)

    def run(self) -> None:
        """Serve until the process exits; never returns."""
        while True:
            busy = any(server.busy for server in self.servers)
            for key, _ in self.selector.select(BUSY_CHECK_S if busy else IDLE_CHECK_S):
                # An earlier event of this round may have closed the descriptor.
                if key.fileobj in self.selector.get_map():
                    key.data()
            self._reap()
            for server in list(self.servers):
                server.check_memory()
