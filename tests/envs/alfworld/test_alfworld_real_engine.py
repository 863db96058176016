"""Our engine beside the original one: text, admissible commands, reward and end, to the byte."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

# The full name: a directory of tests is called alfworld too.
pytest.importorskip(
    "alfworld.agents.environment.alfred_tw_env",
    reason='alfworld is not installed: pip install ".[alfworld]"',
)

from tests.envs.alfworld.official_games import official_directory, unpacked
from turnwise.envs.alfworld import ALFWorldEnv, Game, generate
from turnwise.envs.alfworld.game_file import WORDINGS
from turnwise.envs.alfworld.houses import TASK_TYPES
from turnwise.envs.alfworld.real import RealALFWorldEnv
from turnwise.envs.checks import check_turn_env

ROOT = Path(__file__).parents[3]


def play_both(games: Sequence[Game | str | Path], turns: int, memoise: bool = True) -> int:
    """Play games in both engines, at random, then by the expert; return the number of commands."""
    native, real, compared = ALFWorldEnv(games), RealALFWorldEnv(games, memoise=memoise), 0
    for task in range(len(games)):
        rng = random.Random(task)
        shown = native.reset(options={"task": task})
        assert real.reset(options={"task": task}) == shown
        info, done = shown[1], False
        while not done:
            verbs: dict[str, list[str]] = {}
            for command in info["admissible"]:
                verbs.setdefault(command.split()[0], []).append(command)
            drawn = rng.choice([*verbs[rng.choice(sorted(verbs))], "xyzzy"])
            action = drawn if compared % 100 < turns else native.expert_action()
            assert action is not None
            step = native.step(action)
            assert real.step(action) == step, action
            *_, done, _, info = step
            compared += 1
        assert info["success"]
        compared += 100 - compared % 100
    real.close()
    return compared


@pytest.mark.parametrize("release", WORDINGS)
def test_generated_games(release: str) -> None:
    games = [game.reworded(release) for game in generate(3, 11, difficulty="easy")]
    assert play_both(games, turns=6) == 300


@pytest.mark.slow
@pytest.mark.parametrize("kind", TASK_TYPES)
def test_generated_games_of_every_type(kind: str) -> None:
    games = generate(1, 12, kind, "hard") + [
        game.reworded("2.1.1") for game in generate(1, 13, kind)
    ]
    play_both(games, turns=30, memoise=False)


@pytest.mark.slow
def test_official_games(tmp_path: Path) -> None:
    paths = sorted(unpacked(official_directory(), tmp_path).rglob("game.tw-pddl"))
    play_both(random.Random(0).sample(paths, 4), turns=30)


@pytest.mark.slow
def test_the_original_finds_and_wins_what_is_saved(tmp_path: Path) -> None:
    from alfworld.agents.environment import get_environment

    games = generate(6, 14)
    saved = {str(game.save(tmp_path)): game for game in games}
    settings: dict[str, Any] = {
        "dataset": {"data_path": str(tmp_path), "num_train_games": -1},
        "env": {
            "goal_desc_human_anns_prob": 0, "task_types": [1, 2, 3, 4, 5, 6],
            "domain_randomization": False, "expert_type": "handcoded",
        },
        "general": {"training_method": "dqn"},
        "rl": {"training": {"max_nb_steps_per_episode": 50}},
    }  # fmt: skip
    found = get_environment("AlfredTWEnv")(settings, train_eval="train")
    assert sorted(found.game_files) == sorted(saved)
    env = found.init_env(batch_size=1)
    for _ in games:
        _, infos = env.reset()
        for command in json.loads(Path(infos["extra.gamefile"][0]).read_text())["walkthrough"]:
            assert command in infos["admissible_commands"][0]
            _, scores, dones, infos = env.step([command])
        assert infos["won"][0] and dones[0] and scores[0] == 1
    env.close()


@pytest.mark.slow
def test_the_contract_over_the_original() -> None:
    games = generate(2, 15, "pick_and_place_simple", "easy")
    check_turn_env(lambda: RealALFWorldEnv(games, memoise=True), tasks=1, turns=3, resets=10)


@pytest.mark.slow
def test_the_differential_counts_what_it_played(tmp_path: Path) -> None:
    script, figures = ROOT / "benchmarks" / "alfworld_differential.py", tmp_path / "figures.json"
    call = [
        sys.executable,
        str(script),
        "--games",
        "8",
        "--steps",
        "12",
        "--memoise",
        "--json",
        str(figures),
    ]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(figures.read_text())
    assert (
        sum(kind["games"] for kind in found["kinds"].values()) == 8
        and sum(found["verbs"].values()) > 50
    )
    assert not any(kind["differences"] for kind in found["kinds"].values())
