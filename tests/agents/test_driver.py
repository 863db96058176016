"""The driver: order, isolation of failures, bounded waits, forks, cancellation."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import gymnasium
import pytest
from gymnasium.wrappers import TimeLimit

from tests.agents.made_tokenizers import made
from tests.agents.toy_players import Growing, Literal, RecordingEngine, Walk, Windowed
from turnwise.agents.agent import Episode, ModelAgent
from turnwise.agents.driver import episodes_for, play, rollout
from turnwise.agents.engines.base import Sampling
from turnwise.agents.scripted import ExpertAgent, RandomAgent, ReplayAgent
from turnwise.algorithms.parts.strategy import Branch, Independent
from turnwise.errors import ConfigError, TaskError
from turnwise.records import Group, Trajectory, to_json


def seeded(ids: Sequence[int], sampling: Sampling, turn: int) -> list[int]:
    draw = random.Random(sampling.seed)
    return [draw.randrange(300) for _ in range(draw.randint(1, sampling.max_tokens))]


def policy(engine: RecordingEngine, prompt: Any = None, **more: Any) -> ModelAgent:
    return ModelAgent(
        engine, made("byte-bpe/chatml"), prompt or Growing(), Sampling(max_tokens=6), **more
    )


def content(trajectory: Trajectory) -> str:
    """Return a trajectory as JSON, without its times."""
    turns = tuple(replace(turn, wall_seconds=0.0) for turn in trajectory.turns)
    return json.dumps(to_json(replace(trajectory, turns=turns)))


def test_a_trajectory_records_the_whole_episode() -> None:
    (trajectory,) = play(episodes_for([3], 1, "test", seed=5), Walk, ExpertAgent())
    assert (trajectory.task, trajectory.split, trajectory.stop_reason, trajectory.error) == (
        3,
        "test",
        "terminated",
        None,
    )
    assert trajectory.success and trajectory.score == 1.0 and trajectory.tags == ("task=3",)
    assert [turn.action for turn in trajectory.turns] == ["go[on]"] * 3
    assert [turn.rewards for turn in trajectory.turns] == [
        {"env": r, "pace": 0.5} for r in (0.0, 0.0, 1.0)
    ]
    assert [(turn.state, turn.next_state) for turn in trajectory.turns] == [
        ("3:0", "3:1"),
        ("3:1", "3:2"),
        ("3:2", "3:3"),
    ]
    assert [turn.observation for turn in trajectory.turns] == [
        "step 0 of 3",
        "step 1 of 3",
        "step 2 of 3",
    ]
    assert trajectory.reward() == 1.0 and trajectory.reward({"pace": 2.0}) == 3.0


def test_an_invalid_action_is_recorded_as_such() -> None:
    tokenizer = made("byte-bpe/chatml")
    replies = ["loop[x]", "no brackets", "go[on]"]
    engine = RecordingEngine(lambda ids, sampling, turn: tokenizer.encode(replies[turn]))
    (trajectory,) = play(episodes_for([2], 1, "train"), Walk, policy(engine, Literal()))
    assert [turn.valid for turn in trajectory.turns] == [False, False, True]
    assert [turn.tags for turn in trajectory.turns] == [("lost",), ("malformed",), ()]


@pytest.mark.parametrize("prompt", [Growing(), Windowed()])
def test_content_and_order_do_not_depend_on_concurrency_or_timing(prompt: Any) -> None:
    episodes = episodes_for([1, 4, 2, 3], 4, "train", seed=3)
    results = []
    for concurrency, delay in [
        (1, lambda s: 0.0),
        (3, lambda s: random.random() / 500),
        (16, lambda s: random.random() / 500),
    ]:
        ended: list[str] = []
        engine = RecordingEngine(seeded, delay=delay)
        played = play(
            episodes,
            Walk,
            policy(engine, prompt),
            concurrency=concurrency,
            on_trajectory=lambda t, ended=ended: ended.append(t.uid),
        )
        assert [t.uid for t in played] == [e.uid for e in episodes] and sorted(ended) == sorted(
            t.uid for t in played
        )
        assert sorted(engine.released) == sorted(engine.said)
        results.append([content(t) for t in played])
    assert results[0] == results[1] == results[2]
    assert len({t.turns[0].completion_ids for t in played}) > 10, (
        "members of a group are sampled apart"
    )


def test_members_of_a_group_start_alike_and_groups_do_not() -> None:
    episodes = episodes_for([7, 7], 3, "train", seed=1)
    assert len({e.uid for e in episodes}) == 6
    assert [
        len({e.seed for e in episodes if e.group == g}) for g in {e.group for e in episodes}
    ] == [1, 1]
    assert len({e.seed for e in episodes}) == 2
    assert episodes == episodes_for([7, 7], Independent(3), "train", seed=1)
    assert {e.seed for e in episodes}.isdisjoint(
        e.seed for e in episodes_for([7, 7], 3, "train", seed=2)
    )


def test_a_failing_environment_or_engine_is_one_errored_trajectory() -> None:
    def speak(ids: Sequence[int], sampling: Sampling, turn: int) -> list[int]:
        return made("byte-bpe/chatml").encode("go[on]")

    episodes = [
        Episode(task, "train", 0, str(k), f"e{k}") for k, task in enumerate([2, "broken", 3, 4])
    ]
    engine = RecordingEngine(
        speak, fails=lambda session: ":e2:" in session and len(engine.said.get(session, ())) == 1
    )
    trajectories = play(episodes, Walk, policy(engine, Literal()))
    assert [t.stop_reason for t in trajectories] == ["terminated", "error", "error", "terminated"]
    assert [t.error for t in trajectories] == [
        None,
        "turn 0: ValueError: this task is broken",
        "turn 1: EngineError: the engine is out of order",
        None,
    ]
    assert (
        len(trajectories[2].turns) == 1
        and not trajectories[2].success
        and trajectories[2].score == 0.0
    )
    assert len(engine.released) == 3, "an episode that failed gives its memory back too"


def test_an_error_in_a_step_keeps_earlier_turns_and_discards_the_environment() -> None:
    Walk.made = Walk.closed = 0
    recorded = play(episodes_for([2, 2, 2], 1, "train"), Walk, ExpertAgent(), concurrency=1)
    assert (Walk.made, Walk.closed) == (1, 1), (
        "an environment that ended cleanly plays the next episode"
    )
    second = recorded[1]
    mined = replace(second, turns=(second.turns[0], replace(second.turns[1], action="go[wrong]")))
    replay = ReplayAgent([recorded[0], mined, recorded[2]])
    Walk.made = Walk.closed = 0
    again = play(replay.episodes(), Walk, replay, concurrency=1)
    assert [t.error for t in again] == [None, "turn 1: RuntimeError: stepped on a mine", None]
    assert len(again[1].turns) == 1 and (Walk.made, Walk.closed) == (2, 2)


def test_an_agent_that_exceeds_the_turn_timeout_errors() -> None:
    engine = RecordingEngine(seeded, delay=lambda session: 30.0 if "-1:" in session else 0.0)
    slow, quick = play(episodes_for([2], 2, "train"), Walk, policy(engine), turn_timeout=0.05)[::-1]
    assert quick.error is None
    assert (
        slow.error == "turn 0: TimeoutError: the agent did not answer within 0.05 s"
        and slow.turns == ()
    )


def test_a_blocking_step_runs_in_a_thread_and_is_bounded() -> None:
    texts = {"e0": "wait[20]", "e1": "wait[0.01]"}
    recorded = play([Episode(1, "train", 0, u, u) for u in texts], Walk, ExpertAgent())
    replay = ReplayAgent(
        [replace(t, turns=(replace(t.turns[0], action=texts[t.uid]),)) for t in recorded]
    )
    stuck, fine = play(replay.episodes(), lambda: Walk(blocking=True), replay, step_timeout=0.3)
    assert stuck.error == "turn 0: TimeoutError: the environment's step did not return within 0.3 s"
    assert fine.error is None and fine.success


def test_turn_limits_truncate() -> None:
    (by_driver,) = play(episodes_for([9], 1, "train"), Walk, ExpertAgent(), max_turns=4)
    (by_wrapper,) = play(episodes_for([9], 1, "train"), lambda: TimeLimit(Walk(), 4), ExpertAgent())
    for trajectory in (by_driver, by_wrapper):
        assert (trajectory.stop_reason, len(trajectory.turns), trajectory.success) == (
            "truncated",
            4,
            False,
        )
        assert trajectory.error is None and trajectory.score == pytest.approx(4 / 9)


def test_a_full_context_ends_the_episode_with_length() -> None:
    engine = RecordingEngine(seeded)
    (trajectory,) = play(episodes_for([40], 1, "train"), Walk, policy(engine, max_context=120))
    assert trajectory.stop_reason == "length" and trajectory.error is None
    assert 0 < len(trajectory.turns) < 40
    assert all(len(turn.prompt_ids) + len(turn.completion_ids) <= 120 for turn in trajectory.turns)


def test_mistakes_in_the_request_are_raised() -> None:
    class NoExpert(Walk):
        def expert_action(self) -> str | None:
            return None

    class NoTask(Walk):
        def _begin(self, task: Any) -> Any:
            raise TaskError(f"there is no task {task}")

    with pytest.raises(ConfigError, match="NoExpert has no expert"):
        play(episodes_for([1, 2], 4, "train"), NoExpert, ExpertAgent())
    with pytest.raises(TaskError, match="there is no task 1"):
        play(episodes_for([1], 1, "train"), NoTask, ExpertAgent())
    with pytest.raises(ConfigError, match="same uid"):
        play([Episode(1, "train", 0, "g", "u")] * 2, Walk, ExpertAgent())
    with pytest.raises(ConfigError, match="concurrency=0"):
        play(episodes_for([1], 1, "train"), Walk, ExpertAgent(), concurrency=0)
    assert play([], Walk, ExpertAgent()) == []


@dataclass
class BranchAt:
    """Branches the first rollout at `turn` (after `when` turns, or once it ended), and starts
    afresh if asked.
    """

    turn: int
    when: int
    ended: bool = False
    fresh: bool = False
    before: bool = False
    seen: list[Group] = field(default_factory=list)
    branches: bool = True

    def before_step(self, group: Group, uid: str, entropies: Sequence[float]) -> int:
        run = next(t for t in group.trajectories if t.uid == uid)
        return int(self.before and len(group.trajectories) == 1 and len(run.turns) == self.when)

    def start(self, task: Any) -> int:
        return 1

    def after_turn(self, group: Group, uid: str) -> Sequence[Branch]:
        self.seen.append(group)
        run = next(t for t in group.trajectories if t.uid == uid)
        alone = len(group.trajectories) == 1
        return (
            [Branch(uid, self.turn)]
            if not (self.ended or self.before) and alone and len(run.turns) == self.when
            else []
        )

    def after_trajectory(self, group: Group, uid: str) -> Sequence[Branch]:
        if self.ended and len(group.trajectories) == 1:
            return [Branch(uid, self.turn)]
        return [Branch(uid, 0)] if self.fresh and len(group.trajectories) == 2 else []


@pytest.mark.parametrize(
    "strategy",
    [BranchAt(3, 3), BranchAt(2, 4), BranchAt(2, 0, ended=True), BranchAt(2, 2, before=True)],
    ids=["fork now", "replay the past", "after the end", "before the step"],
)
@pytest.mark.parametrize(
    "wrap", [lambda env: env, lambda env: TimeLimit(env, 5)], ids=["bare", "wrapped"]
)
@pytest.mark.parametrize("prompt", [Growing(), Windowed()], ids=["growing", "windowed"])
def test_forks_share_their_parents_turns_and_then_diverge(
    strategy: BranchAt,
    wrap: Callable[[gymnasium.Env[str, str]], gymnasium.Env[str, str]],
    prompt: Any,
) -> None:
    engine = RecordingEngine(seeded)
    strategy.seen.clear()
    parent, child = play(
        episodes_for([5], strategy, "train"),
        lambda: wrap(Walk()),
        policy(engine, prompt),
        strategy=strategy,
    )
    assert (
        child.parent == (parent.uid, strategy.turn)
        and child.uid == f"{parent.uid}.1"
        and parent.parent is None
    )
    assert child.turns[: strategy.turn] == parent.turns[: strategy.turn]
    assert child.turns[strategy.turn].prompt_ids == parent.turns[strategy.turn].prompt_ids
    assert child.turns[strategy.turn].completion_ids != parent.turns[strategy.turn].completion_ids
    assert len(parent.turns) == len(child.turns) == 5 and parent.success and child.success
    assert child.turns[-1].next_state == "5:5" and (child.group, child.seed, child.tags) == (
        parent.group,
        parent.seed,
        parent.tags,
    )
    assert all(
        t.stop_reason in ("running", "terminated")
        for group in strategy.seen
        for t in group.trajectories
    )


def test_turn_zero_is_a_fresh_rollout() -> None:
    strategy = BranchAt(1, 1, fresh=True)
    first, forked, fresh = play(
        episodes_for([3], 1, "train"), Walk, RandomAgent(), strategy=strategy, concurrency=1
    )
    assert (first.parent, forked.parent, fresh.parent) == (None, (first.uid, 1), None)
    assert len(fresh.turns) > 0 and fresh.uid not in (first.uid, forked.uid)


def test_an_impossible_branch_is_a_clear_error() -> None:
    with pytest.raises(ConfigError, match="at turn 9, which has not been played"):
        play(episodes_for([3], 1, "train"), Walk, ExpertAgent(), strategy=BranchAt(9, 1))


def test_replaying_a_nondeterministic_environment_is_an_error_of_the_fork_alone() -> None:
    class Dice(Walk):
        def _outcome(self, **more: Any) -> Any:
            return replace(super()._outcome(**more), state=str(random.random()))

    parent, child = play(
        episodes_for([3], 1, "train"), Dice, ExpertAgent(), strategy=BranchAt(1, 0, ended=True)
    )
    assert parent.error is None
    assert child.error is not None and "not deterministic" in child.error


def test_cancelling_keeps_finished_trajectories_and_releases_the_rest() -> None:
    finished: list[Trajectory] = []
    engine = RecordingEngine(seeded, delay=lambda session: 30.0 if "-1:" in session else 0.0)

    async def interrupt() -> None:
        task = asyncio.create_task(
            rollout(
                episodes_for([1, 2], 2, "train"),
                Walk,
                policy(engine),
                on_trajectory=finished.append,
            )
        )
        while len(finished) < 2:
            await asyncio.sleep(0.001)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(interrupt())
    assert len(finished) == 2 and all(t.error is None for t in finished)
    assert len(engine.released) == 4


def test_a_failing_callback_is_raised() -> None:
    def explode(trajectory: Trajectory) -> None:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        play(episodes_for([1], 4, "train"), Walk, ExpertAgent(), on_trajectory=explode)


def test_an_environment_that_cannot_be_closed_is_a_warning() -> None:
    class Sticky(Walk):
        def close(self) -> None:
            raise OSError("glue")

    with pytest.warns(UserWarning, match="could not be closed"):
        (trajectory,) = play(episodes_for([1], 1, "train"), Sticky, ExpertAgent())
    assert trajectory.success


def test_ctrl_c_delivers_finished_trajectories() -> None:
    finished: list[Trajectory] = []

    def press(trajectory: Trajectory) -> None:
        finished.append(trajectory)
        if len(finished) == 3:
            signal.raise_signal(signal.SIGINT)

    Walk.made = Walk.closed = 0
    with pytest.raises(KeyboardInterrupt):
        play(
            episodes_for([5] * 40, 1, "train"),
            Walk,
            ExpertAgent(),
            concurrency=2,
            on_trajectory=press,
        )
    assert 3 <= len(finished) < 40 and all(t.success for t in finished)
    assert Walk.made == Walk.closed == 2
