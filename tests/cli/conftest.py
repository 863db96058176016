"""The command line in this process, and a tiny model for it to load."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner


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
