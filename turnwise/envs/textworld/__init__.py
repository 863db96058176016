"""TextWorld: generated text adventures, played by the original engine (extra `[alfworld]`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnwise.envs.textworld.env import TextWorldEnv
    from turnwise.envs.textworld.settings import PRESETS, GameSettings

__all__ = ["PRESETS", "GameSettings", "TextWorldEnv"]
_MODULES = {"PRESETS": "settings", "GameSettings": "settings", "TextWorldEnv": "env"}


def __getattr__(name: str) -> Any:
    """Import an exported name on first use, so that importing the package stays light."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
