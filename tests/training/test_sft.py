"""What is imitated and what is not, and that imitation works."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.made_training import qwen
from tests.training.test_precomputed import turn
from turnwise.agents.scripted import Demonstrator
from turnwise.envs.registry import make, make_prompt
from turnwise.errors import ConfigError, TaskError
from turnwise.records import Row, Trajectory, rows
from turnwise.training.config import Optimiser, Tiny, WarmStart
from turnwise.training.learner import Learner
from turnwise.training.model import texts_of, tiny_model, tiny_tokenizer
from turnwise.training.sft import (
    SftProgress,
    _curve,
    _normalised,
    demonstrations,
    supervised_rows,
    turn_likelihood,
    warm_start,
)

SETTINGS = Tiny(
    vocab=420, hidden=32, layers=1, heads=2, head_dim=16, intermediate=64, lowercase=True
)


@pytest.fixture(scope="module")
def shown() -> tuple[object, list[Trajectory]]:
    env = make("webshop", products=120, style="compact", reward="fixed")
    prompt = make_prompt("webshop/act@1")
    tokenizer = tiny_tokenizer(
        texts_of(env.spawn, prompt, env.tasks("train")[:20], "train", 5), SETTINGS
    )
    return tokenizer, demonstrations(
        env.spawn, Demonstrator(tokenizer, prompt, noise=0.3), env.tasks("train"), 24, "train", 6
    )


def test_demonstrations_go_round_the_tasks(shown: tuple[object, list[Trajectory]]) -> None:
    _, trajectories = shown
    assert len(trajectories) == 24 and len({t.task for t in trajectories}) == 24
    with pytest.raises(TaskError, match="no tasks"):
        demonstrations(
            lambda: make("webshop"),
            Demonstrator(shown[0], make_prompt("webshop/act@1")),
            [],
            4,
            "train",
            5,
        )  # type: ignore[arg-type,return-value]


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


def test_the_loss_falls_and_the_same_seed_repeats_it(
    shown: tuple[object, list[Trajectory]],
) -> None:
    tokenizer, trajectories = shown
    settings = WarmStart(
        episodes=24,
        epochs=3,
        batch=4,
        observation_weight=0.3,
        optimiser=Optimiser(name="muon", lr=5e-3, schedule="linear"),
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
    assert (
        warm_start(learner, trajectories, WarmStart(episodes=24, epochs=0.5, batch=8))["steps"] == 2
    )


def test_a_seed_repeats_its_demonstrations_and_goes_round_the_tasks_evenly(
    shown: tuple[object, list[Trajectory]],
) -> None:
    env = make("webshop", products=120, style="compact", reward="fixed")
    prompt = make_prompt("webshop/act@1")

    def played(seed: int) -> list[Trajectory]:
        return demonstrations(
            env.spawn, Demonstrator(shown[0], prompt), env.tasks("train")[:3], 8, "train", 6, seed
        )

    one, again, other = played(1), played(1), played(2)
    assert [t.task for t in one] == [t.task for t in again] != [t.task for t in other]
    assert [[turn.completion_ids for turn in t.turns] for t in one] == [
        [turn.completion_ids for turn in t.turns] for t in again
    ]
    assert sorted(Counter(t.task for t in one).values()) == [2, 3, 3]
    assert len({t.uid for t in one}) == 8, (
        "rows of two demonstrations of a task must not be taken for one trajectory's"
    )


def test_an_environment_that_always_fails_is_an_error(
    shown: tuple[object, list[Trajectory]],
) -> None:
    def broken() -> object:
        raise RuntimeError("the catalogue is locked")

    with pytest.raises(
        TaskError,
        match=r"no demonstration could be played on split 'train': .*the catalogue is locked",
    ):
        demonstrations(
            broken, Demonstrator(shown[0], make_prompt("webshop/act@1")), [1, 2], 2, "train", 3
        )  # type: ignore[arg-type]


def acts(*tags: str, own: bool = True) -> Trajectory:
    """A trajectory of turns of two tokens each, one for each word of `tags`; append-only unless not
    `own`.
    """
    turns, prompt_ids = [], (9, 8)
    for k, tag in enumerate(tags):
        made = turn(prompt_ids, (k + 1, k + 2))
        turns.append(replace(made, tags=(tag,) if tag else ()))
        prompt_ids = (*prompt_ids, k + 1, k + 2, 7) if own else (6, k)
    return Trajectory(
        task=0, group="g", uid="".join(tags) or "plain", turns=tuple(turns), success=True,
        score=1.0, stop_reason="terminated",
    )  # fmt: skip


def test_noise_in_the_middle_is_read_and_not_imitated() -> None:
    (made,) = supervised_rows([acts("", "noise", "")])[0]
    (plain,) = rows(acts("", "noise", ""))
    assert made.ids.tolist() == plain.ids.tolist(), (
        "what a random act led to is still what the model reads"
    )
    assert made.ids[made.mask].tolist() == [1, 2, 3, 4]
    assert made.streams["weight"].sum() == 4.0


def test_observations_weigh_something_but_random_acts_still_nothing() -> None:
    (made,) = supervised_rows([acts("noise", "")], observation_weight=0.25)[0]
    assert made.ids.tolist() == [9, 8, 1, 2, 7, 2, 3]
    assert made.streams["weight"].tolist() == [0.0, 0.25, 0.0, 0.0, 0.25, 1.0, 1.0]


def test_a_trajectory_of_random_acts_alone_is_left_out() -> None:
    assert [
        several[0].trajectory for several in supervised_rows([acts("noise"), acts(""), acts()])
    ] == ["plain"]
    windowed = supervised_rows([acts("", "noise", "", own=False)])[0]
    assert len(windowed) == 2, "a row of nothing but a random act has nothing to train on"


def test_nothing_but_random_acts_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match=r"nothing to imitate: lower warm_start\.noise"):
        warm_start(Learner(qwen()), [acts("noise")], WarmStart(episodes=1, noise=1.0))


def test_a_turn_s_probability_is_the_product_of_its_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = Learner(qwen())
    monkeypatch.setattr(
        learner, "logprobs", lambda data: ([np.where(r.mask, -0.5, 0.0) for r in data], [])
    )
    found = turn_likelihood(learner, [acts("", "noise"), acts("", "")])
    assert found == {"nats": pytest.approx(0.5), "turn": pytest.approx(math.exp(-1.0))}


@given(losses=st.lists(st.floats(0, 10), min_size=1, max_size=700))
def test_the_curve_has_few_points_and_the_losses_mean(losses: list[float]) -> None:
    curve = _curve(losses)
    assert len(curve) <= 120 and curve[-1][0] == len(losses)
    widths = np.diff([0, *(step for step, _ in curve)])
    assert (widths > 0).all()
    assert float(np.dot(widths, [value for _, value in curve])) == pytest.approx(
        sum(losses), abs=1e-6
    )


def test_weights_of_a_step_sum_to_one_whatever_its_demonstrations_hold() -> None:
    several = [
        row for kept in supervised_rows([acts("", ""), acts("noise", "")], 0.3) for row in kept
    ]
    made = _normalised(several)
    assert sum(r.streams["weight"].sum() for r in made) == pytest.approx(1.0)
    assert all((r.streams["weight"] > 0).tolist() == r.mask.tolist() for r in made)


def test_every_demonstration_is_seen_once_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    learner = Learner(qwen())

    def update(batch: list[Row], *rest: object) -> dict[str, float]:
        seen.append([r.trajectory for r in batch])
        return {"policy_loss": 1.0, "tokens": 5.0}

    monkeypatch.setattr(learner, "update", update)
    data = [replace(acts(""), uid=f"t{k}") for k in range(7)]
    progress: list[SftProgress] = []
    facts = warm_start(
        learner, data, WarmStart(episodes=7, batch=3, epochs=2), report=progress.append
    )
    assert [len(batch) for batch in seen] == [3, 3, 1] * 2
    for epoch in (seen[:3], seen[3:]):
        assert sorted(uid for batch in epoch for uid in batch) == sorted(t.uid for t in data)
    assert seen[:3] != seen[3:], "each epoch has its own order"
    assert [(p.step, p.steps, p.tokens) for p in progress] == [(k, 6, 5 * k) for k in range(1, 7)]
    assert facts["tokens"] == 30 and facts["loss"] == 1.0
