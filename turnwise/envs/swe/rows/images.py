"""Images of the field's tasks: which are there, what the others need, and how one is fetched.

A missing image says nothing about a repair. It is an error of the machine, found before training
begins by the preflight, and never a reward of zero. Docker Hub serves an anonymous address a
hundred pulls in six hours (as quoted in 2026), so a first run that pulls as it goes stops early:
fetch before, or keep a registry of one's own.
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
"""What an image of one task takes where nobody knows better: SWE-agent's issue 317 says 1.5 GB a
task.
"""


@dataclass(frozen=True, slots=True)
class Preflight:
    """What there is and what is wanting before a run."""

    present: tuple[str, ...]
    missing: tuple[str, ...]
    held: int
    """Bytes of the images that are here, layers that they share counted once for each."""
    needed: int
    """Bytes that the missing ones will take, by the mean of those that are here, or by
    `IMAGE_BYTES`.
    """
    free: int
    """Bytes free where the daemon keeps its images; -1 where that cannot be seen from here."""
    parsers: tuple[str, ...]
    """Log parsers that rows ask for and that are not here."""

    @property
    def ready(self) -> bool:
        """Every row can be graded."""
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
    """Look which images of rows the daemon has. Raises `SandboxError` where no daemon answers."""
    client = containers.client()
    wanted, parsers = {}, set()
    for each in rows:
        wanted[each.image] = True
        if each.parser not in PARSERS:
            parsers.add(each.parser)
    sizes = {name: size for name in wanted if (size := _size(client, name)) >= 0}
    missing = tuple(name for name in wanted if name not in sizes)
    mean = sum(sizes.values()) // len(sizes) if sizes else IMAGE_BYTES
    place = str(client.info().get("DockerRootDir", ""))
    free = shutil.disk_usage(place).free if place and os.path.isdir(place) else -1
    return Preflight(
        tuple(sizes),
        missing,
        sum(sizes.values()),
        mean * len(missing),
        free,
        tuple(sorted(parsers)),
    )


def _size(client: Any, image: str) -> int:
    """Bytes of an image; -1 where the daemon does not have it."""
    import docker.errors

    try:
        return int(client.images.get(image).attrs.get("Size", 0))
    except docker.errors.NotFound:
        return -1


MAKE_WRITABLE = "chmod -R a+rwX {0} && {{ chmod -R a+rX /root || true; }}"
"""In these images the repository is root's, and no sandbox runs as root."""
PREPARED = "turnwise-row"
PREPARE_TIMEOUT_S = 1800


def prepared_image(image: str, workdir: str, shown: Mapping[str, str] | None = None) -> str:
    """An image whose repository any user may change, made of another once; it takes what the
    repository takes.

    Args:
        shown: guest path -> host path, shown read-only while it is made.

    Raises:
        SandboxError: where the image is not here, or its programs cannot do it.
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
        made = client.api.create_container(
            image,
            command,
            user="0:0",
            entrypoint=[],
            working_dir="/",
            labels=labels,
            host_config=host,
        )
        try:
            client.api.start(made["Id"])
            code = int(client.api.wait(made["Id"], timeout=PREPARE_TIMEOUT_S)["StatusCode"])
            said = client.api.logs(made["Id"], tail=3).decode("utf8", "replace").strip()
            if code == 0:
                # The label was the container's, which the janitor removes with its owner; the image
                # is to stay.
                client.api.commit(
                    made["Id"],
                    repository=PREPARED,
                    tag=version,
                    changes=[f"LABEL {containers.LABEL}="],
                )
        finally:
            client.api.remove_container(made["Id"], force=True, v=True)
    except Exception as problem:
        words = str(getattr(problem, "explanation", None) or problem).split("\n")[0][:200]
        raise SandboxError(f"the image {image} cannot be prepared: {words}") from None
    if code != 0:
        raise SandboxError(
            f"the image {image} cannot be prepared, {workdir} could not be opened to others: "
            f"{said[:200]}"
        )
    return name


def fetch(image: str) -> None:
    """Have the daemon pull an image that it does not have. Raises `SandboxError` with what its
    registry said.
    """
    client = containers.client()
    if _size(client, image) >= 0:
        return
    repository, _, tag = (
        image.rpartition(":") if ":" in image.rpartition("/")[2] else (image, "", "latest")
    )
    try:
        client.images.pull(repository, tag=tag)
    except Exception as problem:
        said = str(getattr(problem, "explanation", None) or problem).split("\n")[0][:200]
        raise SandboxError(
            f"the image {image} is not here and cannot be pulled ({said}): pull or load it, "
            "then grade again"
        ) from None
