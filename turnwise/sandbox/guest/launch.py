"""Entry point of backends without a zygote: give up root, then serve or run another program.

It runs in a fresh interpreter with an empty environment, so that nothing of the trainer is in its
memory. The command line ends with a plan as JSON and the two descriptors of the channel; every key
of the plan may be left out:

    show    paths of the host to make reachable below directories that others cannot enter
    user    [uid, gid] to become
    path    `sys.path`
    become  a command line to execute instead of serving
    keeper  a descriptor; run the guest below a keeper, which writes {"child-pid": its own} to it

A keeper serves where the guest is not process 1 of a namespace. It adopts all orphans of the guest
and exits only when every one of them is dead, whether the guest exited, was killed, or the keeper
got a SIGTERM.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time

from . import kernel, processes, serve


def closed_parent(path: str) -> str:
    """Return the outermost directory above `path` that others cannot enter; empty without one."""
    names = os.path.realpath(path).split("/")[1:]
    for depth in range(1, len(names)):
        above = "/" + "/".join(names[:depth])
        if not os.stat(above).st_mode & 0o001:
            return above
    return ""


def show(paths: list[str]) -> None:
    """Make paths reachable for every user, in a mount namespace of our own.

    An empty, open directory is mounted over each closed parent, and the paths are bound in it.

    Raises:
        OSError: where this process may not mount.
    """
    hidden = {path: above for path in paths if (above := closed_parent(path))}
    if not hidden:
        return
    kernel.unshare(kernel.NEWNS)
    kernel.mount("", "/", flags=kernel.REC | kernel.PRIVATE)
    sources = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in hidden}
    for above in set(hidden.values()):
        kernel.mount("tmpfs", above, "tmpfs", kernel.NOSUID | kernel.NODEV, "size=1m,mode=755")
    for path, source in sources.items():
        if os.path.isdir(f"/proc/self/fd/{source}"):
            os.makedirs(path, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with contextlib.suppress(FileExistsError), open(path, "x"):
                pass
        kernel.bind(f"/proc/self/fd/{source}", path)
        os.close(source)


def become_user(uid: int, gid: int) -> None:
    """Become this user for good; `OSError` where that is the host's root."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    if 0 in os.getresuid():
        raise OSError("refused: untrusted code never runs as root of the host")


def run_keeper(information: int, channel: list[int]) -> None:
    """Fork; return in the child, which becomes the guest. The parent stays as its keeper."""
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
    """Reap dead children; return whether the guest is among them."""
    with contextlib.suppress(ChildProcessError):
        while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            if pid == guest:
                return True
        return False
    return True


def main() -> None:
    """Follow the plan on the command line; never returns."""
    plan = json.loads(sys.argv[-3])
    os.umask(0o022)
    try:
        if plan.get("show") and os.geteuid() == 0:
            show(plan["show"])
        become_user(*(plan.get("user") or (os.getuid(), os.getgid())))
        if plan.get("become"):
            os.execv(plan["become"][0], plan["become"])
    except OSError as problem:
        sys.exit(f"{problem}")
    if plan.get("path"):
        sys.path[:] = plan["path"]
    if plan.get("keeper"):
        run_keeper(int(plan["keeper"]), [int(word) for word in sys.argv[-2:]])
    serve.start(int(sys.argv[-2]), int(sys.argv[-1]))
