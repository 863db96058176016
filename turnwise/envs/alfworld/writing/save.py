"""Writing a game in the official layout, so that the original engine loads it and anyone's ALFWorld
code finds it.

    <directory>/<task type>-<Object>-None-<Receptacle>-<scene>/trial_T<...>/{game.tw-pddl,
    initial_state.pddl, traj_data.json}

Nothing of the official packages is needed for it, and nothing of theirs is in it: domain, grammar
and problem are this package's own formulation of the same game.
"""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

from turnwise.envs.alfworld.expert import expert_plan
from turnwise.envs.alfworld.game import Game
from turnwise.envs.alfworld.goals import LOOK
from turnwise.envs.alfworld.writing.domain import domain
from turnwise.envs.alfworld.writing.grammar import grammar
from turnwise.envs.alfworld.writing.problem import problem
from turnwise.envs.alfworld.writing.spelling import spelled
from turnwise.errors import DataError

SCENES = 1000
"""Made-up numbers of scenes are below it; official ones are 1 to 430."""


def content(game: Game) -> dict[str, Any]:
    """What the `game.tw-pddl` of a game says: `pddl_domain`, `grammar`, `pddl_problem`,
    `walkthrough`, `solvable`.

    The walkthrough is the expert's plan; `solvable` is None, which is not playable officially,
    where the expert has none.

    Raises:
        DataError: for a game that would not read back as the same one.
    """
    plan = expert_plan(game, game.start)
    written = {
        "pddl_domain": domain(game.wording.help is not None),
        "grammar": grammar(game.task, game.wording),
        "pddl_problem": problem(game, "plan_" + trial(game)),
        "walkthrough": plan,
        "solvable": True if plan is not None else None,
    }
    if Game.of(written).digest != game.digest:
        raise DataError(
            f"the game {game.task!r} cannot be written: its names are not types and numbers as official ones are"
        )
    return written


def trial(game: Game) -> str:
    """The name of the directory of a game: always the same for the same game."""
    return f"trial_T{game.digest[:16]}"


def trajectory(game: Game) -> dict[str, Any]:
    """What `traj_data.json` says: the parameters of the task, the scene, and the task as its only
    annotation.
    """
    wanted, target = (
        spelled(kind.removesuffix("type")) for kind in (game.goal.object_type, game.goal.place_type)
    )
    look, scene = game.goal.kind == LOOK, int(game.digest, 16) % SCENES
    return {
        "task_id": trial(game),
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


def save(game: Game, directory: str | PathLike[str]) -> Path:
    """Write a game below `directory`; returns the path of its `game.tw-pddl`. The same game goes to
    the same place.

    Raises:
        DataError: for a game that would not read back as the same one, or where the files cannot be
            written.
    """
    said, written = trajectory(game), content(game)
    parameters = said["pddl_params"]
    target = parameters["parent_target"] or parameters["toggle_target"]
    task = (
        f"{game.goal.kind}-{parameters['object_target']}-None-{target}-{said['scene']['scene_num']}"
    )
    folder = Path(directory) / task / trial(game)
    files = {
        "traj_data.json": json.dumps(said, indent=1),
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
