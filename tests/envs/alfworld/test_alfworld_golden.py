"""Recorded episodes of the original engine are reproduced, and the expert solves official games."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.envs.alfworld.official_games import official_directory, recorded, unpacked
from turnwise.envs.alfworld import ALFWorldEnv, Game

TURNS = 40
"""More than the expert needs."""


@pytest.fixture(scope="module")
def games() -> Iterator[Path]:
    directory = official_directory()
    with (
        tempfile.TemporaryDirectory() as target
    ):  # not tmp_path, which would keep a third of a gigabyte
        yield unpacked(directory, Path(target))


@pytest.mark.slow
def test_recorded_episodes_are_reproduced(games: Path) -> None:
    episodes, steps = recorded(official_directory()), 0
    assert len(episodes) >= 60
    env = ALFWorldEnv([games / episode["game"] for episode in episodes])
    for task, episode in enumerate(episodes):
        observation, info = env.reset(options={"task": task})
        assert (observation, info["admissible"]) == (episode["reset"], episode["admissible"]), (
            episode["game"]
        )
        for turn, step in enumerate(episode["steps"]):
            observation, reward, terminated, _, info = env.step(step["action"])
            played = (observation, info["admissible"], reward, terminated, info["success"])
            wanted = (step["obs"], step["admissible"], step["reward"], step["done"], step["won"])
            assert played == wanted, (
                f"{episode['game']}, turn {turn} ({step['action']}) differs from the original"
            )
            steps += 1
    assert steps >= 1600


def stuck(env: ALFWorldEnv) -> bool:
    """Return whether the held object fits in nothing: some teddy bears and paper towels."""
    game, held = env._game, env._state.held
    return held >= 0 and not any(
        (game.receptacle_types[place], game.object_types[held]) in game.fits
        for place, _ in game.tour
    )


@pytest.mark.slow
def test_the_expert_solves_every_official_game_from_anywhere(games: Path) -> None:
    paths = sorted(games.glob("*/*/*/game.tw-pddl"))
    assert len(paths) >= 3693
    rng, unsolved = random.Random(0), []
    for path in paths:
        env = ALFWorldEnv([Game.load(path)])
        for wandering in (0, rng.randrange(1, 100)):
            _, info = env.reset(options={"task": 0})
            for _ in range(wandering):
                by_verb: dict[str, list[str]] = {}
                for command in info["admissible"]:
                    by_verb.setdefault(command.split()[0], []).append(command)
                *_, info = env.step(rng.choice(by_verb[rng.choice(sorted(by_verb))]))
            for _ in range(TURNS):
                action = env.expert_action()
                if action is None:
                    break
                *_, info = env.step(action)
                assert info["valid"]
            if not info["success"] and not stuck(env):
                unsolved.append((path.parent.name, wandering))
    assert unsolved == []
