"""File system of a jail: one read-only template, and writable directories for every root.

The zygote builds the template once: a tree of read-only binds on a tmpfs, in a mount namespace of
its own. It is built with the rights of the trainer, before any sandbox gives them up, so a Python
below a directory that only its owner can enter is shown all the same.

A sandbox and its forks live in one mount namespace. Each has a root directory of its own
(`/b/1/root`, `/b/2/root`, ...) with its own `/work`, `/tmp` and `/dev/shm`, which its processes
enter with chroot. Above those directories is the jail's own root: nothing of the host.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, replace
from typing import Any

from . import files, kernel

# The template
# --------------------------------------------------------------------------------------------------

SYSTEM = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32",
    "/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf.d",
)  # fmt: skip
"""Paths of the host that every sandbox shows, where they exist."""
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
"""Files of every sandbox: path -> content."""
MOUNT_POINTS = ("/mnt", "/media", "/srv", "/opt", "/run", "/tmp")
"""Directories of the host to mount the template over; the first that hides no source is taken."""


def mount_point(sources: list[str]) -> str:
    """Return a directory of the host that none of the sources lies in; `OSError` without one."""
    for path in MOUNT_POINTS:
        if os.path.isdir(path) and not any(
            os.path.realpath(source).startswith(path + "/") for source in sources
        ):
            return path
    raise OSError(
        "no directory to build a jail over: /mnt, /media, /srv, /opt, /run and /tmp are all absent"
        " or in use"
    )


def _show(host: str, guest: str) -> None:
    """Bind a directory or file of the host at a path of the template, which is made if absent."""
    os.makedirs(os.path.dirname(guest), exist_ok=True)
    if os.path.isdir(host):
        os.makedirs(guest, exist_ok=True)
    else:
        with contextlib.suppress(FileExistsError), open(guest, "x"):
            pass
    kernel.bind(host, guest)


def build_template(binds: dict[str, str]) -> dict[str, Any]:
    """Build the template and enter its mount namespace.

    Args:
        binds: guest path -> host path, besides what every jail shows.

    Returns:
        `at`, the directory it stands on, and `covered`, those of the guest paths that lie below a
        writable directory and must be bound again in every root.
    """
    uid, gid = os.geteuid(), os.getegid()
    kernel.unshare(kernel.NEWNS | (kernel.NEWUSER if uid else 0))
    if uid:
        kernel.map_identity(uid, uid, gid)
    kernel.mount("", "/", flags=kernel.REC | kernel.PRIVATE)
    at = mount_point(list(binds.values()))
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
    for guest, host in sorted(binds.items()):  # parents before what lies in them
        _show(host, base + guest)
    covered = [path for path in binds if path.startswith(("/tmp/", "/work/", "/dev/shm/"))]
    return {"at": at, "covered": covered}


# Roots
# --------------------------------------------------------------------------------------------------

BASE, LOWER, ROOTS = "/base", "/lower", "/b"
"""Inside a jail: the template, the lower layer of the workspace, and the parent of all roots."""


@dataclass(frozen=True)
class Root:
    """One root as the guest sees it."""

    path: str
    """Directory that its processes chroot to; empty where the backend has given the only root."""
    work: str
    """The workspace, as the guest reaches it."""
    data: str = ""
    """Directory that holds the writable files; copied for a fork."""
    overlay: bool = False
    """Whether the given workspace is the lower layer of an overlay."""

    def enter(self) -> None:
        """Make this the root of the calling process, and its workspace the working directory."""
        if self.path:
            os.chroot(self.path)
        os.chdir("/work" if self.path else self.work)

    def remove(self) -> None:
        """Delete the files; the processes in it must have been killed."""
        if self.path:
            for mounted in (self.path, self.data):
                with contextlib.suppress(OSError):
                    kernel.umount(mounted)
            with contextlib.suppress(OSError):
                os.rmdir(self.path)
                os.rmdir(self.data)
                os.rmdir(os.path.dirname(self.path))


def mount_roots() -> None:
    """Mount the parent directory of all roots; once per jail."""
    kernel.mount("tmpfs", ROOTS, "tmpfs", kernel.NOSUID | kernel.NODEV, "size=1m,mode=755")


def make_root(number: int, plan: dict[str, Any], origin: Root | None = None) -> Root:
    """Make a root, with the files of `origin` for a fork.

    Args:
        number: names the root's directory.
        plan: `limits`, `covered` (of `build_template`) and `overlay`.
    """
    limits = plan["limits"]
    path, data = f"{ROOTS}/{number}/root", f"{ROOTS}/{number}/data"
    os.makedirs(path)
    os.mkdir(data)
    size = f"size={int(limits['disk_mb'])}m,nr_inodes={int(limits['files']) + 16},mode=755"
    kernel.mount("tmpfs", data, "tmpfs", kernel.NOSUID | kernel.NODEV, size)
    root = Root(path, f"{path}/work", data)
    try:
        return _fill(root, plan, origin)
    except BaseException:
        root.remove()
        raise


def _fill(root: Root, plan: dict[str, Any], origin: Root | None) -> Root:
    """Bind the template to a root, and the writable directories over it."""
    path, data = root.path, root.data
    kernel.bind(BASE, path, devices=True)
    for name in ("work", "tmp", "shm", "scratch"):
        os.mkdir(f"{data}/{name}")
    for name in ("tmp", "shm"):
        os.chmod(f"{data}/{name}", 0o1777)
    if origin is not None:
        for name in ("work", "tmp", "shm"):
            files.copy(f"{origin.data}/{name}", f"{data}/{name}")
    overlay = bool(plan.get("overlay")) and _mount_overlay(path, data)
    if not overlay:
        kernel.mount(f"{data}/work", f"{path}/work", flags=kernel.BIND)
    kernel.mount(f"{data}/tmp", f"{path}/tmp", flags=kernel.BIND)
    kernel.mount(f"{data}/shm", f"{path}/dev/shm", flags=kernel.BIND)
    kernel.mount("/proc", f"{path}/proc", flags=kernel.BIND)
    for covered in plan.get("covered", ()):
        os.makedirs(path + covered, exist_ok=True)
        kernel.bind(BASE + covered, path + covered)
    return replace(root, overlay=overlay)


def _mount_overlay(path: str, data: str) -> bool:
    """Mount /work over the given workspace; False where there is none or the kernel refuses."""
    if not os.path.ismount(LOWER):
        return False
    options = f"lowerdir={LOWER},upperdir={data}/work,workdir={data}/scratch,userxattr"
    try:
        kernel.mount("overlay", f"{path}/work", "overlay", kernel.NOSUID | kernel.NODEV, options)
    except OSError:
        return False
    return True
