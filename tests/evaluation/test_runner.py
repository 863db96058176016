"""An evaluation end to end, on a toy and on the generated shop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest

from turnwise.agents.agent import Act, Actor, Episode
from turnwise.agents.scripted import ExpertAgent, RandomAgent, ReplayAgent
from turnwise.envs.base import Outcome, TurnEnv
from turnwise.envs.prompt import Step
from turnwise.envs.registry import make
from turnwise.errors import ConfigError, TaskError
from turnwise.evaluation.metrics import measure
from turnwise.evaluation.runner import Claim, choose_tasks, compare_replays, evaluate
from turnwise.records import Turn


class Guess(TurnEnv[None]):
    """One turn; saying the task's number is a success."""

    splits = ("train", "test", "none")
    data_hash = "guess"

    def tasks(self, split: str) -> Sequence[int]:
        return {"train": range(100, 150), "test": range(20), "none": ()}[split]

    def _begin(self, task: Any) -> Outcome:
        self.number = int(task)
        return Outcome(
            "?",
            "say it",
            ["say <a number>"],
            f"{task}",
            tags=[f"parity={'even' if task % 2 == 0 else 'odd'}"],
        )

    def _act(self, action: str) -> Outcome:
        right = action == str(self.number)
        return Outcome(
            "!",
            "say it",
            [],
            f"{self.number}!",
            float(right),
            True,
            success=right,
            score=1.0 if right else 0.25,
        )

    def expert_action(self) -> str | None:
        return str(self.number)


class Half:
    """Knows the even tasks, fails on the odd ones, and breaks on those of `broken`."""

    name = "half"

    def __init__(self, broken: Sequence[int] = ()) -> None:
        self.broken = broken

    def begin(
        self, episode: Episode, history: Sequence[Step] = (), turns: Sequence[Turn] = ()
    ) -> Actor:
        agent = self

        class Player:
            async def act(self, history: Sequence[Step], env: gymnasium.Env[str, str]) -> Act:
                task = int(episode.task)
                if task in agent.broken:
                    raise RuntimeError("out of order")
                return Act(str(task) if task % 2 == 0 else "no idea")

            async def end(self) -> None:
                return None

        return Player()


def test_the_score_says_all_of_it() -> None:
    score, played = evaluate(
        Guess,
        Half(),
        split="test",
        seed=7,
        max_turns=4,
        claim=Claim("toy/Guess-v0", {"x": 1}, "half@home"),
    )
    assert (score.environment, score.environment_args, score.agent) == (
        "toy/Guess-v0",
        {"x": "1"},
        "half@home",
    )
    assert (score.split, score.split_tasks, len(score.task_ids), score.attempts) == (
        "test",
        20,
        20,
        1,
    )
    assert (score.data_hash, score.seed, score.max_turns, score.prompt, score.sampling) == (
        "guess",
        7,
        4,
        None,
        {},
    )
    assert score.metrics.success.mean == 0.5 and score.metrics.score.mean == pytest.approx(0.625)
    assert (
        score.metrics.types["parity=even"].success.mean == 1.0
        and score.metrics.types["parity=odd"].score.mean == 0.25
    )
    assert score.by_task() == {task: float(task % 2 == 0) for task in range(20)}
    assert score.created.endswith("+00:00") and len(played) == 20


def test_broken_episodes_are_reported_apart() -> None:
    score, _ = evaluate(Guess, Half(broken=(0, 2, 4)), split="test", attempts=2)
    m = score.metrics
    assert (m.errors, m.episodes, m.tasks, score.attempts) == (6, 34, 17, 2)
    assert m.success.mean == pytest.approx(7 / 17)
    assert score.task_success[score.task_ids.index(0)] is None and 0 not in score.by_task()
    assert list(m.error_messages) == ["turn 0: RuntimeError: out of order"]


def test_nothing_but_errors_is_no_score() -> None:
    with pytest.raises(
        TaskError,
        match="20 of 20 episodes errored; the first error was: turn 0: RuntimeError: out of order",
    ):
        evaluate(Guess, Half(broken=range(20)), split="test")


def test_tasks_are_drawn_by_the_seed_and_nested() -> None:
    env = Guess()
    few, more = choose_tasks(env, "test", 5, 1), choose_tasks(env, "test", 10, 1)
    assert more[:5] == few != choose_tasks(env, "test", 5, 2)
    assert sorted(choose_tasks(env, "test", None, 1)) == list(range(20)) and len(set(more)) == 10


def test_an_episode_does_not_depend_on_how_many_are_played() -> None:
    few, many = (
        evaluate(Guess, RandomAgent(), split="test", tasks=n, attempts=2, seed=3)[1]
        for n in (4, 12)
    )
    assert [(t.uid, t.seed, t.turns[0].action) for t in few] == [
        (t.uid, t.seed, t.turns[0].action) for t in many[: len(few)]
    ]


def test_an_environment_made_by_gymnasium_names_itself() -> None:
    import turnwise  # noqa: F401  (registers)

    score, played = evaluate(
        lambda: gymnasium.make("turnwise/WebShop-v0", style="compact"),
        ExpertAgent(),
        split="test",
        tasks=3,
    )
    assert score.environment == "turnwise/WebShop-v0" and score.metrics.success.mean == 1.0
    assert score.data_hash == make("webshop", style="compact").data_hash and len(played) == 3


@pytest.mark.parametrize("n", [0, -1, 21])
def test_a_number_of_tasks_that_the_split_has_not(n: int) -> None:
    with pytest.raises(TaskError, match=f"tasks={n}: split 'test' has 20 tasks"):
        evaluate(Guess, Half(), split="test", tasks=n)


def test_an_empty_split_names_the_others() -> None:
    with pytest.raises(
        TaskError, match=r"split 'none' has no tasks here.*train \(50\), test \(20\)"
    ):
        evaluate(Guess, Half(), split="none")


def test_attempts_below_one() -> None:
    with pytest.raises(ConfigError, match="at least one"):
        evaluate(Guess, Half(), split="test", attempts=0)


def test_the_very_tasks_can_be_given() -> None:
    score, _ = evaluate(Guess, Half(), split="test", tasks=[4, 2])
    assert score.task_ids == (4, 2) and score.metrics.success.mean == 1.0


def test_the_shop_s_expert_succeeds_and_its_recording_replays() -> None:
    env = make("webshop", style="compact")
    score, played = evaluate(env.spawn, ExpertAgent(), split="test", tasks=30, max_turns=15)
    assert score.metrics.success.mean == 1.0 and score.split_tasks == len(env.tasks("test"))
    assert any(tag.startswith("category=") for tag in score.metrics.types)
    agent = ReplayAgent(played)
    again, replayed = evaluate(
        env.spawn, agent, split="test", episodes=agent.episodes(), max_turns=15
    )
    assert again.task_ids == score.task_ids and again.task_success == score.task_success
    found = compare_replays(played, replayed)
    assert (found.equal, found.compared) == (30, 30) and "all 30 replays equal" in str(found)


def test_a_replay_on_other_data_differs() -> None:
    env, other = (
        make("webshop", style="compact"),
        make("webshop", style="compact", catalogue_seed=5),
    )
    _, played = evaluate(env.spawn, ExpertAgent(), split="test", tasks=3, max_turns=15)
    agent = ReplayAgent(played)
    _, replayed = evaluate(
        other.spawn, agent, split="test", episodes=agent.episodes(), max_turns=15
    )
    found = compare_replays(played, replayed)
    assert (
        found.equal == 0
        and "in the observation of turn 1" in found.first
        and "3 of 3 replays differ" in str(found)
    )


def test_replays_are_compared_to_the_last_turn_and_the_outcome() -> None:
    _, played = evaluate(Guess, Half(), split="test", tasks=[2])
    assert compare_replays(played, []).compared == 0
    longer = [replace(played[0], turns=played[0].turns * 2)]
    assert "number of turns" in compare_replays(longer, played).first
    assert "outcome" in compare_replays([replace(played[0], score=0.5)], played).first


def test_no_task_at_all_is_no_score() -> None:
    with pytest.raises(TaskError, match="0 of 0 episodes"):
        evaluate(Guess, Half(), split="test", tasks=[])


def test_every_finished_episode_is_handed_on_as_it_ends() -> None:
    seen: list[str] = []
    _, played = evaluate(
        Guess, Half(broken=(3,)), split="test", tasks=6, on_trajectory=lambda t: seen.append(t.uid)
    )
    assert sorted(seen) == sorted(t.uid for t in played) and len(seen) == 6


def test_attempts_of_a_task_are_different_episodes_over_the_same_task() -> None:
    score, played = evaluate(Guess, RandomAgent(), split="test", tasks=3, attempts=4, seed=1)
    assert score.attempts == 4 and len({t.uid for t in played}) == 12
    assert all(len({t.seed for t in played if t.task == task}) == 1 for task in score.task_ids), (
        "an attempt starts as the others"
    )
    assert [t.task for t in played] == [task for task in score.task_ids for _ in range(4)]


def test_the_score_of_what_was_played_can_be_made_again_from_the_episodes() -> None:
    """The trajectories and the score say the same, so that either can be checked by the other."""
    score, played = evaluate(Guess, Half(broken=(5,)), split="test", attempts=2, seed=9)
    assert measure(played, 9) == score.metrics
    means = {
        task: value
        for task, value in zip(score.task_ids, score.task_score, strict=True)
        if value is not None
    }
    assert means == score.by_task("score") and np.mean(list(means.values())) == pytest.approx(
        score.metrics.score.mean
    )
    assert 5 not in means and len(means) == 19
