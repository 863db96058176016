"""The landlock backend, without namespaces: for machines that forbid user namespaces.

Such as Ubuntu since 24.04, and many containers. Landlock restricts files and signals, the filter of
system calls sockets, and a keeper kills what is left. Processes share the machine's process ids,
and the workspace is a directory of the host, so neither its size nor the number of its files is
limited. Before ABI 6 Landlock cannot scope signals, so the filter refuses them all; before ABI 3 it
cannot refuse to truncate files, so the backend does not run.

The workspace is not at `/work` but wherever the host has it; it is the working directory and HOME.
Programs should use relative paths.
"""

from __future__ import annotations

import functools
import os
import sys
import tempfile
from pathlib import Path

from turnwise.sandbox import janitor
from turnwise.sandbox.client import GuestSandbox, guest_plan
from turnwise.sandbox.contract import SandboxCapabilities, SandboxError, Spec
from turnwise.sandbox.guest import landlock, seccomp
from turnwise.sandbox.guest.filesystem import SYSTEM
from turnwise.sandbox.jail import GUEST_PARENT, sites
from turnwise.sandbox.launcher import (
    ProcessConfinement,
    guest_command,
    guest_python,
    make_cgroup,
    start_guest,
)

MIN_ABI = 3
"""The first ABI that can refuse to truncate a file: Linux 6.2."""
SIGNALS_ABI = 6
"""The first ABI that scopes signals: Linux 6.12."""
DEVICES = ("/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
PREFIX = "turnwise-box-"
PROC_SELF = (
    "auxv", "cmdline", "comm", "environ", "fd", "limits", "maps", "stat", "statm", "status", "task",
    "uid_map",
)  # fmt: skip
"""Readable entries of /proc/self; not `net`, which describes the machine's network."""
SYSTEM_FILES = (
    "/proc/meminfo",
    "/proc/cpuinfo",
    "/etc/localtime",
    *(f"/proc/self/{name}" for name in PROC_SELF),
)


def reason() -> str:
    """Return why landlock cannot run here; empty where it can."""
    if not sys.platform.startswith("linux") or not seccomp.supported():
        return "Landlock needs Linux on x86-64 or arm64"
    abi = landlock.version()
    if abi < MIN_ABI:
        found = f"of ABI {abi}" if abi else "absent"
        return f"this kernel's Landlock is {found}, and ABI {MIN_ABI} (Linux 6.2) is needed"
    return ""


@functools.cache
def _sweep_once(parent: str) -> int:
    return janitor.sweep(parent, PREFIX)


def make_home(user: int | None) -> Path:
    """Make the directory of one sandbox, owned by its user; remove those of dead trainers first."""
    parent = tempfile.gettempdir()
    _sweep_once(parent)
    made = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{janitor.tag()}_", dir=parent))
    for name in ("work", "tmp"):
        (made / name).mkdir(mode=0o700)
    if user is not None:
        for path in (made, made / "work", made / "tmp"):
            os.chown(path, user, user)
    return made


def libraries() -> list[str]:
    """Return `sys.path` of the interpreter, as the host has it."""
    prefix = (sys.base_prefix, os.path.realpath(sys.base_prefix))
    return [
        *(path for path in sys.path if path.startswith(prefix) and path not in sites()),
        *sites(),
    ]


def readable(spec: Spec) -> list[str]:
    """Return the paths of the host that stay readable.

    Raises:
        SandboxError: for a read-only tree that should appear under another path than its own.
    """
    for guest, host in spec.readonly.items():
        if os.path.realpath(guest) != os.path.realpath(host):
            raise SandboxError(
                f"landlock shows {host!r} only where it is, not as {guest!r}: use another backend, "
                "or the same path"
            )
    given = [os.path.realpath(host) for host in spec.readonly.values()]
    return [*SYSTEM, *DEVICES, *SYSTEM_FILES, os.path.realpath(sys.base_prefix), *sites(), *given]


def process_limit(processes: int, user: int | None) -> int:
    """Return RLIMIT_NPROC for so many processes.

    The kernel counts all processes of a user, so those that an ordinary user has already are added.
    """
    if user is not None:
        return processes
    mine = 0
    # Threads count as processes do.
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and os.stat(f"/proc/{entry}").st_uid == os.getuid():
                mine += len(os.listdir(f"/proc/{entry}/task"))
        except OSError:
            continue
    return mine + processes


def launch(
    spec: Spec, backend: str, capabilities: SandboxCapabilities, confine: bool
) -> GuestSandbox:
    """Start a guest under a keeper, in a directory of the host.

    Args:
        confine: apply Landlock, and refuse calls that reach other processes.
    """
    shown = readable(spec)
    homes: list[Path] = []

    def arguments(channel: int, information: int, user: int | None) -> list[str]:
        homes.append(make_home(user))
        closed = [
            str(GUEST_PARENT / "guest"),
            os.path.realpath(sys.base_prefix),
            sys.base_prefix,
            *sites(),
            *spec.readonly.values(),
        ]
        launch_plan = {
            "show": closed,
            "user": user and [user, user],
            "path": libraries(),
            "keeper": information,
        }
        return guest_command(guest_python(), str(GUEST_PARENT), launch_plan, channel)

    try:
        started = start_guest(arguments, backend)
    except SandboxError:
        for home in homes:
            janitor.tree(home)
        raise
    home = homes[0]
    confinement = ProcessConfinement(
        backend, capabilities, started, make_cgroup(spec), (home,), terminate=True
    )
    work, temporary = str(home / "work"), str(home / "tmp")
    environment = {
        "HOME": work,
        "TMPDIR": temporary,
        "PATH": f"{sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": ":".join(sites()),
    }
    plan = guest_plan(
        spec,
        "plain",
        work=work,
        environment=environment,
        watch_memory=True,
        seccomp=seccomp.supported(),
    )
    plan["limits"]["processes"] = process_limit(spec.limits.processes, started.user)
    if confine:
        abi = landlock.version()
        plan["landlock"] = {
            "readable": shown,
            "writable": [work, temporary, "/dev/null"],
            "abi": abi,
        }
        plan["refuse"] = ["shared"] if abi >= SIGNALS_ABI else ["shared", "signals"]
    return GuestSandbox(spec, started.channel, confinement, plan)


def open_sandbox(spec: Spec) -> GuestSandbox:
    """Open a sandbox without namespaces.

    Raises:
        SandboxError: where this machine does not let one be made; the message says why.
    """
    if why := reason():
        raise SandboxError(f"the landlock backend cannot run here: {why}")
    capabilities = SandboxCapabilities(
        filesystem=True,
        network=True,
        processes=False,
        total_memory=True,
        disk_quota=False,
        fork=False,
    )
    return launch(spec, "landlock", capabilities, confine=True)
