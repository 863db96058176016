"""Bubblewrap: the same namespaces as the jail, made by a small program that a distribution may have
allowed to make them.

Worth having where an ordinary program may not make user namespaces but `bwrap` may (an AppArmor
profile). Its payload never is the host's root: a root trainer gives every sandbox a user of its own
before bwrap starts. Its memory file systems are limited in size; in the number of files they are
not.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

from turnwise.sandbox.client import GuestSandbox, plan
from turnwise.sandbox.contract import Capabilities, SandboxError, Spec
from turnwise.sandbox.guest import seccomp
from turnwise.sandbox.guest.template import SYSTEM, TEXTS
from turnwise.sandbox.jail import layout, sites
from turnwise.sandbox.launcher import HERE, Confined, budget, command, interpreter, start

GUEST = "/opt/turnwise"
"""Where the guest is shown."""
INSIDE = "1000"
OLDEST = (0, 8)
"""The first version whose `--size` limits a memory file system."""


@functools.cache
def reason() -> str:
    """Why this machine cannot, in one sentence; empty where it may be tried."""
    if not sys.platform.startswith("linux") or not seccomp.supported():
        return "bubblewrap needs Linux on x86-64 or arm64"
    program = shutil.which("bwrap")
    if program is None:
        return "bwrap is not installed (Debian, Ubuntu: apt-get install bubblewrap)"
    try:
        said = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=30, check=False
        ).stdout
        version = tuple(int(part) for part in said.split()[-1].split("."))
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as problem:
        return f"{program} does not say its version: {problem}"
    if version < OLDEST:
        return f"bwrap {'.'.join(map(str, version))} is too old: {'.'.join(map(str, OLDEST))} or later is needed"
    return ""


def _system() -> Iterator[str]:
    for path in SYSTEM:
        if os.path.islink(path):
            yield from ("--symlink", os.readlink(path), path)
        elif os.path.exists(path):
            yield from ("--ro-bind", path, path)


def arguments(
    spec: Spec, binds: dict[str, str], information: int, texts: dict[str, int]
) -> list[str]:
    """The command line of bwrap, up to the program to be confined.

    Args:
        binds: guest path -> host path.
        information: the descriptor it writes `child-pid` to.
        texts: guest path -> a descriptor to read the file's content from.
    """
    words = [
        "--unshare-user",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
    ]
    words += [
        "--uid",
        INSIDE,
        "--gid",
        INSIDE,
        "--hostname",
        "sandbox",
        "--cap-drop",
        "ALL",
        "--new-session",
        "--as-pid-1",
    ]
    words += ["--info-fd", str(information), *_system(), "--proc", "/proc", "--dev", "/dev"]
    for place in (
        "/work",
        "/tmp",
        "/dev/shm",
    ):  # /dev itself becomes read-only, what is mounted below it does not
        words += ["--size", str(spec.limits.disk_mb << 20), "--tmpfs", place]
    for path, descriptor in texts.items():
        words += ["--ro-bind-data", str(descriptor), path]
    for guest, host in sorted(binds.items()):  # shorter first: one may lie in another
        words += ["--ro-bind", host, guest]
    return [*words, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/work", "--"]


def _text(content: str) -> int:
    descriptor = os.memfd_create("text")
    os.write(descriptor, content.encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def open_sandbox(spec: Spec) -> GuestSandbox:
    """A sandbox in bubblewrap.

    Raises:
        SandboxError: where bwrap is absent, too old or may not make namespaces; the sentence says
            which.
    """
    if why := reason():
        raise SandboxError(f"the bubblewrap backend cannot run here: {why}")
    binds, path = layout(spec)
    shown = {**binds, f"{GUEST}/guest": str(HERE / "guest")}
    texts = {f"/{name}": _text(content) for name, content in TEXTS.items()}
    program = shutil.which("bwrap") or "bwrap"

    def line(channel: int, information: int, user: int | None) -> list[str]:
        inner = command(interpreter(), GUEST, {"path": path}, channel)
        outer = [program, *arguments(spec, shown, information, texts), *inner]
        if user is None:
            return outer
        return command(
            interpreter(),
            str(HERE),
            {"show": list(shown.values()), "user": [user, user], "become": outer},
            channel,
        )

    try:
        started = start(line, "bubblewrap", tuple(texts.values()))
    finally:
        for descriptor in texts.values():
            os.close(descriptor)
    held = Capabilities(
        filesystem=True,
        network=True,
        processes=True,
        total_memory=True,
        disk_quota=False,
        fork=False,
    )
    cgroup = budget(spec)
    environment = {
        "PATH": f"{sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": ":".join(guest for guest, host in binds.items() if host in sites()),
    }
    more = plan(
        spec, "plain", work="/work", environment=environment, watch_memory=not cgroup.memory
    )
    return GuestSandbox(spec, started.channel, Confined("bubblewrap", held, started, cgroup), more)
