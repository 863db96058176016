"""Rollouts of a step: their metrics, their groups, and the sampler's history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.test_precomputed import turn
from turnwise.agents.agent import Episode
from turnwise.algorithms import recipe
from turnwise.errors import DataError
from turnwise.records import Group, Trajectory
from turnwise.training import rollouts
from turnwise.training.rollouts import (
    collect,
    grouped,
    rollout_metrics,
    turn_entropies,
    update_history,
)


def episode(uid: str, group: str, reward: float, turns: int = 2, **changes: object) -> Trajectory:
    acts = [turn((1,), (2, 3)) for _ in range(turns)]
    acts[-1] = replace(acts[-1], rewards={"env": reward}, entropies=(0.5, 0.7), valid=reward > 0)
    acts[:-1] = [replace(act, rewards={}, entropies=(0.1, 0.3)) for act in acts[:-1]]
    made = Trajectory(
        task=group, group=group, uid=uid, turns=tuple(acts), success=reward == 1, score=reward,
        stop_reason="terminated",
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


PLAYED = [
    episode("a", "g", 1.0), episode("b", "g", 0.0, turns=4, stop_reason="truncated"),
    episode("c", "h", 1.0),
    episode("d", "h", 1.0, error="broke"), episode("e", "h", 1.0),
]  # fmt: skip


def test_the_numbers_of_a_batch() -> None:
    found = rollout_metrics(PLAYED, seconds=2.0)
    assert found["episodes"] == 4 and found["errors"] == 1
    assert found["success"] == found["reward"] == found["score"] == 0.75
    assert found["mixed_groups"] == 0.5 and found["truncated"] == 0.25
    assert found["turns"] == 2.5 and found["turn_tokens"] == 2.0 and found["context_tokens"] == 3.0
    assert found["generated_per_second"] == 10.0
    assert found["invalid"] == pytest.approx(1 / 10)
    assert found["entropy"] == pytest.approx((4 * 0.6 + 6 * 0.2) / 10)


def test_metrics_of_a_batch_in_which_every_episode_errored() -> None:
    found = rollout_metrics([replace(t, error="broke") for t in PLAYED], seconds=1.0)
    assert found["episodes"] == 0 and found["success"] == 0.0 and found["reward_std"] == 0.0


def test_groups_hold_their_trajectories_in_order() -> None:
    assert [(g.uid, [t.uid for t in g.trajectories]) for g in grouped(PLAYED)] == [
        ("g", ["a", "b"]),
        ("h", ["c", "d", "e"]),
    ]


def test_the_history_is_a_running_mean_without_errored_episodes() -> None:
    once = update_history({"g": (2, 0.25)}, grouped(PLAYED))
    assert once == {"g": (4, pytest.approx(0.375)), "h": (2, 1.0)}
    assert update_history({}, grouped(PLAYED[:2]), {"env": 2.0}) == {"g": (2, 1.0)}


@dataclass
class Asks:
    """A sampler that goes on until it has `number` groups with both success and failure, as dynamic
    sampling does.
    """

    mixed_only: bool = True
    asked: list[int] = field(default_factory=list)
    requirements = frozenset[str]()

    def choose(self, tasks: Any, number: int, rng: np.random.Generator, history: Any) -> list[Any]:
        self.asked.append(number)
        return [tasks[int(i)] for i in rng.choice(len(tasks), number, replace=False)]

    def missing(self, groups: Sequence[Group], number: int) -> int:
        return max(0, number - sum(len({t.success for t in g.trajectories}) > 1 for g in groups))


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A context whose episodes succeed by the parity of seed and number, without a model."""

    def played(
        episodes: Sequence[Episode], make_env: Any, agent: Any, **settings: Any
    ) -> list[Trajectory]:
        made = []
        for e in episodes:
            reward = float(e.seed % 2 == 0 and e.uid.endswith("1"))
            made.append(episode(e.uid, e.group, reward, task=e.task, seed=e.seed))
        return made

    monkeypatch.setattr(rollouts, "play", played)
    rollout = SimpleNamespace(
        tasks=3, group_size=2, temperature=0.5, top_p=0.9, split="train", concurrency=1, timeout=1.0
    )
    config = SimpleNamespace(rollout=rollout, run=SimpleNamespace(seed=0))
    agents: list[Any] = []

    def agent(*asked: Any, **more: Any) -> None:
        agents.append((asked, more))

    return SimpleNamespace(config=config, agent=agent, agents=agents, make_env=None, max_turns=3)


def test_a_sampler_is_asked_again_for_what_is_missing(context: Any) -> None:
    asks = Asks()
    groups, seen = collect(context, replace(recipe("grpo"), sampler=asks), range(50), 0, {})
    assert len(asks.asked) > 1 and asks.asked[0] == 3, (
        "the first round happened to be enough: take another seed"
    )
    mixed = [g for g in groups if len({t.success for t in g.trajectories}) > 1]
    assert (
        len(mixed) == 3 and len(groups) == sum(asks.asked) and seen["episodes"] == 2 * len(groups)
    )
    for before, after in zip(asks.asked, asks.asked[1:], strict=False):
        assert after <= before
    uids = [t.uid for g in groups for t in g.trajectories]
    assert len(set(uids)) == len(uids), (
        "rounds of a step must not share uids: credit is handed out by them"
    )


def test_one_agent_plays_all_rounds_of_a_step_with_its_weights_version(context: Any) -> None:
    collect(context, replace(recipe("grpo"), sampler=Asks()), range(50), 7, {})
    assert context.agents == [((0.5, 7, 0.9), {"entropies": False})]


@pytest.mark.parametrize(
    ("name", "recorded"), [("grpo", False), ("empg", True), ("epo", True), ("high_entropy", True)]
)
def test_entropies_are_recorded_only_where_the_recipe_reads_them(
    context: Any, name: str, recorded: bool
) -> None:
    collect(context, recipe(name), range(50), 0, {})
    assert [more for _, more in context.agents] == [{"entropies": recorded}]


def test_without_recorded_entropies_the_metric_is_estimated_from_the_sampled_tokens() -> None:
    turns = [
        replace(act, entropies=None, logprobs=(-0.25 * k, -1.0))
        for k, act in enumerate(PLAYED[1].turns)
    ]
    found = rollout_metrics([replace(PLAYED[1], turns=tuple(turns))], seconds=1.0)
    assert found["entropy"] == pytest.approx((0.25 * (0 + 1 + 2 + 3) + 4) / 8)


def test_a_sampler_that_is_never_content_is_asked_a_bounded_number_of_times(context: Any) -> None:
    asks = Asks()
    asks.missing = lambda groups, number: 2  # type: ignore[method-assign]
    groups, _ = collect(context, replace(recipe("grpo"), sampler=asks), range(50), 0, {})
    assert asks.asked == [3] + [2] * (rollouts.MAX_SAMPLING_ROUNDS - 1) and len(groups) == sum(
        asks.asked
    )


def test_a_step_is_the_same_again_and_another_step_another(context: Any) -> None:
    def tasks(step: int, seed: int = 0) -> list[Any]:
        context.config.run.seed = seed
        found, _ = collect(context, recipe("grpo"), range(1000), step, {})
        return [(g.task, [(t.uid, t.seed) for t in g.trajectories]) for g in found]

    assert tasks(4) == tasks(4)
    assert len({str(tasks(step, seed)) for step in (3, 4, 5) for seed in (0, 1)}) == 6


def test_more_tasks_than_there_are_make_groups_of_their_own(context: Any) -> None:
    groups, _ = collect(context, recipe("grpo"), ["only"], 0, {})
    assert [g.task for g in groups] == ["only"] * 3 and len({g.uid for g in groups}) == 3


@settings(deadline=None)
@given(
    rewards=st.lists(st.lists(st.tuples(st.floats(-5, 5), st.booleans()), max_size=6), max_size=5),
    start=st.tuples(st.integers(0, 9), st.floats(-1, 1)),
)
def test_the_history_is_the_mean_of_all_its_rewards(
    rewards: list[list[tuple[float, bool]]], start: tuple[int, float]
) -> None:  # fmt: skip
    history: dict[Any, tuple[int, float]] = {"t": start}
    returns = [start[1]] * start[0]
    for step, several in enumerate(rewards):
        members = [
            episode(f"{step}-{k}", "g", r, error="broke" if bad else None)
            for k, (r, bad) in enumerate(several)
        ]
        history = update_history(history, [Group("t", f"{step}", tuple(members))])
        returns += [r for r, bad in several if not bad]
    n, mean = history["t"]
    expected = np.mean(returns) if returns else start[1]
    assert n == len(returns) and mean == pytest.approx(expected, abs=1e-9)


def test_an_episode_without_a_turn_has_numbers_too() -> None:
    found = rollout_metrics([replace(PLAYED[0], turns=())], seconds=1.0)
    assert (
        found["episodes"] == 1
        and found["context_tokens"] == found["turn_tokens"] == found["invalid"] == 0.0
    )


def test_entropies_by_turn_are_those_of_all_processes() -> None:
    """Turns before the last have (0.1, 0.3), the last (0.5, 0.7); errors and late turns are out."""
    found = turn_entropies(grouped(PLAYED), lambda table: table * 2, 3)
    assert found == pytest.approx(
        {
            "entropy_sum:0": 4 * 2 * 0.2,
            "entropy_count:0": 8,
            "entropy_sum:1": 2 * (3 * 0.6 + 0.2),
            "entropy_count:1": 8,
            "entropy_sum:2": 2 * 0.2,
            "entropy_count:2": 2,
        }
    )


def test_the_history_is_kept_as_the_sampler_keeps_it() -> None:
    sampler = recipe("spo", rho=0.5, strength=2.0).sampler
    known = update_history({}, grouped(PLAYED), None, sampler.track)  # type: ignore[attr-defined]
    assert known["g"] == pytest.approx((2.0, (0.5 * 2 * 0.75 + 0) / 2)) and known[
        "h"
    ] == pytest.approx((2.0, 0.875))


def test_a_step_without_one_whole_episode_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        rollouts,
        "play",
        lambda episodes, *_, **__: [episode("a", "g", 0.0, error="turn 0: no engine")],
    )
    rollout = SimpleNamespace(
        tasks=1, group_size=1, temperature=1.0, top_p=1.0, split="train", concurrency=1,
        timeout=1.0,
    )  # fmt: skip
    config = SimpleNamespace(rollout=rollout, run=SimpleNamespace(seed=0))
    context = SimpleNamespace(
        config=config, agent=lambda *_, **__: None, make_env=None, max_turns=3
    )
    with pytest.raises(DataError, match=r"every episode of step 5 errored.*no engine"):
        collect(context, recipe("grpo"), [1, 2, 3], 4, {})  # type: ignore[arg-type]
