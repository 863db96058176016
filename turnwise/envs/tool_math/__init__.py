"""Tool-integrated math: problems with exact answers, solved by writing and running Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnwise.envs.tool_math.datasets import load_problems
    from turnwise.envs.tool_math.env import ToolMathEnv
    from turnwise.envs.tool_math.grading import Grade, grade, graded
    from turnwise.envs.tool_math.problems import Problem, generate

__all__ = ["Grade", "Problem", "ToolMathEnv", "generate", "grade", "graded", "load_problems"]
_MODULES = {
    "Grade": "grading",
    "Problem": "problems",
    "ToolMathEnv": "env",
    "generate": "problems",
    "grade": "grading",
    "graded": "grading",
    "load_problems": "datasets",
}


def __getattr__(name: str) -> Any:
    """Import an exported name on first use, so that importing the package stays light."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
