"""Images: present and missing ones and their disk space, with a fake daemon."""

from __future__ import annotations

import sys
import types
from dataclasses import replace
from typing import Any

import pytest

from tests.envs.swe.rows.published_rows import SWE_BENCH
from turnwise.envs.swe.rows import images
from turnwise.envs.swe.rows.images import IMAGE_BYTES, Preflight, fetch, preflight, prepared_image
from turnwise.envs.swe.rows.published import parse_row
from turnwise.sandbox.contract import SandboxError


class NotFound(Exception):
    """As the SDK's."""


class Daemon:
    """Holds images by name; what is made of them is noted."""

    def __init__(self, sizes: dict[str, int]) -> None:
        self.sizes, self.made, self.code = dict(sizes), [], 0  # type: ignore[var-annotated]
        self.images = self.api = self

    def get(self, name: str) -> Any:
        if name not in self.sizes:
            raise NotFound(name)
        return types.SimpleNamespace(attrs={"Size": self.sizes[name]}, id=f"sha256:{name}")

    def info(self) -> dict[str, str]:
        return {"DockerRootDir": "/"}

    def pull(self, repository: str, tag: str) -> None:
        if repository == "refused":
            raise RuntimeError("pull rate limit\nmore words")
        self.sizes[f"{repository}:{tag}"] = 1

    def create_host_config(self, **words: Any) -> Any:
        return words

    def create_container(self, image: str, command: list[str], **words: Any) -> dict[str, str]:
        self.made.append((image, command[-1], words))
        return {"Id": "1"}

    def start(self, name: str) -> None: ...

    def wait(self, name: str, timeout: int) -> dict[str, int]:
        return {"StatusCode": self.code}

    def logs(self, name: str, tail: int) -> bytes:
        return b"chmod: no such directory"

    def commit(self, name: str, repository: str, tag: str, changes: list[str]) -> None:
        self.sizes[f"{repository}:{tag}"] = 1

    def remove_container(self, name: str, force: bool, v: bool) -> None:
        self.made.append("removed")


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Daemon:
    made = Daemon({"here:1": 3_000_000_000, "also:1": 1_000_000_000})
    monkeypatch.setattr(images.containers, "client", lambda: made)
    errors = types.ModuleType("docker.errors")
    errors.NotFound = NotFound  # type: ignore[attr-defined]
    sdk = types.ModuleType("docker")
    sdk.errors = errors  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "docker", sdk)
    monkeypatch.setitem(sys.modules, "docker.errors", errors)
    return made


ROW = parse_row(SWE_BENCH)


def test_the_disk_that_is_wanting_is_counted_by_the_images_that_are_here(daemon: Daemon) -> None:
    rows = [
        replace(ROW, image=name) for name in ("here:1", "also:1", "absent:1", "here:1", "absent:2")
    ]
    found = preflight(rows)
    assert (
        found.present == ("here:1", "also:1")
        and found.missing == ("absent:1", "absent:2")
        and not found.ready
    )
    assert found.held == 4_000_000_000 and found.needed == 2 * 2_000_000_000 and found.free > 0
    assert "2 images are here (4.0 GB)" in str(
        found
    ) and "2 are not, and need about 4.0 GB of" in str(found)


def test_without_any_image_the_fields_own_figure_stands_in(daemon: Daemon) -> None:
    found = preflight([replace(ROW, image="absent:1")])
    assert found.needed == IMAGE_BYTES and found.held == 0 and not found.ready


def test_a_row_is_ready_with_its_image_and_its_parser(daemon: Daemon) -> None:
    assert preflight([replace(ROW, image="here:1")]).ready and preflight([]).ready
    found = preflight([replace(ROW, image="here:1", parser="maven")])
    assert (
        not found.ready
        and found.parsers == ("maven",)
        and "no parser for the logs of maven" in str(found)
    )


def test_room_that_cannot_be_seen_is_said_to_be_unknown() -> None:
    assert "an unknown amount free: x, ..." in str(Preflight((), ("x",), 0, 1, -1, ()))


def test_an_image_is_prepared_once_and_takes_no_network(daemon: Daemon) -> None:
    name = prepared_image("here:1", "/test bed")
    assert prepared_image("here:1", "/test bed") == name and len(daemon.made) == 2
    image, command, words = daemon.made[0]
    assert image == "here:1" and "chmod -R a+rwX '/test bed'" in command
    assert (
        words["host_config"]["network_mode"] == "none"
        and words["labels"]
        and daemon.made[1] == "removed"
    )
    assert prepared_image("also:1", "/test bed") != name != prepared_image("here:1", "/elsewhere")


def test_an_image_that_is_missing_or_cannot_be_opened_is_an_error_of_the_machine(
    daemon: Daemon,
) -> None:
    with pytest.raises(SandboxError, match="absent:1 is not here: pull or load it"):
        prepared_image("absent:1", "/testbed")
    daemon.code = 1
    with pytest.raises(
        SandboxError, match="could not be opened to others: chmod: no such directory"
    ):
        prepared_image("here:1", "/testbed")
    assert daemon.made[-1] == "removed", "whatever came of it"


def test_what_is_here_is_not_pulled_and_what_is_not_is(daemon: Daemon) -> None:
    fetch("here:1")
    fetch("new")
    fetch("registry:5000/some/new")
    assert {"new:latest", "registry:5000/some/new:latest"} <= daemon.sizes.keys()
    with pytest.raises(
        SandboxError, match=r"refused:1 is not here and cannot be pulled \(pull rate limit\)"
    ):
        fetch("refused:1")
