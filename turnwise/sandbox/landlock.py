"""Without namespaces: Landlock takes away files and signals, a filter of system calls the sockets,
and a keeper kills the rest.

For machines that forbid user namespaces (Ubuntu since 24.04, many containers). Processes keep the
machine's own numbers, and the workspace is a directory of the host, so neither its size nor the
number of its files is limited. What an older kernel's Landlock lacks is taken away by other means
(signals, before ABI 6) or the backend refuses (truncating files, before ABI 3).

The workspace is not at `/work` but wherever the host has it: the working directory, HOME, and what
`Sandbox.write` takes. Programs should use relative paths.
"""

from __future__ import annotations

import functools
import os
import sys
import tempfile
from pathlib import Path

from turnwise.sandbox import janitor
from turnwise.sandbox.client import GuestSandbox, plan
from turnwise.sandbox.contract import Capabilities, SandboxError, Spec
from turnwise.sandbox.guest import landlock, seccomp
from turnwise.sandbox.guest.template import SYSTEM
from turnwise.sandbox.jail import sites
from turnwise.sandbox.launcher import HERE, Confined, budget, command, interpreter, start

OLDEST = 3
"""The first ABI that can refuse to truncate a file: Linux 6.2."""
SIGNALS = 6
"""The first ABI that keeps signals inside: Linux 6.12."""
DEVICES = ("/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
PREFIX = "turnwise-box-"
SELF = (
    "auxv",
    "cmdline",
    "comm",
    "environ",
    "fd",
    "limits",
    "maps",
    "stat",
    "statm",
    "status",
    "task",
    "uid_map",
)
"""Of the process's own directory; not `net`, which tells of the machine."""
FACTS = (
    "/proc/meminfo",
    "/proc/cpuinfo",
    "/etc/localtime",
    *(f"/proc/self/{name}" for name in SELF),
)


def reason() -> str:
    """Why this machine cannot, in one sentence; empty where it can."""
    if not sys.platform.startswith("linux") or not seccomp.supported():
        return "Landlock needs Linux on x86-64 or arm64"
    abi = landlock.version()
    if abi < OLDEST:
        return f"this kernel's Landlock is {f'of ABI {abi}' if abi else 'absent'}, and ABI {OLDEST} (Linux 6.2) is needed"
    return ""


@functools.cache
def _swept(place: str) -> int:
    return janitor.sweep(place, PREFIX)


def folder(user: int | None) -> Path:
    """A new directory for one sandbox, owned by its user; what killed trainers left beside it is
    removed first.
    """
    place = tempfile.gettempdir()
    _swept(place)
    made = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{janitor.tag()}_", dir=place))
    for name in ("work", "tmp"):
        (made / name).mkdir(mode=0o700)
    if user is not None:
        for path in (made, made / "work", made / "tmp"):
            os.chown(path, user, user)
    return made


def libraries() -> list[str]:
    """`sys.path` of the interpreter, as the host has it."""
    prefix = (sys.base_prefix, os.path.realpath(sys.base_prefix))
    return [
        *(path for path in sys.path if path.startswith(prefix) and path not in sites()),
        *sites(),
    ]


def readable(spec: Spec) -> list[str]:
    """What is left of the host to read.

    Raises:
        SandboxError: for a read-only tree that should appear elsewhere than it is.
    """
    for guest, host in spec.readonly.items():
        if os.path.realpath(guest) != os.path.realpath(host):
            raise SandboxError(
                f"landlock shows {host!r} only where it is, not as {guest!r}: use another backend, or the same path"
            )
    given = [os.path.realpath(host) for host in spec.readonly.values()]
    return [*SYSTEM, *DEVICES, *FACTS, os.path.realpath(sys.base_prefix), *sites(), *given]


def share(processes: int, user: int | None) -> int:
    """RLIMIT_NPROC counts all processes of a user: those of an ordinary user that are there already
    come on top.
    """
    if user is not None:
        return processes
    mine = 0
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and os.stat(f"/proc/{entry}").st_uid == os.getuid():
                mine += len(os.listdir(f"/proc/{entry}/task"))
        except OSError:
            continue
    return mine + processes


def launch(spec: Spec, backend: str, capabilities: Capabilities, confine: bool) -> GuestSandbox:
    """A guest under a keeper, in a directory of the host; `confine`: under Landlock and the whole
    filter of system calls.
    """
    shown = readable(spec)
    place: list[Path] = []

    def arguments(channel: int, information: int, user: int | None) -> list[str]:
        place.append(folder(user))
        closed = [
            str(HERE / "guest"),
            os.path.realpath(sys.base_prefix),
            sys.base_prefix,
            *sites(),
            *spec.readonly.values(),
        ]
        descent = {
            "show": closed,
            "user": user and [user, user],
            "path": libraries(),
            "keeper": information,
        }
        return command(interpreter(), str(HERE), descent, channel)

    try:
        started = start(arguments, backend)
    except SandboxError:
        for home in place:
            janitor.tree(home)
        raise
    home = place[0]
    confined = Confined(backend, capabilities, started, budget(spec), (home,), gently=True)
    work, temporary = str(home / "work"), str(home / "tmp")
    environment = {
        "HOME": work,
        "TMPDIR": temporary,
        "PATH": f"{sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin",
    }
    environment["PYTHONPATH"] = ":".join(sites())
    more = plan(
        spec,
        "plain",
        work=work,
        environment=environment,
        watch_memory=True,
        seccomp=seccomp.supported(),
    )
    more["limits"]["processes"] = share(spec.limits.processes, started.user)
    if confine:
        abi = landlock.version()
        more["landlock"] = {
            "readable": shown,
            "writable": [work, temporary, "/dev/null"],
            "abi": abi,
        }
        more["refuse"] = ["shared"] if abi >= SIGNALS else ["shared", "signals"]
    return GuestSandbox(spec, started.channel, confined, more)


def open_sandbox(spec: Spec) -> GuestSandbox:
    """A sandbox without namespaces.

    Raises:
        SandboxError: where this machine does not let one be made; the sentence says why.
    """
    if why := reason():
        raise SandboxError(f"the landlock backend cannot run here: {why}")
    held = Capabilities(
        filesystem=True,
        network=True,
        processes=False,
        total_memory=True,
        disk_quota=False,
        fork=False,
    )
    return launch(spec, "landlock", held, confine=True)
