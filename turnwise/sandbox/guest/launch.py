"""The way down for backends without a zygote: make what is shown passable, give up root, then serve
or become what confines us.

Run in a fresh interpreter with an empty environment, so that nothing of the trainer is in its
memory:

    {show: [paths], user: [uid, gid], path: [directories], become: [program, ...], keeper:
    descriptor}  IN OUT

Everything may be left out; without a path, `sys.path` stays as it is.

With a keeper, the guest is not process 1 of anything: a parent stays above it that all its orphans
fall to, and that ends only when every one of them is dead, whether the guest ended itself, was
killed, or the keeper is told to (SIGTERM). It writes `child-pid`, its own number, to the
descriptor.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time

from . import kernel, processes, serve


def closed(path: str) -> str:
    """The outermost directory above `path` that others than its owner cannot enter; empty where
    there is none.
    """
    names = os.path.realpath(path).split("/")[1:]
    for depth in range(1, len(names)):
        above = "/" + "/".join(names[:depth])
        if not os.stat(above).st_mode & 0o001:
            return above
    return ""


def show(paths: list[str]) -> None:
    """In mounts of our own: lay an empty, open directory over each closed one, and bind what is
    needed of it there again.

    Raises:
        OSError: where this process may not mount.
    """
    hidden = {path: above for path in paths if (above := closed(path))}
    if not hidden:
        return
    kernel.unshare(kernel.NEWNS)
    kernel.mount("", "/", flags=kernel.REC | kernel.PRIVATE)
    places = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in hidden}
    for above in set(hidden.values()):
        kernel.mount("tmpfs", above, "tmpfs", kernel.NOSUID | kernel.NODEV, "size=1m,mode=755")
    for path, place in places.items():
        if os.path.isdir(f"/proc/self/fd/{place}"):
            os.makedirs(path, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with contextlib.suppress(FileExistsError), open(path, "x"):
                pass
        kernel.bind(f"/proc/self/fd/{place}", path)
        os.close(place)


def descend(uid: int, gid: int) -> None:
    """Be this user and nobody else, for good; `OSError` where that is the host's root."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    if 0 in os.getresuid():
        raise OSError("refused: untrusted code never runs as root of the host")


def keep(information: int, channel: list[int]) -> None:
    """Return in a child, which is to be the guest; the parent looks after it and never returns."""
    kernel.prctl(kernel.SUBREAPER, 1)
    kernel.prctl(kernel.DUMPABLE, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD})
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    guest = os.fork()
    if guest == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGCHLD})
        os.close(information)
        return
    for descriptor in set(channel):
        os.close(descriptor)
    os.write(information, json.dumps({"child-pid": os.getpid()}).encode())
    os.close(information)
    while not _ended(guest) and signal.sigwait({signal.SIGTERM, signal.SIGCHLD}) != signal.SIGTERM:
        pass
    while victims := processes.descendants():
        for victim in victims:
            with contextlib.suppress(OSError):
                os.kill(victim, signal.SIGKILL)
        _ended(guest)
        time.sleep(0.0005)
    os._exit(0)


def _ended(guest: int) -> bool:
    """Reap what has ended; whether the guest is among it."""
    with contextlib.suppress(ChildProcessError):
        while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            if pid == guest:
                return True
        return False
    return True


def main() -> None:
    """A plan as JSON, and the channel, on the command line; never returns."""
    plan = json.loads(sys.argv[-3])
    os.umask(0o022)
    try:
        if plan.get("show") and os.geteuid() == 0:
            show(plan["show"])
        descend(*(plan.get("user") or (os.getuid(), os.getgid())))
        if plan.get("become"):
            os.execv(plan["become"][0], plan["become"])
    except OSError as problem:
        sys.exit(f"{problem}")
    if plan.get("path"):
        sys.path[:] = plan["path"]
    if plan.get("keeper"):
        keep(int(plan["keeper"]), [int(word) for word in sys.argv[-2:]])
    serve.start(int(sys.argv[-2]), int(sys.argv[-1]))
