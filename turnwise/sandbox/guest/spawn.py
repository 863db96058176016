"""The process between the zygote and a jail: a fork of the zygote that forks one jail.

It gives up its user, enters new namespaces and forks the jail's process 1. It is forked ahead of
the request it serves, because copying the memory of a warm interpreter takes milliseconds, and
serves exactly one:

    request  {uid, gid, lower, cgroups} and, as a descriptor, the new sandbox's channel
    answer   {pid, entered}, or {failed}
"""

from __future__ import annotations

import contextlib
import os
import socket

from . import filesystem, kernel, serve
from .frames import Channel, Header

JAIL_UID = 1000
"""User and group number inside a jail."""
SPAWN_S = 60.0
"""Seconds that making a jail may take."""
NAMESPACES = (
    kernel.NEWUSER
    | kernel.NEWPID
    | kernel.NEWNET
    | kernel.NEWIPC
    | kernel.NEWUTS
    | kernel.NEWNS
    | kernel.NEWCGROUP
)


class JailSpawner:
    """The zygote's handle of one such process; making it forks the process.

    Args:
        host: the host's root directory, open.
        at: the directory that the template stands on.
        leash: read end of a pipe that closes when the zygote is gone.
        close: descriptors of the zygote that the process must not inherit.
    """

    def __init__(self, host: int, at: str, leash: int, close: tuple[int, ...]) -> None:
        ours, theirs = socket.socketpair()
        if os.fork() == 0:
            try:
                for descriptor in (*close, ours.detach()):
                    os.close(descriptor)
                _serve_one(Channel(theirs.fileno(), theirs.fileno()), host, at, leash)
            finally:
                os._exit(1)
        theirs.close()
        number = ours.detach()
        self._channel = Channel(number, number)

    def fileno(self) -> int:
        return self._channel.fileno()

    def spawn(self, request: Header, channel: int) -> tuple[int, bool]:
        """Return the process id of a new jail's process 1, and whether it is in its cgroups.

        Raises:
            OSError: with the reason, where no jail can be made.
        """
        self._channel.send(request, descriptors=(channel,))
        answer = self._channel.wait(SPAWN_S)
        if answer is None:
            raise OSError("the process that makes the jail died")
        if "failed" in answer[0]:
            raise OSError(str(answer[0]["failed"]))
        return int(answer[0]["pid"]), bool(answer[0]["entered"])

    def release(self) -> None:
        """Let the process exit.

        Not right after `spawn`: freeing the memory of an interpreter would slow the jail's start.
        """
        self._channel.close()


def _serve_one(channel: Channel, host: int, at: str, leash: int) -> None:
    """Serve one request, then wait until the zygote releases this process or is gone."""
    os.fchdir(host)
    os.chroot(".")
    os.close(host)
    frame = channel.receive()
    if frame is None:
        return
    try:
        _spawn(frame[0], channel, at, leash)
    except BaseException as problem:
        channel.send({"failed": str(problem)[:2000] or type(problem).__name__})
    channel.receive()


def _spawn(request: Header, zygote: Channel, at: str, leash: int) -> None:
    channel = zygote.passed.pop(0)
    entered = _join_cgroups([str(path) for path in request.get("cgroups", ())])
    if request.get("lower"):
        _bind_workspace(str(request["lower"]), at, request)
    _enter_namespaces(request)
    pid = os.fork()
    if pid:
        os.close(channel)
        zygote.send({"pid": pid, "entered": entered})
        return
    try:
        zygote.close()
        os.setsid()
        _run_jail(at, channel, leash)
    except BaseException as problem:  # sent as the answer to the parent's first request
        Channel(channel, channel).send({"failed": str(problem)})
    finally:
        os._exit(1)


def _join_cgroups(paths: list[str]) -> bool:
    """Join cgroups before there is anything to limit; return whether all could be joined."""
    try:
        for path in paths:
            with open(path, "w") as file:
                file.write("0")
    except OSError:  # the answer says so, and the parent has the guest watch the memory instead
        return False
    return True


def _bind_workspace(workspace: str, at: str, request: Header) -> None:
    """Bind the workspace as the lower layer of an overlay.

    Where the kernel refuses, nothing is bound and the parent sends a copy of it later.
    """
    kernel.unshare(kernel.NEWNS)
    with contextlib.suppress(OSError):
        if "uid" in request:
            kernel.bind_as(workspace, f"{at}/lower", int(request["uid"]), int(request["gid"]))
        else:
            kernel.bind(workspace, f"{at}/lower")


def _enter_namespaces(request: Header) -> None:
    """Become the requested user, if any, and enter new namespaces; refuse to stay root."""
    if "uid" in request:
        uid, gid = int(request["uid"]), int(request["gid"])
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    if os.geteuid() == 0 or os.getuid() == 0:
        raise OSError("refused: a jail never starts as root of the host")
    outside, group = os.geteuid(), os.getegid()
    kernel.unshare(NAMESPACES)
    kernel.map_identity(JAIL_UID, outside, group)


def _run_jail(at: str, channel: int, leash: int) -> None:
    """Make the template the root directory and serve, as process 1 of the new namespaces."""
    kernel.mount("", "/", flags=kernel.REC | kernel.PRIVATE)
    kernel.mount("proc", f"{at}/proc", "proc", kernel.NOSUID | kernel.NODEV | kernel.NOEXEC)
    kernel.mount(at, at, flags=kernel.BIND | kernel.REC)
    kernel.pivot(at)
    filesystem.mount_roots()
    socket.sethostname("sandbox")
    os.environ.clear()
    os.environ.update(PATH="/usr/bin:/bin", HOME="/work")
    serve.start(channel, channel, leash)
