"""The probe takes the best backend that runs and logs once what it does not protect."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from turnwise.sandbox import open_sandbox, probe
from turnwise.sandbox.contract import SandboxCapabilities, SandboxError, Spec

ALL = SandboxCapabilities(True, True, True, True, True, True)


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, SandboxCapabilities | str]]:
    """Results of the trials, with nothing announced yet."""
    found: dict[str, SandboxCapabilities | str] = {
        name: f"{name} is absent" for name in probe.BACKENDS
    }
    monkeypatch.setattr(probe, "_tried", found)
    monkeypatch.setattr(probe, "_announced", set())
    yield found


def test_the_best_backend_that_runs_is_chosen(tried: dict[str, SandboxCapabilities | str]) -> None:
    assert probe.BACKENDS == ("jail", "bubblewrap", "landlock", "docker")
    for name in reversed(probe.BACKENDS):
        tried[name] = ALL
        assert probe.choose(Spec()) == name


def test_an_image_needs_docker(tried: dict[str, SandboxCapabilities | str]) -> None:
    tried["jail"] = tried["docker"] = ALL
    assert probe.choose(Spec(image="python:3.12")) == "docker"
    tried["docker"] = "no daemon"
    with pytest.raises(SandboxError, match="no daemon"):
        probe.choose(Spec(image="python:3.12"), allow_unsafe=True)


def test_without_a_backend_the_error_lists_every_reason(
    tried: dict[str, SandboxCapabilities | str],
) -> None:
    with pytest.raises(SandboxError) as refused:
        probe.choose(Spec())
    for name in probe.BACKENDS:
        assert f"{name} is absent" in str(refused.value)
    assert "allow_unsafe" in str(refused.value)


def test_unsafe_is_chosen_only_when_allowed(
    tried: dict[str, SandboxCapabilities | str], caplog: pytest.LogCaptureFixture
) -> None:
    tried["unsafe"] = SandboxCapabilities(False, False, False, True, False, False)
    assert probe.choose(Spec(), allow_unsafe=True) == "unsafe"
    assert (
        "files of this machine can be read" in caplog.text
        and "the network can be reached" in caplog.text
    )
    tried["landlock"] = ALL
    assert probe.choose(Spec(), allow_unsafe=True) == "landlock"


def test_the_choice_is_logged_once(
    tried: dict[str, SandboxCapabilities | str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    tried["landlock"] = SandboxCapabilities(True, True, False, True, False, False)
    for _ in range(3):
        probe.choose(Spec())
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1 and said[0].startswith("sandbox: landlock")
    for field in ("processes", "disk_quota", "fork"):
        assert probe.MISSING[field] in said[0]
    assert probe.MISSING["filesystem"] not in said[0]


def test_every_capability_has_words() -> None:
    assert set(probe.MISSING) <= set(SandboxCapabilities.__slots__) and len(probe.MISSING) >= 6


def test_a_backend_that_cannot_run_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    from turnwise.sandbox import bubblewrap, landlock

    bubblewrap.reason.cache_clear()
    monkeypatch.setenv("PATH", "/nowhere")
    try:
        with pytest.raises(SandboxError, match="bwrap is not installed"):
            open_sandbox(backend="bubblewrap")
    finally:
        bubblewrap.reason.cache_clear()
    monkeypatch.setattr(landlock.landlock, "version", lambda: 1)
    with pytest.raises(SandboxError, match=r"ABI 1.*ABI 3"):
        open_sandbox(backend="landlock")
    monkeypatch.setattr(landlock.landlock, "version", lambda: 0)
    with pytest.raises(SandboxError, match="absent"):
        open_sandbox(backend="landlock")


def test_docker_without_a_daemon_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    pytest.importorskip("docker")
    program = "from turnwise.sandbox import open_sandbox\nopen_sandbox(backend='docker')"
    environment = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (
        "SandboxError: the docker backend cannot run here: no Docker daemon answers" in done.stderr
    )


def test_an_unknown_backend_is_named() -> None:
    with pytest.raises(SandboxError, match="chroot"):
        probe.opener("chroot")


def test_unsafe_still_drops_root_and_hides_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "x")
    with open_sandbox(backend="unsafe") as box:
        said = (
            box.session()
            .run("import os; print(os.geteuid(), 'HF_TOKEN' in os.environ)")
            .stdout.split()
        )
        assert said[0] != "0" and said[1] == "False"
        assert box.run(["python3", "-c", "import os; os.setuid(0)"]).exit_code != 0
        assert box.capabilities.filesystem is False
