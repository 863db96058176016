"""The jail, the default backend: namespaces around a fork of a warm interpreter. No daemon.

The trainer starts one zygote per set of preloaded modules and asks it for jails, which it forks in
milliseconds. Nothing in a jail is ever the host's root: a root trainer gives every jail a user
number of its own, and a jail refuses to start as root.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from turnwise.sandbox.cgroup import Cgroup
from turnwise.sandbox.client import SETUP_S, GuestSandbox, guest_plan
from turnwise.sandbox.contract import SandboxCapabilities, SandboxError, Spec
from turnwise.sandbox.guest import seccomp
from turnwise.sandbox.guest.frames import Channel, Header
from turnwise.sandbox.uids import UIDS

GUEST_PARENT = Path(__file__).resolve().parent
"""Directory that holds the package `guest`."""
SITES = "/opt/python"
"""Guest path of the directories of installed packages."""
SPARE_MB, SPARE_PROCESSES = 48, 3
"""Added to the limits of the cgroup for the guest's own processes."""
CLEAN_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "LC_ALL": "C.UTF-8",
    "PATH": "/usr/bin:/bin",
}
"""Environment of the zygote, and of guests that start without one."""


def base_python() -> str:
    """Return the interpreter below any virtual environment."""
    return str(getattr(sys, "_base_executable", sys.executable))


def sites() -> list[str]:
    """Return the directories of installed packages of this process."""
    return [
        path
        for path in dict.fromkeys(sys.path)
        if Path(path).name in ("site-packages", "dist-packages") and os.path.isdir(path)
    ]


def layout(spec: Spec) -> tuple[dict[str, str], list[str]]:
    """Return what a jail shows besides the system (guest path -> host path), and its `sys.path`.

    Raises:
        SandboxError: for a read-only path that does not exist.
    """
    binds = {f"{SITES}/{number}": path for number, path in enumerate(sites())}
    prefix = os.path.realpath(sys.base_prefix)
    # Under both names, in case the interpreter's prefix is a link.
    if not prefix.startswith("/usr"):
        binds[sys.base_prefix] = prefix
        binds[prefix] = prefix
    for guest, host in spec.readonly.items():
        if not os.path.exists(host):
            raise SandboxError(f"readonly {guest!r}: {host!r} does not exist on this machine")
        binds[guest] = os.path.abspath(host)
    library = [
        path
        for path in sys.path
        if path.startswith((sys.base_prefix, prefix)) and path not in sites()
    ]
    return binds, [*library, *(f"{SITES}/{number}" for number in range(len(sites())))]


class ZygoteClient:
    """The trainer's handle of a zygote, which it starts and asks for jails, one at a time."""

    def __init__(self, spec: Spec) -> None:
        binds, path = layout(spec)
        self.environment = {
            "PATH": f"{sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": ":".join(entry for entry in path if entry.startswith(SITES)),
        }
        self._lock = threading.Lock()
        self.owner = os.getpid()
        ours, theirs = socket.socketpair()
        start = (
            f"import sys; sys.path.insert(0, {str(GUEST_PARENT)!r}); "
            "from guest.zygote import main; main()"
        )
        with theirs:
            self._process = subprocess.Popen(
                [base_python(), "-P", "-s", "-S", "-c", start, str(theirs.fileno())],
                env=CLEAN_ENVIRONMENT,
                cwd="/",
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        number = ours.detach()
        self._channel = Channel(number, number)
        self._channel.set_send_timeout(SETUP_S)
        answer = self._ask({"binds": binds, "path": path, "preload": list(spec.preload)})
        self.covered = [str(name) for name in answer["covered"]]

    @property
    def alive(self) -> bool:
        # A fork of the trainer must start a zygote of its own: the channel has one user.
        return self.owner == os.getpid() and self._process.poll() is None

    def _ask(self, request: Header, descriptors: tuple[int, ...] = ()) -> Header:
        self._channel.send(request, descriptors=descriptors)
        answer = self._channel.wait(SETUP_S)
        if answer is None:
            self.stop()
            raise SandboxError(
                "the jail's zygote ended or did not answer: see whether this machine is out of"
                " memory"
            )
        if "failed" in answer[0]:
            raise SandboxError(f"no jail can be made here: {answer[0]['failed']}")
        return answer[0]

    def open(self, request: Header, channel: socket.socket) -> tuple[bool, int]:
        """Open a jail; return whether it is in its cgroups, and a pidfd of its process 1."""
        with self._lock:
            answer = self._ask(request, (channel.fileno(),))
            return bool(answer["entered"]), self._channel.passed.pop(0)

    def stop(self) -> None:
        """Kill the zygote, and with it every jail it made."""
        if self.owner == os.getpid():
            self._process.kill()
            self._process.wait()
        self._channel.close()


_zygotes: dict[tuple[object, ...], ZygoteClient] = {}
_starting = threading.Lock()


def zygote_for(spec: Spec) -> ZygoteClient:
    """Return the zygote for a spec, started if none is running."""
    key = (spec.preload, tuple(sorted(spec.readonly.items())), tuple(sites()))
    with _starting:
        found = _zygotes.get(key)
        if found is None or not found.alive:
            found = _zygotes[key] = ZygoteClient(spec)
        return found


class Jail:
    """Confinement of a sandbox and its forks."""

    backend = "jail"

    def __init__(self, spec: Spec, pidfd: int, uid: int | None, cgroup: Cgroup) -> None:
        self._spec, self._pidfd, self._uid, self._cgroup = spec, pidfd, uid, cgroup
        self._lock = threading.Lock()
        self._members = 1
        self.capabilities = SandboxCapabilities(True, True, True, True, True, True)

    def kill(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._pidfd >= 0:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
                self._wait()

    def _wait(self) -> None:
        """Wait for process 1, which ends only after everything else in its namespace."""
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        poll.poll(SETUP_S * 1000)

    def memory_kills(self) -> int:
        return self._cgroup.kills()

    def join(self) -> None:
        self._change(1)

    def leave(self) -> None:
        self._change(-1)

    def _change(self, by: int) -> None:
        with self._lock:
            self._members += by
            if self._members > 0:
                with contextlib.suppress(OSError):
                    self._cgroup.resize(*cgroup_limits(self._spec, self._members))
                return
        self.kill()
        with self._lock:
            os.close(self._pidfd)
            self._pidfd = -1
        self._cgroup.remove()
        if self._uid is not None:
            UIDS.give(self._uid)


def cgroup_limits(spec: Spec, members: int) -> tuple[int, int]:
    """Return the megabytes and processes of a jail with so many sandboxes, which share them."""
    # Files in a memory file system are charged to the cgroup as well.
    memory = (spec.limits.memory_mb + spec.limits.disk_mb) * members + SPARE_MB
    return memory, spec.limits.processes * members + SPARE_PROCESSES


def open_sandbox(spec: Spec) -> GuestSandbox:
    """Open a sandbox in a jail of its own.

    Raises:
        SandboxError: where this machine does not let one be made; the message says what refused.
    """
    if not sys.platform.startswith("linux") or not seccomp.supported():
        raise SandboxError("the jail needs Linux on x86-64 or arm64: use backend='docker'")
    if spec.workspace and not os.path.isdir(spec.workspace):
        raise SandboxError(f"the workspace {spec.workspace!r} is not a directory of this machine")
    source = zygote_for(spec)
    uid = UIDS.take() if os.geteuid() == 0 else None
    cgroup = Cgroup(*cgroup_limits(spec, 1))
    ours, theirs = socket.socketpair()
    request: Header = {"cgroups": cgroup.join_files()}
    if uid is not None:
        request |= {"uid": uid, "gid": uid}
    if spec.workspace:
        request["lower"] = os.path.abspath(spec.workspace)
    try:
        entered, pidfd = source.open(request, theirs)
    except BaseException:
        ours.close()
        cgroup.remove()
        if uid is not None:
            UIDS.give(uid)
        raise
    finally:
        theirs.close()
    jail = Jail(spec, pidfd, uid, cgroup)
    watch = not (entered and cgroup.memory)
    more = {
        "environment": source.environment,
        "covered": source.covered,
        "overlay": bool(spec.workspace),
    }
    number = ours.detach()
    plan = guest_plan(spec, "jail", watch_memory=watch, **more)
    return GuestSandbox(spec, Channel(number, number), jail, plan)
