"""Write a game in the official layout, which the original engine and other ALFWorld code read.

    <directory>/<task type>-<Object>-None-<Receptacle>-<scene>/trial_T<...>/
        game.tw-pddl  initial_state.pddl  traj_data.json

The official packages are not needed, and nothing of theirs is in the files: domain, grammar and
problem are this package's own formulation of the same game.
"""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

from turnwise.envs.alfworld.compiled import CompiledGame
from turnwise.envs.alfworld.expert import expert_plan
from turnwise.envs.alfworld.goals import LOOK
from turnwise.envs.alfworld.writing.domain import write_domain
from turnwise.envs.alfworld.writing.grammar import write_grammar
from turnwise.envs.alfworld.writing.problem import spelled, write_problem
from turnwise.errors import DataError

MAX_SCENE_NUMBER = 1000
"""Bound of the made-up scene numbers; official ones are 1 to 430."""


def game_content(game: CompiledGame) -> dict[str, Any]:
    """Return the content of a `game.tw-pddl`, under the official keys.

    The walkthrough is the expert's plan. If it finds none, `solvable` is None, which the original
    does not play.

    Raises:
        DataError: for a game that would not read back as the same one.
    """
    plan = expert_plan(game, game.start)
    written = {
        "pddl_domain": write_domain(game.wording.help is not None),
        "grammar": write_grammar(game.task, game.wording),
        "pddl_problem": write_problem(game, "plan_" + trial_name(game)),
        "walkthrough": plan,
        "solvable": True if plan is not None else None,
    }
    if CompiledGame.of(written).digest != game.digest:
        raise DataError(
            f"the game {game.task!r} cannot be written: "
            "its names are not types and numbers as official ones are"
        )
    return written


def trial_name(game: CompiledGame) -> str:
    """Return the directory name of a game, a function of its content."""
    return f"trial_T{game.digest[:16]}"


def trajectory_data(game: CompiledGame) -> dict[str, Any]:
    """Return the content of `traj_data.json`, with the task as its only annotation."""
    wanted, target = (
        spelled(kind.removesuffix("type")) for kind in (game.goal.object_type, game.goal.place_type)
    )
    look, scene = game.goal.kind == LOOK, int(game.digest, 16) % MAX_SCENE_NUMBER
    return {
        "task_id": trial_name(game),
        "task_type": game.goal.kind,
        "pddl_params": {
            "object_target": wanted,
            "parent_target": "" if look else target,
            "toggle_target": target if look else "",
            "mrecep_target": "",
            "object_sliced": False,
        },
        "scene": {"floor_plan": f"FloorPlan{scene}", "scene_num": scene},
        "turk_annotations": {"anns": [{"task_desc": game.task}]},
    }


def save_game(game: CompiledGame, directory: str | PathLike[str]) -> Path:
    """Write a game below `directory` and return the path of its `game.tw-pddl`.

    The same game is always written to the same path.

    Raises:
        DataError: for a game that would not read back as the same one, or if the files cannot be
            written.
    """
    trajectory, written = trajectory_data(game), game_content(game)
    parameters, scene = trajectory["pddl_params"], trajectory["scene"]["scene_num"]
    target = parameters["parent_target"] or parameters["toggle_target"]
    task = f"{game.goal.kind}-{parameters['object_target']}-None-{target}-{scene}"
    folder = Path(directory) / task / trial_name(game)
    files = {
        "traj_data.json": json.dumps(trajectory, indent=1),
        "initial_state.pddl": written["pddl_problem"],
        "game.tw-pddl": json.dumps(written),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf8")
    except OSError as problem:
        raise DataError(
            f"cannot write the ALFWorld game {folder}: {problem.strerror}; give another directory"
        ) from None
    return folder / "game.tw-pddl"
