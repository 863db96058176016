"""The way down for backends without a zygote: make what is shown passable, give up root, then serve or become what confines us.

Run in a fresh interpreter with an empty environment, so that nothing of the trainer is in its memory:

    {show: [paths], user: [uid, gid] | null, path: [directories], become: [program, ...] | null}  IN OUT
"""

from __future__ import annotations

import contextlib
import json
import os
import sys

from . import kernel, serve


def closed(path: str) -> str:
    """The outermost directory above `path` that others than its owner cannot enter; empty where there is none."""
    names = os.path.realpath(path).split("/")[1:]
    for depth in range(1, len(names)):
        above = "/" + "/".join(names[:depth])
        if not os.stat(above).st_mode & 0o001:
            return above
    return ""


def show(paths: list[str]) -> None:
    """In mounts of our own: lay an empty, open directory over each closed one, and bind what is needed of it there again.

    Raises:
        OSError: where this process may not mount.
    """
    hidden = {path: above for path in paths if (above := closed(path))}
    if not hidden:
        return
    places = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in hidden}
    kernel.unshare(kernel.NEWNS)
    kernel.mount("", "/", flags=kernel.REC | kernel.PRIVATE)
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
    sys.path[:] = plan["path"]
    serve.start(int(sys.argv[-2]), int(sys.argv[-1]))
