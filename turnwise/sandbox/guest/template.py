"""What a jail shows of the host, built once per zygote: a read-only tree of binds on a tmpfs, in a
mount namespace of its own.

Built by whoever may read the host's directories (root, or the user who owns them), before any
sandbox gives that up: a Python below a directory that only its owner can enter is shown all the
same.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any

from . import kernel

SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf.d",
)
"""Of the host's own tree, where it has them; links are made again."""
DEVICES = ("null", "zero", "full", "random", "urandom")
DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}
TEXTS = {
    "etc/passwd": "root:x:0:0::/:/usr/sbin/nologin\nagent:x:1000:1000::/work:/bin/bash\n",
    "etc/group": "root:x:0:\nagent:x:1000:\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
PLACES = ("mnt", "media", "srv", "opt", "run", "tmp")
"""Directories that a host has; the tree is mounted over the first that hides nothing we need."""


def place(sources: list[str]) -> str:
    """Where to build: a directory of the host that none of the sources lies in."""
    for name in PLACES:
        found = "/" + name
        if os.path.isdir(found) and not any(
            os.path.realpath(source).startswith(found + "/") for source in sources
        ):
            return found
    raise OSError(
        "no directory to build a jail over: /mnt, /media, /srv, /opt, /run and /tmp are all absent or in use"
    )


def _show(host: str, guest: str) -> None:
    """Bind a directory or a file of the host at a place of the template, made if needed."""
    os.makedirs(os.path.dirname(guest), exist_ok=True)
    if os.path.isdir(host):
        os.makedirs(guest, exist_ok=True)
    else:
        with contextlib.suppress(FileExistsError), open(guest, "x"):
            pass
    kernel.bind(host, guest)


def build(binds: dict[str, str]) -> dict[str, Any]:
    """Build the template and enter its mount namespace.

    Args:
        binds: guest path -> host path, beside what every jail shows.

    Returns:
        `at`, the directory it stands on, and `covered`: paths below /work or /tmp, to be shown
        again in every root.
    """
    uid, gid = os.geteuid(), os.getegid()
    kernel.unshare(kernel.NEWNS | (kernel.NEWUSER if uid else 0))
    if uid:
        kernel.identity(uid, uid, gid)
    kernel.mount("", "/", flags=kernel.REC | kernel.PRIVATE)
    at = place(list(binds.values()))
    kernel.mount("tmpfs", at, "tmpfs", kernel.NOSUID | kernel.NODEV, "size=4m,mode=755")
    os.umask(0o022)
    for name in ("base", "lower", "b", "proc"):
        os.mkdir(f"{at}/{name}")
    base = f"{at}/base"
    os.symlink("base/dev", f"{at}/dev")
    for name in ("work", "tmp", "proc", "dev", "dev/shm", "etc"):
        os.mkdir(f"{base}/{name}")
    for path in SYSTEM:
        if os.path.islink(path):
            os.symlink(os.readlink(path), base + path)
        elif os.path.exists(path):
            _show(path, base + path)
    for path, text in TEXTS.items():
        with open(f"{base}/{path}", "w") as file:
            file.write(text)
    for name in DEVICES:
        with open(f"{base}/dev/{name}", "x"):
            pass
        kernel.mount(f"/dev/{name}", f"{base}/dev/{name}", flags=kernel.BIND)
    for name, target in DEVICE_LINKS.items():
        os.symlink(target, f"{base}/dev/{name}")
    for guest, host in sorted(binds.items()):  # shorter first: one may lie in another
        _show(host, base + guest)
    covered = [path for path in binds if path.startswith(("/tmp/", "/work/", "/dev/shm/"))]
    return {"at": at, "covered": covered}
