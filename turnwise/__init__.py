"""Environments for language agents that act over many turns, and algorithms that train them.

    import turnwise

    env = turnwise.make("webshop")                                # an environment
    observation, info = env.reset(seed=0)
    score, episodes = turnwise.evaluate("webshop", "expert", tasks=100)
    folder = turnwise.train("quickstart")                         # an experiment

Importing it registers the environments with Gymnasium (`gymnasium.make("turnwise/WebShop-v0")`)
and loads nothing heavy: every other name is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from turnwise.envs.base import Outcome, TurnEnv
from turnwise.envs.registry import EnvSpec, make, register, register_built_in

if TYPE_CHECKING:
    from turnwise.algorithms import recipe
    from turnwise.evaluation.api import evaluate, rollout
    from turnwise.training.api import train

    __version__: str

__all__ = [
    "EnvSpec", "Outcome", "TurnEnv", "__version__", "evaluate", "make", "recipe", "register",
    "rollout", "train",
]  # fmt: skip

_MODULES = {
    "evaluate": "turnwise.evaluation.api",
    "recipe": "turnwise.algorithms",
    "rollout": "turnwise.evaluation.api",
    "train": "turnwise.training.api",
}

register_built_in()


def __getattr__(name: str) -> Any:
    """Import a name on first use."""
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            value: Any = version("turnwise")
        except PackageNotFoundError:
            value = "0+source"
    elif name in _MODULES:
        value = getattr(importlib.import_module(_MODULES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
