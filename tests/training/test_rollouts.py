"""The numbers of a batch of episodes, and what a sampler is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_given import turn

from turnwise.algorithms import recipe
from turnwise.errors import DataError
from turnwise.records import Trajectory
from turnwise.training.rollouts import collect, grouped, measured, remember


def episode(uid: str, group: str, reward: float, turns: int = 2, **changes: object) -> Trajectory:
    acts = [turn((1,), (2, 3)) for _ in range(turns)]
    acts[-1] = replace(acts[-1], rewards={"env": reward}, entropies=(0.5, 0.7), valid=reward > 0)
    acts[:-1] = [replace(act, rewards={}, entropies=(0.1, 0.3)) for act in acts[:-1]]
    made = Trajectory(
        task=group, group=group, uid=uid, turns=tuple(acts), success=reward == 1, score=reward, stop_reason="terminated",
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


PLAYED = [
    episode("a", "g", 1.0), episode("b", "g", 0.0, turns=4, stop_reason="truncated"), episode("c", "h", 1.0),
    episode("d", "h", 1.0, error="broke"), episode("e", "h", 1.0),
]  # fmt: skip


def test_the_numbers_of_a_batch() -> None:
    found = measured(PLAYED, seconds=2.0)
    assert found["episodes"] == 4 and found["errors"] == 1
    assert found["success"] == found["reward"] == found["score"] == 0.75
    assert found["mixed_groups"] == 0.5 and found["truncated"] == 0.25
    assert found["turns"] == 2.5 and found["turn_tokens"] == 2.0 and found["context_tokens"] == 3.0
    assert found["generated_per_second"] == 10.0
    assert found["invalid"] == pytest.approx(1 / 10)
    assert found["entropy"] == pytest.approx((4 * 0.6 + 6 * 0.2) / 10)


def test_a_batch_in_which_everything_broke() -> None:
    found = measured([replace(t, error="broke") for t in PLAYED], seconds=1.0)
    assert found["episodes"] == 0 and found["success"] == 0.0 and found["reward_std"] == 0.0


def test_groups_hold_their_trajectories_in_order() -> None:
    assert [(g.uid, [t.uid for t in g.trajectories]) for g in grouped(PLAYED)] == [("g", ["a", "b"]), ("h", ["c", "d", "e"])]


def test_the_history_is_a_running_mean_without_what_broke() -> None:
    once = remember({"g": (2, 0.25)}, grouped(PLAYED))
    assert once == {"g": (4, pytest.approx(0.375)), "h": (2, 1.0)}
    assert remember({}, grouped(PLAYED[:2]), {"env": 2.0}) == {"g": (2, 1.0)}


def test_a_step_without_one_whole_episode_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    from turnwise.training import rollouts

    monkeypatch.setattr(rollouts, "play", lambda episodes, *_, **__: [episode("a", "g", 0.0, error="turn 0: no engine")])
    rollout = SimpleNamespace(
        tasks=1, group_size=1, temperature=1.0, top_p=1.0, split="train", concurrency=1, timeout=1.0,
    )  # fmt: skip
    config = SimpleNamespace(rollout=rollout, run=SimpleNamespace(seed=0))
    stage = SimpleNamespace(config=config, agent=lambda *_, **__: None, make_env=None, max_turns=3)
    with pytest.raises(DataError, match=r"every episode of step 5 broke off.*no engine"):
        collect(stage, recipe("grpo"), [1, 2, 3], 4, {})  # type: ignore[arg-type]
