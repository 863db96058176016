"""Zygote: a warm interpreter from which jails are forked in milliseconds.

The trainer starts it with an empty environment and one socket. It builds the template, enters it
and imports the requested modules; after that it forks one process after another into new
namespaces (`spawn`), keeping the next one ready. It is not a fork of the trainer, so its memory
holds nothing of the trainer's.

    first request  {binds, path, preload}                          answer {covered}, or {failed}
    request        {uid, gid, lower, cgroups} and a channel        answer {entered} and a pidfd,
                                                                   or {failed}
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys

from . import filesystem, interpreter, kernel
from .frames import Channel, Header
from .spawn import JailSpawner

PARENT_CHECK_S = 2.0
"""Seconds between two checks that the trainer is alive."""
RELEASE_S, PREPARE_S = 0.01, 0.03
"""Seconds without a request after which the last spawner is released, and the next one forked."""


class ZygoteServer:
    """Answers the trainer's requests for jails."""

    def __init__(self, channel: Channel, host: int, at: str) -> None:
        self.channel, self._host, self._at = channel, host, at
        self._parent = os.getppid()
        self._leash, self._leash_end = os.pipe()
        self._next: JailSpawner | None = None
        self._used: list[JailSpawner] = []
        kernel.prctl(kernel.SUBREAPER, 1)

    def serve(self) -> None:
        """Serve until the trainer is gone, then exit; jails notice by their leash."""
        poll = select.poll()
        poll.register(self.channel.fileno(), select.POLLIN)
        while not self.channel.closed and os.getppid() == self._parent:
            idle = PARENT_CHECK_S if self._next is not None else PREPARE_S
            if poll.poll(1000 * (RELEASE_S if self._used else idle)):
                self.channel.fill()
            elif self._used:
                self._used.pop(0).release()
            elif self._next is None:
                self._next = self._prepare()
            while (frame := self.channel.take()) is not None:
                self._answer(frame[0])
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
        os._exit(0)

    def _prepare(self) -> JailSpawner:
        # A spawner exits once nobody holds the other end of its channel, so none may inherit it.
        others = (used.fileno() for used in self._used)
        close = (self.channel.fileno(), self._leash_end, *others)
        return JailSpawner(self._host, self._at, self._leash, close)

    def _answer(self, request: Header) -> None:
        if not self.channel.passed:
            self.channel.send({"failed": "a jail needs a channel"})
            return
        channel = self.channel.passed.pop(0)
        try:
            spawner, self._next = self._next or self._prepare(), None
            self._used.append(spawner)
            if len(self._used) > 1:  # in a burst of requests, keep no more than one
                self._used.pop(0).release()
            pid, entered = spawner.spawn(request, channel)
            pidfd = os.pidfd_open(pid)
            self.channel.send({"entered": entered}, descriptors=(pidfd,))
            os.close(pidfd)
        except OSError as problem:
            self.channel.send({"failed": str(problem)})
        finally:
            os.close(channel)


def main() -> None:
    """Serve the socket whose descriptor ends the command line."""
    channel = Channel(int(sys.argv[-1]), int(sys.argv[-1]))
    first = channel.receive()
    if first is None:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        template = filesystem.build_template(first[0]["binds"])
        host = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        os.chroot(f"{template['at']}/base")
        os.chdir("/")
        sys.path[:] = first[0]["path"]
        interpreter.warm(first[0]["preload"])
    except Exception as problem:
        channel.send({"failed": f"{type(problem).__name__}: {problem}"})
        return
    channel.send({"covered": template["covered"]})
    ZygoteServer(channel, host, str(template["at"])).serve()
