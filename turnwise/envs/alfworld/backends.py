"""Two engines for the same games: `native`, this package's own, and `textworld`, the original,
which must be installed.
"""

from __future__ import annotations

import inspect
from typing import Any

from turnwise.envs.alfworld.env import ALFWorldEnv
from turnwise.errors import unknown

BACKENDS = ("native", "textworld")


def alfworld(*, backend: str = "native", **settings: Any) -> ALFWorldEnv:
    """ALFWorld played by an engine: what `turnwise/ALFWorld-v0` makes.

    Args:
        backend: `native` or `textworld`; both show the same.
        settings: those of `ALFWorldEnv`.

    Raises:
        ConfigError: for an unknown backend, or one that is not installed.
    """
    if backend not in BACKENDS:
        raise unknown("backend", backend, BACKENDS, "ALFWorld")
    if backend == "textworld":
        from turnwise.envs.alfworld.real import RealALFWorldEnv

        return RealALFWorldEnv(**settings)
    return ALFWorldEnv(**settings)


_OWN = inspect.signature(ALFWorldEnv).parameters
_BACKEND = inspect.signature(alfworld).parameters["backend"]
# So that settings are checked by name and type before anything is made.
alfworld.__signature__ = inspect.Signature([*_OWN.values(), _BACKEND])  # type: ignore[attr-defined]
