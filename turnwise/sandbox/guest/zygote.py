"""A warm interpreter that forks a jail in milliseconds: executed clean, it holds imported modules and nothing else.

It is started by the trainer with an empty environment and one socket; it builds the template, enters it, imports what was asked
for, and then forks one process after another into new namespaces. It is not a fork of the trainer, so there is nothing of the
trainer in its memory.

    request {uid, gid, lower, cgroups}, with the channel of the new sandbox     answer {entered}, with a pidfd; or {failed}
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys

from . import kernel, roots, serve, template, warming
from .frames import Channel, Header

INSIDE = 1000
"""The user in a jail."""
LOOK = 2.0
"""Seconds between two looks at whether the trainer lives."""
ALL = kernel.NEWUSER | kernel.NEWPID | kernel.NEWNET | kernel.NEWIPC | kernel.NEWUTS | kernel.NEWNS | kernel.NEWCGROUP


def _descend(request: Header) -> None:
    """In a child: give up the user where that is root, enter new namespaces, fork the first process of the jail."""
    if "uid" in request:
        uid, gid = int(request["uid"]), int(request["gid"])
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    if os.geteuid() == 0 or os.getuid() == 0:
        raise OSError("refused: a jail never starts as root of the host")
    outside, group = os.geteuid(), os.getegid()
    kernel.unshare(ALL)
    kernel.identity(INSIDE, outside, group)


def _enter(doors: list[str]) -> bool:
    """Come under the limits of control groups before there is anything to limit; whether all could be entered."""
    try:
        for door in doors:
            with open(door, "w") as file:
                file.write("0")
    except OSError:  # whoever asked is told, and watches the memory itself
        return False
    return True


def _jail(at: str, channel: int, leash: int) -> None:
    """As process 1 of the new namespaces: make the template the root of everything, and serve."""
    kernel.mount("", "/", flags=kernel.REC | kernel.PRIVATE)
    kernel.mount("proc", f"{at}/proc", "proc", kernel.NOSUID | kernel.NODEV | kernel.NOEXEC)
    kernel.mount(at, at, flags=kernel.BIND | kernel.REC)
    kernel.pivot(at)
    roots.prepare()
    socket.sethostname("sandbox")
    os.environ.clear()
    os.environ.update(PATH="/usr/bin:/bin", HOME="/work")
    serve.start(channel, channel, leash)


class Zygote:
    """Answers the trainer's requests for jails."""

    def __init__(self, channel: Channel, host: int, at: str) -> None:
        self.channel, self._host, self._at = channel, host, at
        self._parent = os.getppid()
        self._leash, self._held = os.pipe()
        kernel.prctl(kernel.SUBREAPER, 1)

    def serve(self) -> None:
        """Until the trainer is gone; what it forked notices by the leash."""
        poll = select.poll()
        poll.register(self.channel.fileno(), select.POLLIN)
        while not self.channel.closed and os.getppid() == self._parent:
            if poll.poll(LOOK * 1000):
                self.channel.fill()
            while (frame := self.channel.take()) is not None:
                self._answer(frame[0])
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
        os._exit(0)

    def _answer(self, request: Header) -> None:
        if not self.channel.passed:
            self.channel.send({"failed": "a jail needs a channel"})
            return
        channel = self.channel.passed.pop(0)
        try:
            pid, entered = self._fork(request, channel)
            pidfd = os.pidfd_open(pid)
            self.channel.send({"entered": entered}, descriptors=(pidfd,))
            os.close(pidfd)
        except OSError as problem:
            self.channel.send({"failed": str(problem)})
        finally:
            os.close(channel)

    def _fork(self, request: Header, channel: int) -> tuple[int, bool]:
        """The number of a new jail's first process, and whether it is in its control groups; `OSError` with the reason if none."""
        reader, writer = os.pipe()
        middle = os.fork()
        if middle == 0:
            try:
                os.close(reader)
                self._middle(request, channel, writer)
            except BaseException as problem:
                os.write(writer, str(problem).encode()[:2000])
            finally:
                os._exit(1)
        os.close(writer)
        with open(reader, "rb") as file:
            said = file.read()
        os.waitpid(middle, 0)
        number, _, entered = said.partition(b" ")
        if not number.isdigit():
            raise OSError(said.decode("utf-8", "replace") or "the process that makes the jail died")
        return int(number), entered == b"1"

    def _middle(self, request: Header, channel: int, writer: int) -> None:
        os.fchdir(self._host)
        os.chroot(".")
        for descriptor in (self._host, self._held, self.channel.fileno()):
            os.close(descriptor)
        entered = _enter([str(door) for door in request.get("cgroups", ())])
        if request.get("lower"):
            self._lay(str(request["lower"]), request)
        _descend(request)
        pid = os.fork()
        if pid:
            os.write(writer, f"{pid} {entered:d}".encode())
            os._exit(0)
        try:
            os.close(writer)
            os.setsid()
            _jail(self._at, channel, self._leash)
        except BaseException as problem:  # the first request will be answered by this
            Channel(channel, channel).send({"failed": str(problem)})
            os._exit(1)

    def _lay(self, workspace: str, request: Header) -> None:
        """Put the workspace where it can be laid under an overlay; where the kernel cannot, it will be copied."""
        kernel.unshare(kernel.NEWNS)
        with contextlib.suppress(OSError):
            if "uid" in request:
                kernel.bind_as(workspace, f"{self._at}/lower", int(request["uid"]), int(request["gid"]))
            else:
                kernel.bind(workspace, f"{self._at}/lower")


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
