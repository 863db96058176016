"""The command line in this process, and a tiny model for it to load."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium
import pytest
from typer.testing import CliRunner

from turnwise.envs import registry


@pytest.fixture
def turnwise(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that runs a command; `input` is piped in."""
    from turnwise.cli.app import commands

    monkeypatch.setenv("COLUMNS", "200")
    runner = CliRunner()
    return lambda *arguments, input=None: runner.invoke(
        commands, [str(a) for a in arguments], input=input
    )


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a model of a few thousand random weights and its tokenizer; return the directory."""
    pytest.importorskip("transformers")
    from turnwise.training.config import Tiny
    from turnwise.training.model import save_tiny

    settings = Tiny(
        vocab=400,
        hidden=32,
        layers=1,
        heads=2,
        kv_heads=1,
        head_dim=16,
        intermediate=32,
        context=1024,
    )
    texts = [
        "search[red shoes] click[buy now] Back to Search [SEP] Page 1 (Total results: 50)"
    ] * 20
    return save_tiny(tmp_path_factory.mktemp("tiny"), texts, settings)


@pytest.fixture
def clean_registries(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget what a test registers."""
    registry.register_built_in()
    monkeypatch.setattr(registry, "_specs", dict(registry._specs))
    monkeypatch.setattr(registry, "_unloadable", {})
    monkeypatch.setattr(registry, "_unloadable_prompts", {})
    monkeypatch.setattr(registry, "_loaded", set())
    known = dict(gymnasium.registry)
    yield
    gymnasium.registry.clear()
    gymnasium.registry.update(known)


@pytest.fixture
def announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Install a distribution with these entry points."""

    def announce(entry_points: str) -> None:
        info = tmp_path / "own_things-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-things\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entry_points)
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()

    return announce
