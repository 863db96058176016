"""Containers through the docker SDK, with the guest attached to standard input and output.

The guest is process 1 of the container. When this process ends, however it ends, the daemon closes
the container's input and the guest exits, so a killed trainer leaves no container behind. What
remains all the same carries a label with its owner, and is removed at the next start (`janitor`).
"""

from __future__ import annotations

import io
import os
import socket
import struct
import tarfile
import uuid
from contextlib import suppress
from functools import cache
from typing import Any

from turnwise.sandbox import janitor
from turnwise.sandbox.contract import SandboxError, Spec
from turnwise.sandbox.guest.frames import Channel

LABEL = "turnwise.owner"
SKELETON = "turnwise-skeleton:1"
"""An image of `LINKS` alone, in which the host's /usr is shown read-only."""
LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
USERS = range(0x71000000, 0x71100000)
"""User numbers inside: one per container, as the kernel counts processes per user over all."""
GUEST_MB = 48
"""Memory of the guest itself, added to the limit of the code it runs."""


@cache
def client() -> Any:
    """Return the client of the daemon that the environment names.

    Raises:
        SandboxError: where there is no SDK or no daemon.
    """
    try:
        import docker
    except ImportError:
        raise SandboxError("the docker SDK is missing: pip install 'turnwise[docker]'") from None
    try:
        daemon = docker.from_env(timeout=120)
        daemon.ping()
    except Exception as problem:  # the SDK passes on whatever its transports raise
        text = str(problem).split("\n")[0][:200]
        raise SandboxError(
            f"no Docker daemon answers ({text}); start one, or set DOCKER_HOST"
        ) from None
    return daemon


@cache
def sweep_once() -> int:
    """Remove containers and images whose owner is gone, once per process; return how many."""
    removed = 0
    for container in client().containers.list(
        all=True, filters={"label": LABEL}, ignore_removed=True
    ):
        if janitor.orphaned(container.labels.get(LABEL, "")):
            with suppress(Exception):
                container.remove(force=True, v=True)
                removed += 1
    for image in client().images.list(filters={"label": LABEL}):
        if janitor.orphaned(image.labels.get(LABEL, "")):
            with suppress(Exception):
                client().images.remove(image.id, force=True)
                removed += 1
    return removed


def skeleton() -> str:
    """Return the name of the skeleton image, which is made if the daemon does not have it."""
    try:
        client().images.get(SKELETON)
    except Exception:
        blob = io.BytesIO()
        with tarfile.open(fileobj=blob, mode="w") as archive:
            for name, target in LINKS.items():
                link = tarfile.TarInfo(name)
                link.type, link.linkname = tarfile.SYMTYPE, target
                archive.addfile(link)
        repository, tag = SKELETON.split(":")
        client().api.import_image_from_data(blob.getvalue(), repository=repository, tag=tag)
    return SKELETON


class AttachedChannel(Channel):
    """Frames over the socket of an attached container.

    The daemon prefixes every piece of output with 8 bytes: the stream's number and the length.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, descriptor)
        self._raw = bytearray()
        self.stderr = bytearray()
        """The last 2,000 bytes of standard error."""

    def fill(self) -> None:
        try:
            data = os.read(self.reader, 1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.closed = True
        self._raw += data
        while len(self._raw) >= 8:
            stream, length = struct.unpack_from(">BxxxI", self._raw)
            if len(self._raw) < 8 + length:
                return
            piece = self._raw[8 : 8 + length]
            del self._raw[: 8 + length]
            if stream == 1:
                self._buffer += piece
            else:
                self.stderr = (self.stderr + piece)[-2000:]


class Container:
    """One container and the channel to its guest.

    Raises:
        SandboxError: where the daemon cannot make or start it, with its message.
    """

    def __init__(
        self, spec: Spec, image: str, command: list[str], shown: dict[str, str], runtime: str = ""
    ) -> None:
        self.api = client().api
        number = USERS[uuid.uuid4().int % len(USERS)]
        self.user = f"{number}:{number}"
        self._events = ""
        sweep_once()
        try:
            created = self.api.create_container(
                image, command, **self._settings(spec, shown, runtime)
            )
            self.id: str = created["Id"]
        except Exception as problem:
            raise SandboxError(
                f"the Docker daemon cannot make a container of {image}: {_message(problem)}"
            ) from None
        try:
            attached = self.api.attach_socket(
                self.id, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
            )
            self.channel = AttachedChannel(_detach(attached))
            self.api.start(self.id)
        except Exception as problem:
            self.remove()
            raise SandboxError(
                f"the Docker daemon cannot start a container of {image}: {_message(problem)}"
            ) from None

    def _settings(self, spec: Spec, shown: dict[str, str], runtime: str) -> dict[str, Any]:
        limits = spec.limits
        owner = self.user.split(":")[0]
        disk = (
            f"size={limits.disk_mb}m,nr_inodes={limits.files + 16},nosuid,nodev,exec,"
            f"uid={owner},gid={owner}"
        )
        host = self.api.create_host_config(
            binds=[f"{source}:{target}:ro" for target, source in shown.items()],
            network_mode="none",
            ipc_mode="private",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            mem_limit=f"{limits.memory_mb + GUEST_MB}m",
            memswap_limit=f"{limits.memory_mb + GUEST_MB}m",
            pids_limit=limits.processes + 2,
            read_only=not spec.image,
            tmpfs={"/work": f"{disk},mode=0755", "/tmp": f"{disk},mode=1777"},
            shm_size=f"{max(limits.disk_mb, 1)}m",
            log_config={"type": "none"},
            auto_remove=True,
            runtime=runtime or None,
            oom_score_adj=500,
        )
        return {
            "user": self.user,
            "working_dir": "/work",
            "entrypoint": [],
            "stdin_open": True,
            "tty": False,
            "host_config": host,
            "hostname": "sandbox",
            "labels": {LABEL: janitor.tag()},
        }

    def commit(self) -> str:
        """Save the files outside /work and /tmp as an image and return its id."""
        try:
            return str(self.api.commit(self.id, changes=[f"LABEL {LABEL}={janitor.tag()}"])["Id"])
        except Exception as problem:
            raise SandboxError(
                f"the Docker daemon cannot keep a copy of the container: {_message(problem)}"
            ) from None

    def remove(self) -> None:
        """Kill everything in the container and remove it. Idempotent."""
        with suppress(Exception):  # it may have been removed already
            self.api.remove_container(self.id, force=True, v=True)

    def kill(self) -> None:
        """SIGKILL everything in the container."""
        with suppress(Exception):  # it may have ended already
            self.api.kill(self.id)

    def memory_kills(self) -> int:
        """Return how many processes the kernel killed for memory; 0 where it cannot be read."""
        if not self._events:
            with suppress(Exception):
                pid = int(self.api.inspect_container(self.id)["State"]["Pid"])
                self._events = _memory_events(pid)
        for line in _lines(self._events):
            if line.startswith("oom_kill "):
                return int(line.split()[1])
        return 0

    def pack(self, folder: str) -> bytes:
        """Return a directory as a tar, with links and modes."""
        code, output = (
            client().containers.get(self.id).exec_run(["tar", "-C", folder, "-c", "."], demux=True)
        )
        if code != 0:
            stderr = (output[1] or b"").decode(errors="replace")[:300]
            raise SandboxError(f"{folder} of a container cannot be read: {stderr}")
        return bytes(output[0] or b"")

    def unpack(self, folder: str, data: bytes) -> None:
        """Unpack a tar into a directory, as the container's user."""
        exec_ = self.api.exec_create(
            self.id,
            ["tar", "-C", folder, "-x", "--no-same-owner", "-m"],
            stdin=True,
            user=self.user,
        )
        attached = self.api.exec_start(exec_["Id"], socket=True)
        try:
            attached._sock.sendall(data)
            attached._sock.shutdown(socket.SHUT_WR)
            attached._sock.settimeout(60)
            while attached._sock.recv(1 << 16):
                pass
        except OSError as problem:
            raise SandboxError(f"{folder} of a container cannot be filled: {problem}") from None
        finally:
            os.close(_detach(attached))
        if self.api.exec_inspect(exec_["Id"])["ExitCode"] != 0:
            raise SandboxError(
                f"{folder} of a container cannot be filled: there is no room, or the image has no"
                " tar"
            )


def _detach(attached: Any) -> int:
    """Return the descriptor of a hijacked connection, detached from the SDK's objects.

    They refer to each other in a circle, which would keep it open.
    """
    response, attached._response = getattr(attached, "_response", None), None
    descriptor = int(attached._sock.detach())
    for each in (each for each in (response, attached) if each is not None):
        with suppress(OSError, ValueError, AttributeError):  # closing one may close the other
            each.close()
    return descriptor


def _memory_events(process: int) -> str:
    """Return the file that counts the kills for memory in the cgroup of a process."""
    for line in _lines(f"/proc/{process}/cgroup"):
        number, controllers, path = line.split(":", 2)
        if controllers == "memory":
            return f"/sys/fs/cgroup/memory{path}/memory.oom_control"
        if number == "0" and os.path.exists(f"/sys/fs/cgroup{path}/memory.events"):
            return f"/sys/fs/cgroup{path}/memory.events"
    return ""


def _lines(path: str) -> list[str]:
    with suppress(OSError), open(path, encoding="ascii") as file:
        return file.read().splitlines()
    return []


def remove_image(image: str) -> None:
    """Remove an image of ours."""
    with suppress(Exception):
        client().images.remove(image, force=True)


def _message(problem: Exception) -> str:
    """Return the first line of the daemon's explanation."""
    return str(getattr(problem, "explanation", None) or problem).split("\n")[0][:300]


def local() -> bool:
    """Return whether the daemon is on this machine, so that directories can be bound."""
    return str(client().api.base_url) == "http+docker://localhost"


def runtimes() -> set[str]:
    """Return the names of the daemon's runtimes, such as `runc` and `runsc`."""
    return set(client().info().get("Runtimes", {}))
