"""Images of the field's tasks: which are there, what the others need, and how one is fetched.

A missing image says nothing about a repair. It is an error of the machine, found before training begins by the preflight, and never
a reward of zero. Docker Hub serves an anonymous address a hundred pulls in six hours (as quoted in 2026), so a first run that pulls
as it goes stops early: fetch before, or keep a registry of one's own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from turnwise.envs.swe.row_logs import PARSERS
from turnwise.envs.swe.rows import Row
from turnwise.sandbox import containers
from turnwise.sandbox.contract import SandboxError

IMAGE_BYTES = 1_500_000_000
"""What an image of one task takes where nobody knows better: SWE-agent's issue 317 says 1.5 GB a task."""


@dataclass(frozen=True, slots=True)
class Preflight:
    """What there is and what is wanting before a run."""

    present: tuple[str, ...]
    missing: tuple[str, ...]
    held: int
    """Bytes of the images that are here, layers that they share counted once for each."""
    needed: int
    """Bytes that the missing ones will take, by the mean of those that are here, or by `IMAGE_BYTES`."""
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
                f"{len(self.missing)} are not, and need about {self.needed / 1e9:.1f} GB of {room} free: {self.missing[0]}, ..."
            )
        if self.parsers:
            parts.append(f"no parser for the logs of {', '.join(self.parsers)}")
        return "; ".join(parts)


def preflight(rows: Iterable[Row]) -> Preflight:
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
    return Preflight(tuple(sizes), missing, sum(sizes.values()), mean * len(missing), free, tuple(sorted(parsers)))


def _size(client: Any, image: str) -> int:
    """Bytes of an image; -1 where the daemon does not have it."""
    import docker.errors

    try:
        return int(client.images.get(image).attrs.get("Size", 0))
    except docker.errors.NotFound:
        return -1


def fetch(image: str) -> None:
    """Have the daemon pull an image that it does not have. Raises `SandboxError` with what its registry said."""
    client = containers.client()
    if _size(client, image) >= 0:
        return
    repository, _, tag = image.rpartition(":") if ":" in image.rpartition("/")[2] else (image, "", "latest")
    try:
        client.images.pull(repository, tag=tag)
    except Exception as problem:
        said = str(getattr(problem, "explanation", None) or problem).split("\n")[0][:200]
        raise SandboxError(
            f"the image {image} is not here and cannot be pulled ({said}): pull or load it, then grade again"
        ) from None
