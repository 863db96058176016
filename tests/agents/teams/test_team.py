"""Teams: the contract of an environment holds for a team too; who acted is recorded; forks go on
amid a round.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.agents.made_tokenizers import made
from tests.agents.teams.team_games import Doubles, Places, Stray
from tests.agents.toy_players import RecordingEngine, Walk
from turnwise.agents.agent import ModelAgent
from turnwise.agents.driver import episodes_for, play, rollout
from turnwise.agents.engines.base import Sampling
from turnwise.agents.scripted import Demonstrator, ExpertAgent, RandomAgent, ReplayAgent
from turnwise.agents.teams import TEAMS, make_team, register_team, team_names
from turnwise.agents.teams.orchestration import (
    Orchestration,
    TeamMessage,
    TeamState,
    Transition,
)
from turnwise.agents.teams.role_prompt import PlainForm, RolePrompt
from turnwise.agents.teams.team import Team, TeamAgent, TeamEnv
from turnwise.algorithms.parts.strategy import Branch
from turnwise.envs.base import TurnEnv
from turnwise.envs.checks import check_turn_env
from turnwise.errors import ConfigError
from turnwise.evaluation.runner import evaluate
from turnwise.records import Group, Trajectory, rows, to_json

SEARCH = make_team("searcher_verifier_answerer", "act")
MATH = make_team("solver_verifier", "act")


def searching() -> TeamEnv:
    return TeamEnv(Places(), SEARCH.orchestration)


def solving() -> TeamEnv:
    return TeamEnv(Doubles(), MATH.orchestration)


def content(trajectory: Trajectory) -> str:
    turns = tuple(replace(turn, wall_seconds=0.0) for turn in trajectory.turns)
    return json.dumps(to_json(replace(trajectory, turns=turns)))


@pytest.mark.parametrize("make", [searching, solving])
def test_a_team_keeps_the_contract_of_an_environment(make: Any) -> None:
    check_turn_env(make, turns=12, resets=300)


def test_a_random_inner_environment_is_saved_with_its_generator() -> None:
    check_turn_env(lambda: TeamEnv(Stray(), SEARCH.orchestration), turns=10, resets=100)


def test_a_message_leaves_the_environment_alone_and_has_no_reward() -> None:
    env = searching()
    observation, info = env.reset(seed=0, options={"task": 1})
    assert (observation, info["agent"], info["board"], info["fresh"]) == (
        "where do 1 hints lead?",
        "verifier",
        (),
        True,
    )
    assert info["admissible"] == ["yes", "no"] and info["tags"] == ["kind=places"]
    within, state = info["env"], info["state"]
    observation, reward, done, _, info = env.step("no")
    assert (observation, reward, done, info["rewards"]) == ("verifier: no", 0.0, False, {})
    assert (
        info["env"] == within
        and info["state"] != state
        and not info["fresh"]
        and info["tags"] == []
    )
    assert info["agent"] == "searcher" and info["board"] == (TeamMessage("verifier", "no"),)
    observation, _, _, _, info = env.step("search[hint 1]")
    assert (observation, info["agent"], info["board"], info["fresh"]) == (
        "hint 1 says 2",
        "verifier",
        (),
        True,
    )
    assert "searched" in info["tags"]
    env.step("yes")
    _, reward, done, _, info = env.step("answer[2]")
    assert (reward, done, info["success"], info["rewards"]) == (1.0, True, True, {"em": 1.0})


def test_states_depend_on_the_board_and_data_hashes_on_the_orchestration() -> None:
    env = searching()
    states = set()
    for said in ("yes", "no"):
        env.reset(seed=0, options={"task": 1})
        states.add(env.step(said)[4]["state"])
    assert len(states) == 2
    other = TeamEnv(Places(), make_team("searcher_verifier_answerer", searches=2).orchestration)
    assert len({env.data_hash, other.data_hash, Places().data_hash}) == 3


def test_turns_record_who_acted() -> None:
    agent = SEARCH.agent(lambda role, prompt: ExpertAgent())
    (trajectory,) = play(episodes_for([2], 1, "train"), searching().spawn, agent)
    assert [turn.agent for turn in trajectory.turns] == ["verifier", "searcher"] * 2 + [
        "verifier",
        "answerer",
    ]
    assert trajectory.success and trajectory.reward() == 1.0
    assert [turn.rewards["env"] for turn in trajectory.turns] == [0.0] * 5 + [1.0]
    (again,) = play(
        ReplayAgent([trajectory]).episodes(), searching().spawn, ReplayAgent([trajectory])
    )
    assert [t.next_state for t in again.turns] == [t.next_state for t in trajectory.turns]


def test_demonstrations_become_rows_of_each_role() -> None:
    agent = MATH.agent(
        lambda role, prompt: Demonstrator(made("byte-bpe/chatml"), prompt, name=role)
    )
    (trajectory,) = play(episodes_for([2], 1, "train"), solving().spawn, agent)
    assert [(t.agent, t.action) for t in trajectory.turns] == [
        ("solver", "```python\nprint(2 * 2)\n```"),
        ("solver", "\\boxed{4}"),
        ("verifier", "approve"),
    ]
    assert all(turn.valid for turn in trajectory.turns) and trajectory.success
    assert [row.agent for row in rows(trajectory)] == ["solver", "solver", "verifier"]


def engine(text: dict[str, str]) -> RecordingEngine:
    """Return an engine that replies with the text of the role named last in the prompt."""
    tokenizer = made("byte-bpe/chatml")

    def speak(ids: Sequence[int], sampling: Sampling, turn: int) -> list[int]:
        asked = tokenizer.decode(ids)
        role = max(text, key=lambda name: asked.rfind(f"{name}:"))
        return list(tokenizer.encode(text[role]))

    return RecordingEngine(speak)


def test_models_are_asked_with_their_role_s_prompt_and_their_sessions_end() -> None:
    shared = engine({"verifier": "yes", "searcher": "search[x]", "answerer": "answer[2]"})
    tokenizer = made("byte-bpe/chatml")
    agent = SEARCH.agent(
        lambda role, prompt: ModelAgent(
            shared, tokenizer, prompt, Sampling(max_tokens=30), name=role
        )
    )
    (trajectory,) = play(episodes_for([1], 1, "train"), searching().spawn, agent)
    assert [(t.agent, t.action) for t in trajectory.turns] == [
        ("verifier", "yes"),
        ("answerer", "answer[2]"),
    ]
    told = tokenizer.decode(trajectory.turns[1].prompt_ids)
    assert "where do 1 hints lead?\nverifier: yes\nanswerer:" in told
    assert sorted(shared.released) == sorted(shared.said) and len(shared.said) == 2


class ForkAt:
    """Branches once, after the given turn of the first episode."""

    branches = True

    def __init__(self, turn: int) -> None:
        self.turn, self.done = turn, False

    def start(self, task: Any) -> int:
        return 1

    def before_step(self, group: Group, uid: str, entropies: Sequence[float]) -> int:
        return 0

    def after_turn(self, group: Group, uid: str) -> list[Branch]:
        here = next(t for t in group.trajectories if t.uid == uid)
        if self.done or len(here.turns) != self.turn:
            return []
        self.done = True
        return [Branch(uid, self.turn)]

    def after_trajectory(self, group: Group, uid: str) -> list[Branch]:
        return []


@pytest.mark.parametrize("turn", [1, 2])
@pytest.mark.parametrize("make", [searching, solving])
def test_a_fork_within_a_round_equals_its_parent(make: Any, turn: int) -> None:
    """Both follow the expert, so the fork must equal its parent from the inherited board on."""
    team = SEARCH if make is searching else MATH
    agent = team.agent(
        lambda role, prompt: Demonstrator(made("byte-bpe/chatml"), prompt, name=role)
    )
    parent, child = asyncio.run(
        rollout(episodes_for([2], 1, "train"), make().spawn, agent, strategy=ForkAt(turn))
    )
    assert child.parent == (parent.uid, turn) and child.error is None
    assert content(replace(child, uid=parent.uid, parent=None)) == content(parent)


@pytest.mark.parametrize("make", [searching, solving])
def test_fork_restore_and_replay_agree_at_every_turn(make: Any) -> None:
    env: TurnEnv[Any] = make()
    env.reset(seed=1, options={"task": 2})
    done = False
    while not done:
        copy, elsewhere = env.fork(), make()
        elsewhere.restore(env.snapshot())
        action = env.expert_action()
        assert action is not None and copy.expert_action() == elsewhere.expert_action() == action
        one = env.step(action)
        assert copy.step(action) == one == elsewhere.step(action)
        done = one[2]


def test_the_environment_answers_messages_after_the_end() -> None:
    env = solving()
    env.reset(seed=0, options={"task": 1})
    for action in ("\\boxed{2}", "approve"):
        _, reward, done, _, _ = env.step(action)
    assert (reward, done) == (1.0, True) and env.expert_action() is None
    observation, reward, done, _, info = env.step("reject")
    assert (observation, reward, done, info["valid"]) == ("over", 0.0, True, False)


def test_an_agent_for_teams_needs_a_team() -> None:
    with pytest.raises(ConfigError, match="should act"):
        play(episodes_for([2], 1, "train"), Walk, TeamAgent({"solver": RandomAgent()}))


def test_a_score_names_the_team_as_its_prompt() -> None:
    agent = SEARCH.agent(lambda role, prompt: ExpertAgent())
    score, _ = evaluate(searching().spawn, agent, split="train")
    assert score.prompt == "searcher_verifier_answerer/act@1" and score.metrics.success.mean == 1.0


def test_teams_are_found_by_name_and_mistakes_are_named() -> None:
    assert team_names() == ["searcher_verifier_answerer", "solver_verifier"]
    assert all(isinstance(make_team(name).orchestration, Orchestration) for name in team_names())
    for given, message in (
        ({"name": "solver_verifer"}, "did you mean 'solver_verifier'"),
        ({"name": "solver_verifier", "style": "acts"}, "did you mean 'act'"),
        ({"name": "solver_verifier", "answer": 3}, "did you mean 'answers'"),
        ({"name": "solver_verifier", "answers": 0}, "at least one"),
        ({"name": "searcher_verifier_answerer", "searches": 0}, "at least one"),
        ({"name": "solver_verifier", "answers": "two"}, "whole number"),
    ):
        with pytest.raises(ConfigError, match=message):
            make_team(**given)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Duet:
    """Two roles act in turn, and every message is an action. Somebody else's orchestration."""

    first: int = 0
    name: ClassVar[str] = "duet"
    roles: ClassVar[tuple[str, ...]] = ("left", "right")

    def agent(self, state: TeamState) -> str:
        return self.roles[(state.steps + self.first) % 2]

    def admissible(self, state: TeamState, offered: Sequence[str]) -> list[str]:
        return list(offered)

    def receive(self, state: TeamState, message: str) -> Transition:
        return Transition((), message)

    def expert(self, state: TeamState, action: str, instruction: str) -> str:
        return action


def make_duet(style: str = "full", first: int = 0) -> Team:
    prompts = [RolePrompt("duet@1", role, "", PlainForm(".*")) for role in Duet.roles]
    return Team.with_style(Duet(first), {"full": prompts}, style)


def test_a_team_of_somebody_else_is_found_by_path_and_by_name() -> None:
    path = f"{__name__}:make_duet"
    team = make_team(path, first=1)
    check_turn_env(lambda: TeamEnv(Places(), team.orchestration), turns=8, resets=50)
    agent = team.agent(lambda role, prompt: ExpertAgent())
    env = TeamEnv(Places(), team.orchestration)
    (trajectory,) = play(episodes_for([2], 1, "train"), env.spawn, agent)
    assert [turn.agent for turn in trajectory.turns] == ["right", "left", "right"]
    assert trajectory.success
    for options, message in (
        ({"style": "act"}, "unknown style 'act' in team 'duet'"),
        ({"frist": 1}, "did you mean 'first'"),
        ({"first": "two"}, "whole number"),
    ):
        with pytest.raises(ConfigError, match=message):
            make_team(path, **options)  # type: ignore[arg-type]
    register_team("duet", make_duet)
    try:
        assert "duet" in team_names() and make_team("duet").name == "duet@1"
        with pytest.raises(ConfigError, match="registered already"):
            register_team("duet", make_team)
    finally:
        del TEAMS.registered["duet"]


def make_nothing(style: str = "full") -> str:
    return style


def test_a_factory_that_makes_no_team_is_refused() -> None:
    with pytest.raises(ConfigError, match="made a str: its factory must return"):
        make_team(f"{__name__}:make_nothing")


def test_the_team_in_the_documentation_passes_the_kit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(__file__).parents[3] / "docs" / "teams.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf8"), re.DOTALL)
    (tmp_path / "documented_team.py").write_text(blocks[1], encoding="utf8")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        importlib.import_module("documented_team")
        assert make_team("duet").orchestration.roles == ("left", "right")
    finally:
        TEAMS.registered.pop("duet", None)
