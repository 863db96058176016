"""ALFWorld from the command line: a table by type of task, and one sentence where the data is not
there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from turnwise.envs.alfworld.goals import TASK_TYPES

Run = Callable[..., Any]


def test_the_command_line_plays_the_expert_by_type(turnwise: Run) -> None:
    done = turnwise(
        "eval",
        "alfworld",
        "--agent",
        "expert",
        "--split",
        "valid_unseen",
        "--tasks",
        "12",
        "-e",
        "difficulty=easy",
    )
    assert done.exit_code == 0, done.stderr
    for kind in TASK_TYPES:
        assert f" {kind} " in done.stdout
    assert "task_type" in done.stdout
    done = turnwise("eval", "alfworld", "-e", "data=/nonexistent", "--split", "valid_seen")
    assert done.exit_code == 2
    assert (
        done.stderr.startswith("error: there is no directory /nonexistent: ")
        and done.stderr.count("\n") == 1
    )
