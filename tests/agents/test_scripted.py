"""Agents without a model."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.agents.made_tokenizers import KINDS, made
from tests.agents.toy_players import Growing, Literal, Walk
from turnwise.agents.agent import Episode
from turnwise.agents.driver import episodes_for, play
from turnwise.agents.scripted import (
    Demonstrator,
    ExpertAgent,
    RandomAgent,
    ReplayAgent,
    random_action,
)
from turnwise.algorithms.parts.strategy import Branch
from turnwise.envs.prompt import Step
from turnwise.errors import ConfigError, DataError
from turnwise.records import rows


def test_random_actions_are_admissible_and_fill_placeholders() -> None:
    info = {
        "admissible": ["click[< prev]", "click[next >]", "search[<your query>]"],
        "instruction": "Find me a red, warm hat!",
    }
    drawn = {random_action(Step("page", info), random.Random(k)) for k in range(300)}
    assert {"click[< prev]", "click[next >]"} < drawn
    queries = {action for action in drawn if action.startswith("search")}
    assert len(queries) > 8 and "search[red warm hat]" in queries
    assert all(
        set(query[7:-1].split()) <= {"find", "me", "a", "red", "warm", "hat"} for query in queries
    )
    with pytest.raises(DataError, match="no admissible action"):
        random_action(Step("page", {}), random.Random(0))


def test_random_agents_repeat_themselves_by_seed_only() -> None:
    episodes = episodes_for([6], 4, "train")

    def actions(seed: int) -> list[list[str]]:
        return [[turn.action for turn in t.turns] for t in play(episodes, Walk, RandomAgent(seed))]

    assert actions(1) == actions(1) != actions(2)
    assert len({tuple(a) for a in actions(1)}) > 1


def test_a_recording_is_replayed_act_by_act() -> None:
    recorded = play(episodes_for([3, 5], 2, "train"), Walk, RandomAgent(), max_turns=4)
    replay = ReplayAgent(recorded)
    again = play(replay.episodes(), Walk, replay)
    for old, new in zip(recorded, again, strict=True):
        assert (old.uid, old.task, old.success, old.score, old.stop_reason) == (
            new.uid,
            new.task,
            new.success,
            new.score,
            new.stop_reason,
        )
        assert [(t.action, t.state, t.next_state, t.rewards) for t in old.turns] == [
            (t.action, t.state, t.next_state, t.rewards) for t in new.turns
        ]
    with pytest.raises(ConfigError, match="no trajectory 'other'"):
        play([Episode(3, "train", 0, "g", "other")], Walk, replay)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_demonstrations_carry_a_models_tokens(kind: str) -> None:
    teacher = Demonstrator(made(kind), Literal())
    (trajectory,) = play(episodes_for([3], 1, "train"), Walk, teacher)
    assert trajectory.success and [t.action for t in trajectory.turns] == ["go[on]"] * 3
    (row,) = rows(trajectory)
    renderer = teacher.renderer
    for turn in trajectory.turns:
        assert turn.agent == "policy" and turn.completion_ids[-1] == renderer.end_of_turn
        assert turn.logprobs == (0.0,) * len(turn.completion_ids)
        assert turn.completion_ids[:-1] == tuple(renderer.encode("go[on]"))
    assert row.mask.sum() == sum(len(t.completion_ids) for t in trajectory.turns)


def test_noise_replaces_and_tags_some_turns() -> None:
    episodes = episodes_for([9] * 10, 1, "train")
    teacher = Demonstrator(made("byte-bpe/chatml"), Literal(), noise=0.3, seed=4)
    played = play(episodes, Walk, teacher, max_turns=30)
    turns = [turn for t in played for turn in t.turns]
    noisy = [turn for turn in turns if turn.tags == ("noise",)]
    assert 0.15 < len(noisy) / len(turns) < 0.45 and all(t.success for t in played)
    assert all(turn.action == "go[on]" for turn in turns if not turn.tags)
    assert any(turn.action.startswith("search[") for turn in noisy)
    assert [t.turns[0].action for t in played] == [
        t.turns[0].action for t in play(episodes, Walk, teacher, max_turns=30)
    ]
    assert not [
        t
        for d in play(episodes, Walk, Demonstrator(made("byte-bpe/chatml"), Literal()))
        for t in d.turns
        if t.tags
    ]
    with pytest.raises(ConfigError, match="not a probability"):
        Demonstrator(made("byte-bpe/chatml"), Literal(), noise=1.5)


def test_thoughts_are_written_and_other_agents_can_be_demonstrated() -> None:
    class Thinking(Growing):
        def reply(self, action: str, thought: str = "") -> str:
            return f"<think>{thought}</think>{action}"

    recorded = play(episodes_for([2], 1, "train"), Walk, ExpertAgent())
    replay = ReplayAgent(recorded)
    teacher = Demonstrator(
        made("byte-bpe/chatml"),
        Thinking(),
        agent=replay,
        thought=lambda steps, action: f"turn {len(steps)}",
    )
    (trajectory,) = play(replay.episodes(), Walk, teacher)
    assert [t.completion for t in trajectory.turns] == [
        "<think>turn 1</think>go[on]",
        "<think>turn 2</think>go[on]",
    ]


def test_a_demonstration_that_parses_differently_is_not_valid() -> None:
    """A tokenizer that cannot write the action (here: lower-cases it) must not teach it."""
    recorded = play(episodes_for([1], 1, "train"), Walk, ExpertAgent())
    loud = ReplayAgent(
        [replace(t, turns=(replace(t.turns[0], action="Go[ON]"),)) for t in recorded]
    )
    (trajectory,) = play(
        loud.episodes(),
        Walk,
        Demonstrator(made("word-piece/no-system-role"), Literal(), agent=loud),
    )
    assert trajectory.turns[0].action == "Go[ON]" and not trajectory.turns[0].valid


@pytest.mark.parametrize("kind", ["byte-bpe/chatml", "byte-bpe/prefix-changes"])
def test_a_demonstration_can_be_forked(kind: str) -> None:
    class Once:
        branches = True

        def start(self, task: object) -> int:
            return 1

        def before_step(self, group: object, uid: str, entropies: object) -> int:
            return 0

        def after_turn(self, group: object, uid: str) -> list[Branch]:
            return []

        def after_trajectory(self, group: object, uid: str) -> list[Branch]:
            return [] if "." in uid else [Branch(uid, 2)]

    teacher = Demonstrator(made(kind), Literal())
    parent, child = play(episodes_for([4], 1, "train"), Walk, teacher, strategy=Once())
    assert [t.prompt_ids for t in child.turns] == [t.prompt_ids for t in parent.turns] and len(
        rows(child)
    ) == 1
