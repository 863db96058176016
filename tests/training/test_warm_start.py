"""What is imitated and what is not, and that imitation works."""

from __future__ import annotations

import numpy as np
import pytest

from turnwise.agents.prompt import prompt
from turnwise.agents.scripted import Demonstrator
from turnwise.envs.registration import make
from turnwise.errors import TaskError
from turnwise.records import Trajectory, rows
from turnwise.training.config import Optimiser, Tiny, WarmStart
from turnwise.training.learner import Learner
from turnwise.training.model import texts_of
from turnwise.training.tiny import tiny_model, tiny_tokenizer
from turnwise.training.warm_start import demonstrations, supervised_rows, turn_likelihood, warm_start

SETTINGS = Tiny(vocab=420, hidden=32, layers=1, heads=2, head_dim=16, intermediate=64, lowercase=True)


@pytest.fixture(scope="module")
def shown() -> tuple[object, list[Trajectory]]:
    env = make("webshop", products=120, style="compact", reward="fixed")
    told = prompt("webshop/act@1")
    tokenizer = tiny_tokenizer(texts_of(env.spawn, told, env.tasks("train")[:20], "train", 5), SETTINGS)
    return tokenizer, demonstrations(env.spawn, Demonstrator(tokenizer, told, noise=0.3), env.tasks("train"), 24, "train", 6)


def test_demonstrations_go_round_the_tasks(shown: tuple[object, list[Trajectory]]) -> None:
    _, trajectories = shown
    assert len(trajectories) == 24 and len({t.task for t in trajectories}) == 24
    with pytest.raises(TaskError, match="no tasks"):
        demonstrations(lambda: make("webshop"), Demonstrator(shown[0], prompt("webshop/act@1")), [], 4, "train", 5)  # type: ignore[arg-type,return-value]


def test_random_acts_are_not_imitated(shown: tuple[object, list[Trajectory]]) -> None:
    _, trajectories = shown
    assert any("noise" in turn.tags for t in trajectories for turn in t.turns)
    for trajectory, several in zip(trajectories, supervised_rows(trajectories), strict=True):
        (made,), (plain,) = several, rows(trajectory)
        noisy = np.array(["noise" in turn.tags for turn in trajectory.turns])
        assert np.array_equal(made.mask, plain.mask & ~noisy[plain.turn])
        assert set(made.streams["weight"][made.mask]) == {1.0}


def test_observations_have_their_weight(shown: tuple[object, list[Trajectory]]) -> None:
    _, trajectories = shown
    (made,), (plain,) = supervised_rows(trajectories[:1], 0.3)[0], rows(trajectories[0])
    assert set(made.streams["weight"][~plain.mask][1:]) == {0.3}
    assert not made.mask[0]


def test_the_loss_falls_and_the_same_seed_repeats_it(shown: tuple[object, list[Trajectory]]) -> None:
    tokenizer, trajectories = shown
    settings = WarmStart(
        episodes=24, epochs=3, batch=4, observation_weight=0.3, optimiser=Optimiser(name="muon", lr=5e-3, schedule="linear")
    )
    results = []
    for _ in range(2):
        learner = Learner(tiny_model(SETTINGS, tokenizer), settings.optimiser)
        before = turn_likelihood(learner, trajectories)
        facts = warm_start(learner, trajectories, settings)
        after = turn_likelihood(learner, trajectories)
        results.append((facts["curve"], after))
        assert facts["steps"] == 18 and facts["curve"][-1][1] < 0.85 * facts["curve"][0][1]
        assert after["nats"] < before["nats"] and after["turn"] > before["turn"]
    assert results[0] == results[1]


def test_a_fraction_of_an_epoch(shown: tuple[object, list[Trajectory]]) -> None:
    tokenizer, trajectories = shown
    learner = Learner(tiny_model(SETTINGS, tokenizer))
    assert warm_start(learner, trajectories, WarmStart(episodes=24, epochs=0.5, batch=8))["steps"] == 2
