"""The docker backend: one container per sandbox, for tasks that come as images.

Without an image, the container shows the host's /usr and Python read-only; only `/work` and `/tmp`
can be written, and they are memory with a limit. With an image (`Spec.image`, which needs Python
3.11 or later as `python3`), its other directories can be written too, without a limit on the disk.

Snapshots and forks copy files alone (`commit` and an archive of /work and /tmp), because containers
cannot fork interpreters. Set `TURNWISE_DOCKER_RUNTIME` to run containers under another runtime of
the daemon, such as `runsc` (gVisor).
"""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import replace

from turnwise.sandbox.client import GuestSandbox, guest_plan
from turnwise.sandbox.containers import Container, local, remove_image, runtimes, skeleton
from turnwise.sandbox.contract import SandboxCapabilities, SandboxError, SandboxSnapshot, Spec
from turnwise.sandbox.guest import seccomp
from turnwise.sandbox.jail import GUEST_PARENT, SITES, layout
from turnwise.sandbox.launcher import guest_command, guest_python

GUEST = "/opt/turnwise"
"""Directory where the container shows the guest program."""
RUNTIME = "TURNWISE_DOCKER_RUNTIME"


def reason(spec: Spec) -> str:
    """Return why docker cannot run here; empty where it can."""
    if not sys.platform.startswith("linux") or not seccomp.supported():
        return "the guest needs Linux on x86-64 or arm64 around its containers"
    try:
        if not local():
            return "the Docker daemon is on another machine, and cannot see the guest's program"
        runtime, known = os.environ.get(RUNTIME, ""), sorted(runtimes())
        if runtime and runtime not in known:
            return f"the daemon has no runtime {runtime!r} ({RUNTIME}): it has {', '.join(known)}"
    except SandboxError as problem:
        return str(problem)
    if not spec.image and not all(os.path.islink(path) for path in ("/bin", "/lib")):
        return (
            "/bin and /lib of this machine are not links into /usr, which the skeleton image needs:"
            " give an image"
        )
    return ""


class ContainerConfinement:
    """Confinement of one sandbox in a container."""

    backend = "docker"

    def __init__(self, spec: Spec, container: Container) -> None:
        self.container = container
        self.capabilities = SandboxCapabilities(
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
    """A sandbox in a container; its fork is a new container with the same files."""

    _confinement: ContainerConfinement

    def _refuse_interpreters(self) -> None:
        if self.sessions:
            raise SandboxError(
                "docker cannot copy a sandbox in which an interpreter stands, only files: close it,"
                " or use the jail"
            )

    def snapshot(self) -> ContainerSnapshot:
        with self._lock:
            self._refuse_interpreters()
            self.files()  # raises where the guest has ended
            container = self._confinement.container
            return ContainerSnapshot(
                self.spec,
                container.commit() if self.spec.image else "",
                container.pack("/work"),
                container.pack("/tmp"),
            )

    def fork(self) -> GuestSandbox:
        snapshot = self.snapshot()
        try:
            return snapshot.open()
        finally:
            snapshot.close()


class ContainerSnapshot(SandboxSnapshot):
    """Files of a container: a committed image, where it had one, and archives of /work and /tmp."""

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
    """Start a container and return its sandbox.

    Args:
        image: the image; empty for the skeleton image.
        filled: do not copy the spec's workspace, because the caller fills it.
    """
    shown = {f"{GUEST}/guest": str(GUEST_PARENT / "guest")}
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    path: list[str] = []
    if image:
        program = "python3"
        shown |= {guest: os.path.abspath(host) for guest, host in spec.readonly.items()}
    else:
        binds, path = layout(spec)
        shown |= {"/usr": "/usr", **binds}
        program = guest_python()
        environment = {
            "PATH": f"{sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": ":".join(guest for guest in binds if guest.startswith(SITES)),
        }
    command = guest_command(program, GUEST, {"path": path}, 0, 1)
    container = Container(spec, image or skeleton(), command, shown, os.environ.get(RUNTIME, ""))
    plan = guest_plan(spec, "plain", work="/work", environment=environment, watch_memory=False)
    initial = replace(spec, workspace="") if filled else spec
    confinement = ContainerConfinement(spec, container)
    try:
        opened = DockerSandbox(initial, container.channel, confinement, plan)
    except SandboxError as problem:
        stderr = container.channel.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
        raise SandboxError(f"{problem}{f' ({stderr})' if stderr else ''}") from None
    opened.spec = spec
    return opened


def open_sandbox(spec: Spec) -> DockerSandbox:
    """Open a sandbox in a container.

    Raises:
        SandboxError: where there is no SDK or daemon, or it cannot make the container.
    """
    if why := reason(spec):
        raise SandboxError(f"the docker backend cannot run here: {why}")
    return launch(spec, spec.image)
