"""Docker: a container per sandbox, for machines with a daemon and for tasks that come as images.
gVisor as its runtime, if wished.

Without an image the container has nothing of its own: the host's /usr and Python are shown
read-only, `/work` and `/tmp` are memory with a limit, and everything else cannot be written. With
an image (`Spec.image`; it needs Python 3.11 or later as `python3`) its other directories can be
written too, without a limit on the disk.

A copy is made of files alone (`commit` and an archive of /work): containers do not fork
interpreters. Set `TURNWISE_DOCKER_RUNTIME` (such as `runsc`) to run containers under another
runtime that the daemon has.
"""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import replace

from turnwise.sandbox.client import GuestSandbox, plan
from turnwise.sandbox.containers import Container, local, remove_image, runtimes, skeleton
from turnwise.sandbox.contract import Capabilities, SandboxError, Snapshot, Spec
from turnwise.sandbox.guest import seccomp
from turnwise.sandbox.jail import SITES, layout
from turnwise.sandbox.launcher import HERE, command, interpreter

GUEST = "/opt/turnwise"
"""Where the guest is shown."""
RUNTIME = "TURNWISE_DOCKER_RUNTIME"


def reason(spec: Spec) -> str:
    """Why this machine cannot, in one sentence; empty where it can."""
    if not sys.platform.startswith("linux") or not seccomp.supported():
        return "the guest needs Linux on x86-64 or arm64 around its containers"
    try:
        if not local():
            return "the Docker daemon is on another machine, and cannot see the guest's program"
        wanted = os.environ.get(RUNTIME, "")
        if wanted and wanted not in runtimes():
            return f"the daemon has no runtime {wanted!r} ({RUNTIME}): it has {', '.join(sorted(runtimes()))}"
    except SandboxError as problem:
        return str(problem)
    if not spec.image and not all(os.path.islink(path) for path in ("/bin", "/lib")):
        return "/bin and /lib of this machine are not links into /usr, which the skeleton image needs: give an image"
    return ""


class Boxed:
    """The confinement of one container."""

    backend = "docker"

    def __init__(self, spec: Spec, container: Container) -> None:
        self.container = container
        self.capabilities = Capabilities(
            filesystem=True,
            network=True,
            processes=True,
            total_memory=True,
            disk_quota=not spec.image,
            fork=False,
        )
        self._lock = threading.Lock()
        self._left = False

    def kill(self) -> None:
        with self._lock:
            if not self._left:
                self.container.kill()

    def memory_kills(self) -> int:
        return self.container.memory_kills()

    def join(self) -> None:
        raise SandboxError("a container cannot fork its interpreters: use the jail")

    def leave(self) -> None:
        with self._lock:
            if not self._left:
                self._left = True
                self.container.remove()


class DockerSandbox(GuestSandbox):
    """A container; a copy of it is a new one with the same files."""

    _confinement: Boxed

    def _no_interpreters(self) -> None:
        if self.sessions:
            raise SandboxError(
                "docker cannot copy a sandbox in which an interpreter stands, only files: close it, or use the jail"
            )

    def snapshot(self) -> Copy:
        with self._lock:
            self._no_interpreters()
            self.files()  # it stands, and nothing is being answered
            container = self._confinement.container
            return Copy(
                self.spec,
                container.commit() if self.spec.image else "",
                container.pack("/work"),
                container.pack("/tmp"),
            )

    def fork(self) -> GuestSandbox:
        kept = self.snapshot()
        try:
            return kept.open()
        finally:
            kept.close()


class Copy(Snapshot):
    """Files of a container: an image of ours where it had an image, and archives of what is memory."""

    def __init__(self, spec: Spec, image: str, work: bytes, temporary: bytes) -> None:
        self._spec, self._image, self._work, self._temporary = spec, image, work, temporary

    def open(self) -> DockerSandbox:
        opened = launch(self._spec, self._image or self._spec.image, filled=True)
        container = opened._confinement.container
        try:
            container.unpack("/work", self._work)
            container.unpack("/tmp", self._temporary)
        except BaseException:
            opened.close()
            raise
        return opened

    def close(self) -> None:
        image, self._image = self._image, ""
        if image:
            remove_image(image)


def launch(spec: Spec, image: str, filled: bool = False) -> DockerSandbox:
    """A container of `image`, or of the skeleton; `filled`: the workspace comes from elsewhere."""
    shown = {f"{GUEST}/guest": str(HERE / "guest")}
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    path: list[str] = []
    if image:
        program = "python3"
        shown |= {guest: os.path.abspath(host) for guest, host in spec.readonly.items()}
    else:
        binds, path = layout(spec)
        shown |= {"/usr": "/usr", **binds}
        program = interpreter()
        environment = {
            "PATH": f"{sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": ":".join(guest for guest in binds if guest.startswith(SITES)),
        }
    line = command(program, GUEST, {"path": path}, 0, 1)
    container = Container(spec, image or skeleton(), line, shown, os.environ.get(RUNTIME, ""))
    more = plan(spec, "plain", work="/work", environment=environment, watch_memory=False)
    begun = replace(spec, workspace="") if filled else spec
    try:
        opened = DockerSandbox(begun, container.channel, Boxed(spec, container), more)
    except SandboxError as problem:
        said = container.channel.complaints.decode("utf-8", "replace").strip().split("\n")[-1]
        raise SandboxError(f"{problem}{f' ({said})' if said else ''}") from None
    opened.spec = spec
    return opened


def open_sandbox(spec: Spec) -> DockerSandbox:
    """A sandbox in a container.

    Raises:
        SandboxError: where there is no SDK, no daemon, or it cannot make the container; the
            sentence says which.
    """
    if why := reason(spec):
        raise SandboxError(f"the docker backend cannot run here: {why}")
    return launch(spec, spec.image)
