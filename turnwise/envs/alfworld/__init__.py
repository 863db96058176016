"""ALFWorld: household tasks in text, played by a native engine that reads official game files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnwise.envs.alfworld.env import ALFWorldEnv
    from turnwise.envs.alfworld.game import Game
    from turnwise.envs.alfworld.houses import generate

__all__ = ["ALFWorldEnv", "Game", "generate"]
_MODULES = {"ALFWorldEnv": "env", "Game": "game", "generate": "houses"}


def __getattr__(name: str) -> Any:
    """Import an exported name on first use, so that importing the package stays light."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
