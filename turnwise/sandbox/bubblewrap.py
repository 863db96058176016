"""The bubblewrap backend: the namespaces of the jail, made by the program `bwrap`.

For machines where an AppArmor profile allows `bwrap` to make user namespaces and other programs
not. Nothing runs as the host's root: a root trainer gives every sandbox a user of its own before
bwrap starts. The memory file systems are limited in size, but not in the number of files.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

from turnwise.sandbox.client import GuestSandbox, guest_plan
from turnwise.sandbox.contract import SandboxCapabilities, SandboxError, Spec
from turnwise.sandbox.guest import seccomp
from turnwise.sandbox.guest.filesystem import SYSTEM, TEXTS
from turnwise.sandbox.jail import GUEST_PARENT, layout, sites
from turnwise.sandbox.launcher import (
    ProcessConfinement,
    guest_command,
    guest_python,
    make_cgroup,
    start_guest,
)

GUEST = "/opt/turnwise"
"""Directory where the sandbox shows the guest program."""
INSIDE_UID = "1000"
MIN_VERSION = (0, 8)
"""The first version with `--size`, the limit of a memory file system."""


@functools.cache
def reason() -> str:
    """Return why bubblewrap cannot run here; empty where it can be tried."""
    if not sys.platform.startswith("linux") or not seccomp.supported():
        return "bubblewrap needs Linux on x86-64 or arm64"
    program = shutil.which("bwrap")
    if program is None:
        return "bwrap is not installed (Debian, Ubuntu: apt-get install bubblewrap)"
    try:
        output = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=30, check=False
        ).stdout
        version = tuple(int(part) for part in output.split()[-1].split("."))
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as problem:
        return f"{program} does not say its version: {problem}"
    if version < MIN_VERSION:
        found, needed = (".".join(map(str, numbers)) for numbers in (version, MIN_VERSION))
        return f"bwrap {found} is too old: {needed} or later is needed"
    return ""


def _system() -> Iterator[str]:
    """Yield the options that show the host's system directories."""
    for path in SYSTEM:
        if os.path.islink(path):
            yield from ("--symlink", os.readlink(path), path)
        elif os.path.exists(path):
            yield from ("--ro-bind", path, path)


def arguments(
    spec: Spec, binds: dict[str, str], information: int, texts: dict[str, int]
) -> list[str]:
    """Return the arguments of bwrap, up to the program to be confined.

    Args:
        binds: guest path -> host path.
        information: descriptor that bwrap writes `child-pid` to.
        texts: guest path -> a descriptor to read the file's content from.
    """
    words = ["--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc"]
    words += ["--unshare-uts", "--unshare-cgroup-try", "--new-session", "--as-pid-1"]
    words += ["--uid", INSIDE_UID, "--gid", INSIDE_UID, "--hostname", "sandbox"]
    words += ["--cap-drop", "ALL"]
    words += ["--info-fd", str(information), *_system(), "--proc", "/proc", "--dev", "/dev"]
    # Mounts of their own, so that making / and /dev read-only below does not affect them.
    for path in ("/work", "/tmp", "/dev/shm"):
        words += ["--size", str(spec.limits.disk_mb << 20), "--tmpfs", path]
    for path, descriptor in texts.items():
        words += ["--ro-bind-data", str(descriptor), path]
    for guest, host in sorted(binds.items()):  # parents before what lies in them
        words += ["--ro-bind", host, guest]
    return [*words, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/work", "--"]


def _memory_file(content: str) -> int:
    """Return a descriptor of an anonymous file with this content, at its beginning."""
    descriptor = os.memfd_create("text")
    os.write(descriptor, content.encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def open_sandbox(spec: Spec) -> GuestSandbox:
    """Open a sandbox in bubblewrap.

    Raises:
        SandboxError: where bwrap is absent, too old or may not make namespaces.
    """
    if why := reason():
        raise SandboxError(f"the bubblewrap backend cannot run here: {why}")
    binds, path = layout(spec)
    shown = {**binds, f"{GUEST}/guest": str(GUEST_PARENT / "guest")}
    texts = {f"/{name}": _memory_file(content) for name, content in TEXTS.items()}
    program = shutil.which("bwrap") or "bwrap"

    def line(channel: int, information: int, user: int | None) -> list[str]:
        inner = guest_command(guest_python(), GUEST, {"path": path}, channel)
        outer = [program, *arguments(spec, shown, information, texts), *inner]
        if user is None:
            return outer
        become = {"show": list(shown.values()), "user": [user, user], "become": outer}
        return guest_command(guest_python(), str(GUEST_PARENT), become, channel)

    try:
        started = start_guest(line, "bubblewrap", tuple(texts.values()))
    finally:
        for descriptor in texts.values():
            os.close(descriptor)
    capabilities = SandboxCapabilities(
        filesystem=True,
        network=True,
        processes=True,
        total_memory=True,
        disk_quota=False,
        fork=False,
    )
    cgroup = make_cgroup(spec)
    environment = {
        "PATH": f"{sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": ":".join(guest for guest, host in binds.items() if host in sites()),
    }
    plan = guest_plan(
        spec, "plain", work="/work", environment=environment, watch_memory=not cgroup.memory
    )
    confinement = ProcessConfinement("bubblewrap", capabilities, started, cgroup)
    return GuestSandbox(spec, started.channel, confinement, plan)
