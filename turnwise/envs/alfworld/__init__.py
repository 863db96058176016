"""ALFWorld: household tasks in text, played by a native engine that reads the official game files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnwise.envs.alfworld.env import ALFWorldEnv
    from turnwise.envs.alfworld.game import Game
    from turnwise.envs.alfworld.houses import generate

__all__ = ["ALFWorldEnv", "Game", "generate"]
_HOME = {"ALFWorldEnv": "env", "Game": "game", "generate": "houses"}


def __getattr__(name: str) -> Any:
    """Import on first use, as the other environments do."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
