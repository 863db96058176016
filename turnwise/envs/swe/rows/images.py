"""Images of published tasks: which are present, what the missing ones need, and how to pull one.

A missing image says nothing about a repair. It is an error of the machine, reported by the
preflight before training starts, and never a reward of zero. Docker Hub allows an anonymous address
a hundred pulls in six hours (as of 2026), so a first run that pulls on the way stops early: pull
beforehand, or run a registry of your own.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from turnwise.envs.swe.rows.logs import PARSERS
from turnwise.envs.swe.rows.published import SweRow
from turnwise.envs.swe.tasks.task import digest
from turnwise.sandbox import containers, janitor
from turnwise.sandbox.contract import SandboxError

IMAGE_BYTES = 1_500_000_000
"""Size of an image if none is known: SWE-agent's issue 317 reports 1.5 GB a task."""


@dataclass(frozen=True, slots=True)
class Preflight:
    """Images and parsers that are present or missing before a run."""

    present: tuple[str, ...]
    missing: tuple[str, ...]
    held: int
    """Bytes of the images that are present; shared layers count once for each."""
    needed: int
    """Bytes the missing ones will take, from the mean of those present, or from `IMAGE_BYTES`."""
    free: int
    """Bytes free where the daemon stores images; -1 if unknown."""
    parsers: tuple[str, ...]
    """Log parsers that rows ask for and that do not exist."""

    @property
    def ready(self) -> bool:
        """Whether every row can be graded."""
        return not self.missing and not self.parsers

    def __str__(self) -> str:
        room = "an unknown amount" if self.free < 0 else f"{self.free / 1e9:.1f} GB"
        parts = [f"{len(self.present)} images are here ({self.held / 1e9:.1f} GB)"]
        if self.missing:
            parts.append(
                f"{len(self.missing)} are not, and need about {self.needed / 1e9:.1f} GB of "
                f"{room} free: {self.missing[0]}, ..."
            )
        if self.parsers:
            parts.append(f"no parser for the logs of {', '.join(self.parsers)}")
        return "; ".join(parts)


def preflight(rows: Iterable[SweRow]) -> Preflight:
    """Check which images of rows are present. Raises `SandboxError` if no daemon responds."""
    client = containers.client()
    wanted, parsers = {}, set()
    for each in rows:
        wanted[each.image] = True
        if each.parser not in PARSERS:
            parsers.add(each.parser)
    sizes = {name: size for name in wanted if (size := _size(client, name)) >= 0}
    missing = tuple(name for name in wanted if name not in sizes)
    mean = sum(sizes.values()) // len(sizes) if sizes else IMAGE_BYTES
    root = str(client.info().get("DockerRootDir", ""))
    free = shutil.disk_usage(root).free if root and os.path.isdir(root) else -1
    return Preflight(
        tuple(sizes),
        missing,
        sum(sizes.values()),
        mean * len(missing),
        free,
        tuple(sorted(parsers)),
    )


def _size(client: Any, image: str) -> int:
    """Return the bytes of an image, or -1 if the daemon does not have it."""
    import docker.errors

    try:
        return int(client.images.get(image).attrs.get("Size", 0))
    except docker.errors.NotFound:
        return -1


MAKE_WRITABLE = "chmod -R a+rwX {0} && {{ chmod -R a+rX /root || true; }}"
"""In these images root owns the repository, and no sandbox runs as root."""
PREPARED = "turnwise-row"
PREPARE_TIMEOUT_S = 1800


def prepared_image(image: str, workdir: str, shown: Mapping[str, str] | None = None) -> str:
    """Return an image derived from another, built once, whose repository every user may change.

    It adds the size of the repository.

    Args:
        shown: guest path -> host path, mounted read-only during the build.

    Raises:
        SandboxError: if the image is missing, or its programs cannot do it.
    """
    client = containers.client()
    if _size(client, image) < 0:
        raise SandboxError(f"the image {image} is not here: pull or load it, then grade again")
    version = digest(repr((client.images.get(image).id, workdir, MAKE_WRITABLE)).encode())[:24]
    name = f"{PREPARED}:{version}"
    if _size(client, name) >= 0:
        return name
    command = ["sh", "-c", MAKE_WRITABLE.format(shlex.quote(workdir))]
    binds = [f"{host}:{guest}:ro" for guest, host in (shown or {}).items()]
    host = client.api.create_host_config(
        network_mode="none", security_opt=["no-new-privileges"], binds=binds
    )
    labels = {containers.LABEL: janitor.tag()}
    try:
        container = client.api.create_container(
            image,
            command,
            user="0:0",
            entrypoint=[],
            working_dir="/",
            labels=labels,
            host_config=host,
        )
        try:
            client.api.start(container["Id"])
            code = int(client.api.wait(container["Id"], timeout=PREPARE_TIMEOUT_S)["StatusCode"])
            answer = client.api.logs(container["Id"], tail=3).decode("utf8", "replace").strip()
            if code == 0:
                # Clear the label: the janitor removes what carries it, and the image is to stay.
                client.api.commit(
                    container["Id"],
                    repository=PREPARED,
                    tag=version,
                    changes=[f"LABEL {containers.LABEL}="],
                )
        finally:
            client.api.remove_container(container["Id"], force=True, v=True)
    except Exception as problem:
        words = str(getattr(problem, "explanation", None) or problem).split("\n")[0][:200]
        raise SandboxError(f"the image {image} cannot be prepared: {words}") from None
    if code != 0:
        raise SandboxError(
            f"the image {image} cannot be prepared, {workdir} could not be opened to others: "
            f"{answer[:200]}"
        )
    return name


def fetch(image: str) -> None:
    """Pull an image unless it is present. Raises `SandboxError` with the registry's answer."""
    client = containers.client()
    if _size(client, image) >= 0:
        return
    repository, _, tag = (
        image.rpartition(":") if ":" in image.rpartition("/")[2] else (image, "", "latest")
    )
    try:
        client.images.pull(repository, tag=tag)
    except Exception as problem:
        answer = str(getattr(problem, "explanation", None) or problem).split("\n")[0][:200]
        raise SandboxError(
            f"the image {image} is not here and cannot be pulled ({answer}): pull or load it, "
            "then grade again"
        ) from None
