"""WebShop: search a shop for the product an instruction describes, configure it and buy it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnwise.envs.webshop.catalogue import Catalogue
    from turnwise.envs.webshop.env import WebShopEnv
    from turnwise.envs.webshop.goals import Goal

__all__ = ["Catalogue", "Goal", "WebShopEnv"]
_MODULES = {"Catalogue": "catalogue", "Goal": "goals", "WebShopEnv": "env"}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that registering the environment stays light."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
