"""What a recipe asks for beside the current log-probabilities reaches it, by row and by turn."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.made_training import qwen
from turnwise.algorithms import recipe
from turnwise.errors import ConfigError
from turnwise.records import Group, Trajectory, Turn, rows
from turnwise.training.config import Optimiser
from turnwise.training.learner import Learner
from turnwise.training.precomputed import by_turn, precomputed_streams, with_reference


def turn(prompt: tuple[int, ...], completion: tuple[int, ...]) -> Turn:
    return Turn(
        agent="policy", prompt_ids=prompt, completion_ids=completion,
        logprobs=(-1.0,) * len(completion), entropies=None,
        observation="", completion="", action="", valid=True, rewards={"env": 1.0}, state="",
        next_state="",
    )  # fmt: skip


def episode(uid: str, error: str | None = None) -> Trajectory:
    """Two turns that share a row, one that begins another, and one without tokens."""
    turns = (
        turn((1, 2), (3, 4)),
        turn((1, 2, 3, 4, 5), (6,)),
        turn((9, 8), (7, 6, 5)),
        turn((1,), ()),
    )
    return Trajectory(
        task=0, group="g", uid=uid, turns=turns, success=True, score=1.0, stop_reason="terminated",
        error=error,
    )  # fmt: skip


def requiring(*requirements: str) -> Any:
    """A stand-in for a recipe with these requirements."""
    return SimpleNamespace(name="requiring", requirements=frozenset(requirements))


def test_the_mean_return_of_a_task_is_what_was_known_before() -> None:
    learner = Learner(qwen())
    groups = [Group(0, "g", (episode("a"), episode("b", error="broken")))]
    known: Any = precomputed_streams(
        requiring("precomputed:task_mean"), learner, groups, {0: (3.0, 0.25)}
    )  # type: ignore[arg-type]
    assert [list(values) for values in known["a"]["task_mean"]] == [
        [0.25] * 2,
        [0.25],
        [0.25] * 3,
        [],
    ]
    new: Any = precomputed_streams(requiring("precomputed:task_mean"), learner, groups, {})
    assert np.isnan(new["a"]["task_mean"][0]).all() and new.keys() == {"a"}


def test_log_probabilities_by_turn_are_those_of_each_turn_alone() -> None:
    model = qwen()
    learner = Learner(model)
    groups = [Group(0, "g", (episode("a"), episode("b", error="broken")))]
    given: Any = precomputed_streams(requiring("precomputed:old_logp", "measure"), learner, groups)
    assert given.keys() == {"a"} and given["a"].keys() == {"old_logp"}
    found = given["a"]["old_logp"]
    assert [len(values) for values in found] == [2, 1, 3, 0]
    for values, each in zip(found, episode("a").turns[:3], strict=False):
        ids = torch.tensor([each.prompt_ids + each.completion_ids])
        every = torch.log_softmax(model(input_ids=ids).logits[0, :-1], -1)
        wanted = every.gather(1, ids[0, 1:, None])[-len(each.completion_ids) :, 0]
        assert np.allclose(values, wanted.detach().numpy(), atol=1e-5)


def test_nothing_is_computed_that_no_recipe_requires() -> None:
    learner = Learner(qwen())
    assert precomputed_streams(recipe("grpo"), learner, []) is None
    batch = rows(episode("a"))
    assert with_reference(recipe("grpo"), learner, batch) == batch


def test_the_reference_reaches_the_rows() -> None:
    learner = Learner(qwen(), Optimiser(lr=0.05), reference=True)
    batch = [
        replace(r, streams={**r.streams, "advantage": 1.0 * r.mask, "weight": r.mask / 6})
        for r in rows(episode("a"))
    ]
    wanted, _ = learner.logprobs(batch)
    asks = recipe("grpo", kl=0.1)
    assert learner.update(with_reference(asks, learner, batch), asks)["kl_ref"] == pytest.approx(
        0.0, abs=1e-6
    )
    again = with_reference(asks, learner, batch)
    assert all(
        np.allclose(r.streams["ref_logp"], values, atol=1e-6)
        for r, values in zip(again, wanted, strict=True)
    )
    assert learner.update(again, asks)["kl_ref"] > 1e-4


def test_a_critic_is_refused_before_anything_is_computed() -> None:
    with pytest.raises(ConfigError, match="critic"):
        precomputed_streams(requiring("precomputed:value"), Learner(qwen()), [])


def test_by_turn_joins_rows_of_a_trajectory() -> None:
    batch = rows(episode("a"))
    assert len(batch) == 2
    found = by_turn(batch, [np.arange(len(r.ids), dtype=np.float64) for r in batch])
    assert {k: v.tolist() for k, v in found["a"].items()} == {
        0: [2.0, 3.0],
        1: [5.0],
        2: [2.0, 3.0, 4.0],
    }


def test_an_episode_without_tokens_is_known_and_empty() -> None:
    """A scripted agent, or an episode that ended before its first reply."""
    silent = replace(episode("s"), turns=(turn((1,), ()),))
    given: Any = precomputed_streams(
        requiring("precomputed:old_logp"), Learner(qwen()), [Group(0, "g", (silent, episode("a")))]
    )  # type: ignore[arg-type]
    assert given["s"] == {} and len(given["a"]["old_logp"]) == 4


def test_the_reference_and_the_old_policy_differ() -> None:
    learner = Learner(qwen(), Optimiser(lr=0.05), reference=True)
    groups = [Group(0, "g", (episode("a"),))]
    batch = [
        replace(r, streams={**r.streams, "advantage": 1.0 * r.mask, "weight": r.mask / 6})
        for r in rows(episode("a"))
    ]
    wants: Any = requiring("precomputed:old_logp", "precomputed:ref_logp")
    same: Any = precomputed_streams(wants, learner, groups)
    assert all(
        np.allclose(a, b) for a, b in zip(same["a"]["old_logp"], same["a"]["ref_logp"], strict=True)
    )
    learner.update(batch, recipe("grpo"))
    now: Any = precomputed_streams(wants, learner, groups)
    assert all(
        np.allclose(a, b) for a, b in zip(same["a"]["ref_logp"], now["a"]["ref_logp"], strict=True)
    )
    assert not np.allclose(now["a"]["old_logp"][0], now["a"]["ref_logp"][0], atol=1e-4)


def test_a_reference_that_was_not_kept_is_an_error() -> None:
    batch = rows(episode("a"))
    with pytest.raises(ConfigError, match="has no reference model"):
        with_reference(recipe("grpo", kl=0.1), Learner(qwen()), batch)
