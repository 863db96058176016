"""The process between the zygote and a jail: a fork of the zygote that gives up everything, and
forks the jail's first process.

It is forked before it is asked for (copying the memory of a warm interpreter takes milliseconds)
and waits for its one request:

    request {uid, gid, lower, cgroups}, with the channel of the new sandbox       answer {pid, entered}, or {failed}
"""

from __future__ import annotations

import contextlib
import os
import socket

from . import kernel, roots, serve
from .frames import Channel, Header

INSIDE = 1000
"""The user in a jail."""
PATIENCE = 60.0
"""Seconds that a jail may take to be made."""
ALL = (
    kernel.NEWUSER
    | kernel.NEWPID
    | kernel.NEWNET
    | kernel.NEWIPC
    | kernel.NEWUTS
    | kernel.NEWNS
    | kernel.NEWCGROUP
)


def _descend(request: Header) -> None:
    """Give up the user where that is root, enter new namespaces."""
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
    """Come under the limits of control groups before there is anything to limit; whether all could
    be entered.
    """
    try:
        for door in doors:
            with open(door, "w") as file:
                file.write("0")
    except OSError:  # whoever asked is told, and watches the memory itself
        return False
    return True


def _lay(workspace: str, at: str, request: Header) -> None:
    """Put the workspace where it can be laid under an overlay; where the kernel cannot, it will be
    copied.
    """
    kernel.unshare(kernel.NEWNS)
    with contextlib.suppress(OSError):
        if "uid" in request:
            kernel.bind_as(workspace, f"{at}/lower", int(request["uid"]), int(request["gid"]))
        else:
            kernel.bind(workspace, f"{at}/lower")


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


class Descent:
    """One such process, as the zygote holds it.

    Args:
        host: the host's root directory, open.
        at: where the template stands.
        leash: the end of a pipe by which a jail notices that the zygote is gone.
        shut: descriptors of the zygote that are not for it.
    """

    def __init__(self, host: int, at: str, leash: int, shut: tuple[int, ...]) -> None:
        ours, theirs = socket.socketpair()
        if os.fork() == 0:
            try:
                for descriptor in (*shut, ours.detach()):
                    os.close(descriptor)
                _wait(Channel(theirs.fileno(), theirs.fileno()), host, at, leash)
            finally:
                os._exit(1)
        theirs.close()
        number = ours.detach()
        self._channel = Channel(number, number)

    def fileno(self) -> int:
        return self._channel.fileno()

    def go(self, request: Header, channel: int) -> tuple[int, bool]:
        """The number of a new jail's first process, and whether it is in its control groups;
        `OSError` with the reason if none.
        """
        self._channel.send(request, descriptors=(channel,))
        answer = self._channel.wait(PATIENCE)
        if answer is None:
            raise OSError("the process that makes the jail died")
        if "failed" in answer[0]:
            raise OSError(str(answer[0]["failed"]))
        return int(answer[0]["pid"]), bool(answer[0]["entered"])

    def end(self) -> None:
        """Let it go. Not at once: taking down the memory of an interpreter would slow the one that
        starts.
        """
        self._channel.close()


def _wait(channel: Channel, host: int, at: str, leash: int) -> None:
    """In the new process, until the zygote lets go of it or is gone."""
    os.fchdir(host)
    os.chroot(".")
    os.close(host)
    frame = channel.receive()
    if frame is None:
        return
    try:
        _go(frame[0], channel, at, leash)
    except BaseException as problem:
        channel.send({"failed": str(problem)[:2000] or type(problem).__name__})
    channel.receive()


def _go(request: Header, asker: Channel, at: str, leash: int) -> None:
    channel = asker.passed.pop(0)
    entered = _enter([str(door) for door in request.get("cgroups", ())])
    if request.get("lower"):
        _lay(str(request["lower"]), at, request)
    _descend(request)
    pid = os.fork()
    if pid:
        os.close(channel)
        asker.send({"pid": pid, "entered": entered})
        return
    try:
        asker.close()
        os.setsid()
        _jail(at, channel, leash)
    except BaseException as problem:  # the first request will be answered by this
        Channel(channel, channel).send({"failed": str(problem)})
    finally:
        os._exit(1)
