"""The file system of a jail: one read-only template, and for every root its own writable `/work`,
`/tmp` and `/dev/shm`.

A sandbox and its forks live in one mount namespace, each with a root directory of its own
(`/b/1/root`, `/b/2/root`, ...), which its processes enter with chroot. What is above those
directories is the jail's own root: nothing of the host.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, replace
from typing import Any

from . import files, kernel

BASE, LOWER, ROOTS = "/base", "/lower", "/b"
"""Of the jail: the template, the workspace to lay over, where roots are made."""


@dataclass(frozen=True)
class Root:
    """One root as the guest's first process sees it."""

    path: str
    """Entered by its processes; empty where there is but the one that was given."""
    work: str
    """Its workspace, to write to and read from."""
    data: str = ""
    """Where its writable files really are: copied when it is forked."""
    overlay: bool = False
    """Whether the workspace given lies under it."""

    def enter(self) -> None:
        """Make this the root of the calling process, in its workspace."""
        if self.path:
            os.chroot(self.path)
        os.chdir("/work" if self.path else self.work)

    def remove(self) -> None:
        """Forget its files; what still runs in it must have been killed."""
        if self.path:
            for mounted in (self.path, self.data):
                with contextlib.suppress(OSError):
                    kernel.umount(mounted)
            with contextlib.suppress(OSError):
                os.rmdir(self.path)
                os.rmdir(self.data)
                os.rmdir(os.path.dirname(self.path))


def prepare() -> None:
    """Once per jail: where roots will be."""
    kernel.mount("tmpfs", ROOTS, "tmpfs", kernel.NOSUID | kernel.NODEV, "size=1m,mode=755")


def make(number: int, plan: dict[str, Any], origin: Root | None = None) -> Root:
    """A new root, with the files of `origin` where it is a copy.

    Args:
        plan: `limits`, `covered` (paths of the template under /work or /tmp, to be shown there
            again), `overlay`.
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


def _overlay(path: str, data: str) -> bool:
    """Lay the workspace under what is writable; False where there is none or the kernel cannot."""
    if not os.path.ismount(LOWER):
        return False
    options = f"lowerdir={LOWER},upperdir={data}/work,workdir={data}/scratch,userxattr"
    try:
        kernel.mount("overlay", f"{path}/work", "overlay", kernel.NOSUID | kernel.NODEV, options)
    except OSError:
        return False
    return True


def _fill(root: Root, plan: dict[str, Any], origin: Root | None) -> Root:
    """Show the template in a root, and what is writable over it."""
    path, data = root.path, root.data
    kernel.bind(BASE, path, devices=True)
    for name in ("work", "tmp", "shm", "scratch"):
        os.mkdir(f"{data}/{name}")
    for name in ("tmp", "shm"):
        os.chmod(f"{data}/{name}", 0o1777)
    if origin is not None:
        for name in ("work", "tmp", "shm"):
            files.copy(f"{origin.data}/{name}", f"{data}/{name}")
    overlay = bool(plan.get("overlay")) and _overlay(path, data)
    if not overlay:
        kernel.mount(f"{data}/work", f"{path}/work", flags=kernel.BIND)
    kernel.mount(f"{data}/tmp", f"{path}/tmp", flags=kernel.BIND)
    kernel.mount(f"{data}/shm", f"{path}/dev/shm", flags=kernel.BIND)
    kernel.mount("/proc", f"{path}/proc", flags=kernel.BIND)
    for covered in plan.get("covered", ()):
        os.makedirs(path + covered, exist_ok=True)
        kernel.bind(BASE + covered, path + covered)
    return replace(root, overlay=overlay)
