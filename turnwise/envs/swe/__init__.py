"""SWE: repair a repository in a sandbox until its tests pass.

The tests that were failing have to pass, and the others still do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnwise.envs.swe.env import SweEnv
    from turnwise.envs.swe.tasks.repository import Repository, open_source
    from turnwise.envs.swe.tasks.task import Mutation, SweTask, read_tasks, write_tasks
    from turnwise.envs.swe.tasks.trees import Trees

__all__ = [
    "Mutation",
    "Repository",
    "SweEnv",
    "SweTask",
    "Trees",
    "open_source",
    "read_tasks",
    "write_tasks",
]
_HOME = {
    "Mutation": "tasks.task",
    "Repository": "tasks.repository",
    "SweEnv": "env",
    "SweTask": "tasks.task",
    "Trees": "tasks.trees",
    "open_source": "tasks.repository",
    "read_tasks": "tasks.task",
    "write_tasks": "tasks.task",
}


def __getattr__(name: str) -> Any:
    """Import on first use, so that registering the environment stays light."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
