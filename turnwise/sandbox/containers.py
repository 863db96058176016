"""Containers by the docker SDK: one is made, its program is spoken with over the attached socket,
and it goes when that closes.

Process 1 of the container is the guest, its channel the container's own standard input and output.
The daemon closes that input when we are gone, however we went, and the guest ends when it closes;
so a killed trainer leaves no container. What a daemon forgets all the same has a label with its
owner, which the janitor reads, and a time after which it ends by itself.
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
from turnwise.sandbox.guest.frames import BODY, Channel

LABEL = "turnwise.owner"
SKELETON = "turnwise-skeleton:1"
"""An image with nothing in it but the names under which /usr is also known; the host's /usr is
shown in it read-only.
"""
LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
HOURS = 12
"""After which a container ends by itself."""
USERS = range(0x71000000, 0x71100000)
"""User numbers inside; each container has its own, since the kernel counts the processes of a user
over all containers.
"""
GUEST_MB = 48
"""What the guest itself may hold beside the code it runs."""


@cache
def client() -> Any:
    """The daemon's client, from the environment.

    Raises:
        SandboxError: where there is no SDK or no daemon, in one sentence.
    """
    try:
        import docker
    except ImportError:
        raise SandboxError("the docker SDK is missing: pip install 'turnwise[docker]'") from None
    try:
        made = docker.from_env(
            timeout=120
        )  # it keeps up to 25 idle connections, one for each of the last addresses asked
        made.ping()
    except Exception as problem:  # the SDK lets through whatever its transports raise
        text = str(problem).split("\n")[0][:200]
        raise SandboxError(
            f"no Docker daemon answers ({text}); start one, or set DOCKER_HOST"
        ) from None
    return made


@cache
def swept() -> int:
    """Remove containers and images whose owner is gone; once per process. Returns how many."""
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
    """The name of the skeleton image, made if the daemon does not have it."""
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


class Attached(Channel):
    """Frames over an attached container: the daemon puts 8 bytes before every piece, which say the
    stream and the length.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, descriptor, longest=BODY)
        self._raw = bytearray()
        self.complaints = bytearray()
        """What came on standard error, its end."""

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
                self.complaints = (self.complaints + piece)[-2000:]


class Container:
    """One container and the channel to its guest.

    Raises:
        SandboxError: where the daemon cannot make or start it, with its words.
    """

    def __init__(
        self, spec: Spec, image: str, command: list[str], shown: dict[str, str], runtime: str = ""
    ) -> None:
        self.api = client().api
        number = USERS[uuid.uuid4().int % len(USERS)]
        self.user = f"{number}:{number}"
        self._events = ""
        swept()
        try:
            made = self.api.create_container(image, command, **self._settings(spec, shown, runtime))
            self.id: str = made["Id"]
        except Exception as problem:
            raise SandboxError(
                f"the Docker daemon cannot make a container of {image}: {_words(problem)}"
            ) from None
        try:
            attached = self.api.attach_socket(
                self.id, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
            )
            self.channel = Attached(_take(attached))
            self.api.start(self.id)
        except Exception as problem:
            self.remove()
            raise SandboxError(
                f"the Docker daemon cannot start a container of {image}: {_words(problem)}"
            ) from None

    def _settings(self, spec: Spec, shown: dict[str, str], runtime: str) -> dict[str, Any]:
        limits = spec.limits
        owner = self.user.split(":")[0]
        disk = f"size={limits.disk_mb}m,nr_inodes={limits.files + 16},nosuid,nodev,exec,uid={owner},gid={owner}"
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
        """The files outside /work and /tmp as an image of ours; its id."""
        try:
            return str(self.api.commit(self.id, changes=[f"LABEL {LABEL}={janitor.tag()}"])["Id"])
        except Exception as problem:
            raise SandboxError(
                f"the Docker daemon cannot keep a copy of the container: {_words(problem)}"
            ) from None

    def remove(self) -> None:
        """Kill everything in it and forget it. Doing it again changes nothing."""
        with suppress(Exception):  # it may have removed itself
            self.api.remove_container(self.id, force=True, v=True)

    def kill(self) -> None:
        """SIGKILL everything in it."""
        with suppress(Exception):  # it may have ended
            self.api.kill(self.id)

    def memory_kills(self) -> int:
        """How often the kernel has killed something in it for memory, where its control group can
        be read; else 0.
        """
        if not self._events:
            with suppress(Exception):
                self._events = _events(int(self.api.inspect_container(self.id)["State"]["Pid"]))
        for line in _lines(self._events):
            if line.startswith("oom_kill "):
                return int(line.split()[1])
        return 0

    def pack(self, folder: str) -> bytes:
        """A directory as a tar, links and modes included."""
        code, output = (
            client().containers.get(self.id).exec_run(["tar", "-C", folder, "-c", "."], demux=True)
        )
        if code != 0:
            raise SandboxError(
                f"{folder} of a container cannot be read: {(output[1] or b'').decode(errors='replace')[:300]}"
            )
        return bytes(output[0] or b"")

    def unpack(self, folder: str, data: bytes) -> None:
        """Fill a directory from a tar, as the user inside."""
        made = self.api.exec_create(
            self.id,
            ["tar", "-C", folder, "-x", "--no-same-owner", "-m"],
            stdin=True,
            user=self.user,
        )
        attached = self.api.exec_start(made["Id"], socket=True)
        try:
            attached._sock.sendall(data)
            attached._sock.shutdown(socket.SHUT_WR)
            attached._sock.settimeout(60)
            while attached._sock.recv(1 << 16):
                pass
        except OSError as problem:
            raise SandboxError(f"{folder} of a container cannot be filled: {problem}") from None
        finally:
            os.close(_take(attached))
        if self.api.exec_inspect(made["Id"])["ExitCode"] != 0:
            raise SandboxError(
                f"{folder} of a container cannot be filled: there is no room, or the image has no tar"
            )


def _take(attached: Any) -> int:
    """The descriptor of a hijacked connection, out of the hands of the SDK, whose objects would
    keep it open in a circle.
    """
    response, attached._response = getattr(attached, "_response", None), None
    descriptor = int(attached._sock.detach())
    for each in (each for each in (response, attached) if each is not None):
        with suppress(OSError, ValueError, AttributeError):  # closing one may close the other
            each.close()
    return descriptor


def _events(process: int) -> str:
    """The file in which the kernel counts kills for memory in the control group of a process."""
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
    """Forget an image of ours."""
    with suppress(Exception):
        client().images.remove(image, force=True)


def _words(problem: Exception) -> str:
    return str(getattr(problem, "explanation", None) or problem).split("\n")[0][:300]


def local() -> bool:
    """Whether the daemon is on this machine, so that directories can be shown in its containers."""
    return str(client().api.base_url) == "http+docker://localhost"


def runtimes() -> set[str]:
    """The names of the runtimes that the daemon has, such as `runc` and, where configured, `runsc`."""
    return set(client().info().get("Runtimes", {}))
