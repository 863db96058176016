"""Entry point of `turnwise/ALFWorld-v0`, with a choice between two engines for the same games.

`native` is this package's own; `textworld` is the original, which must be installed.
"""

from __future__ import annotations

import inspect
from typing import Any

from turnwise.envs.alfworld.env import ALFWorldEnv
from turnwise.errors import unknown

BACKENDS = ("native", "textworld")


def alfworld(*, backend: str = "native", **settings: Any) -> ALFWorldEnv:
    """Make an ALFWorld environment.

    Args:
        backend: `native` or `textworld`; transcripts are the same.
        settings: passed to `ALFWorldEnv`.

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
# The registry checks settings by name and type against this signature.
alfworld.__signature__ = inspect.Signature([*_OWN.values(), _BACKEND])  # type: ignore[attr-defined]
