"""A warm interpreter that forks a jail in milliseconds: executed clean, it holds imported modules
and nothing else.

It is started by the trainer with an empty environment and one socket; it builds the template,
enters it, imports what was asked for, and then forks one process after another into new namespaces
(`descent`), the next one always at hand. It is not a fork of the trainer, so there is nothing of
the trainer in its memory.

    request {uid, gid, lower, cgroups}, with the channel of the new sandbox     answer {entered}, with a pidfd; or {failed}
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys

from . import kernel, template, warming
from .descent import Descent
from .frames import Channel, Header

LOOK = 2.0
"""Seconds between two looks at whether the trainer lives."""
SOON, IDLE = 0.01, 0.03
"""Seconds without a request after which what made the last one ends, and after which the next one
is prepared for.
"""


class Zygote:
    """Answers the trainer's requests for jails."""

    def __init__(self, channel: Channel, host: int, at: str) -> None:
        self.channel, self._host, self._at = channel, host, at
        self._parent = os.getppid()
        self._leash, self._held = os.pipe()
        self._next: Descent | None = None
        self._used: list[Descent] = []
        kernel.prctl(kernel.SUBREAPER, 1)

    def serve(self) -> None:
        """Until the trainer is gone; what it forked notices by the leash."""
        poll = select.poll()
        poll.register(self.channel.fileno(), select.POLLIN)
        while not self.channel.closed and os.getppid() == self._parent:
            if poll.poll(1000 * (SOON if self._used else IDLE if self._next is None else LOOK)):
                self.channel.fill()
            elif self._used:
                self._used.pop(0).end()
            elif self._next is None:
                self._next = self._descent()
            while (frame := self.channel.take()) is not None:
                self._answer(frame[0])
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
        os._exit(0)

    def _descent(self) -> Descent:
        others = (
            used.fileno() for used in self._used
        )  # one ends when nobody has the other end of its channel
        return Descent(
            self._host, self._at, self._leash, (self.channel.fileno(), self._held, *others)
        )

    def _answer(self, request: Header) -> None:
        if not self.channel.passed:
            self.channel.send({"failed": "a jail needs a channel"})
            return
        channel = self.channel.passed.pop(0)
        try:
            descent, self._next = self._next or self._descent(), None
            self._used.append(descent)
            if len(self._used) > 1:  # requests come one after the other
                self._used.pop(0).end()
            pid, entered = descent.go(request, channel)
            pidfd = os.pidfd_open(pid)
            self.channel.send({"entered": entered}, descriptors=(pidfd,))
            os.close(pidfd)
        except OSError as problem:
            self.channel.send({"failed": str(problem)})
        finally:
            os.close(channel)


def main() -> None:
    """`SOCKET` on the command line; the first request says what to show and what to import."""
    channel = Channel(int(sys.argv[-1]), int(sys.argv[-1]))
    first = channel.receive()
    if first is None:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        built = template.build(first[0]["binds"])
        host = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        os.chroot(f"{built['at']}/base")
        os.chdir("/")
        sys.path[:] = first[0]["path"]
        warming.warm(first[0]["preload"])
    except Exception as problem:
        channel.send({"failed": f"{type(problem).__name__}: {problem}"})
        return
    channel.send({"covered": built["covered"]})
    Zygote(channel, host, str(built["at"])).serve()
