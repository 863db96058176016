"""Teams: several agents act in one environment, and each turn is one message of one of them.

A `TeamEnv` is an environment in which a `Play` stands between the agents and another environment.
Its actions are messages; one that does not end a round changes only the board, and earns nothing.
So a team's episode is an ordinary trajectory whose turns name who acted (`Turn.agent`), and
rollouts, forks, credit and training treat it as any other.

A `TeamAgent` has an agent for each role and asks the one whose turn it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, cast

import gymnasium

from turnwise.agents.agent import Act, Actor, Agent, Episode
from turnwise.agents.teams.orchestration import Play, Said, Table
from turnwise.envs.base import Info, Outcome, Snapshot, TaskId, TurnEnv
from turnwise.envs.prompt import Prompt, Step
from turnwise.errors import ConfigError
from turnwise.records import Turn

NOT_ASKED = "That is not of the form asked for."


@dataclass(frozen=True, slots=True)
class Team:
    """A play, and how each of its roles is told what to do."""

    play: Play
    prompts: Mapping[str, Prompt]
    name: str
    """Recorded as the prompt of a score, such as `solver_verifier/act@1`."""

    def agent(self, member: Callable[[str, Prompt], Agent]) -> TeamAgent:
        """The team as an agent; `member` makes the agent of a role from its prompt."""
        return TeamAgent({role: member(role, self.prompts[role]) for role in self.play.roles}, self)


class TeamInfo(Info):
    """`Info`, and how the team stands. `admissible`, `valid` and `tags` are those of the message."""

    agent: str
    """Who acts now."""
    board: tuple[Said, ...]
    """The messages of this round."""
    fresh: bool
    """Whether the observation is the environment's own; otherwise it is a teammate's message."""
    env: dict[str, Any]
    """The environment's own info."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A team's episode: the environment's, and what the team adds."""

    env: Snapshot[Any]
    table: Table
    fresh: bool
    last: Outcome


class TeamEnv(TurnEnv[Kept]):
    """`env`, played by a team.

    Args:
        env: the environment; the team's own instance is spawned from it.
        play: who acts when.
    """

    stochastic = False  # what is random is the environment's, and in its snapshot

    def __init__(self, env: TurnEnv[Any], play: Play, render_mode: str | None = None) -> None:
        super().__init__(env.split, render_mode)
        self.env = env.spawn()
        self.play = play
        self.blocking = env.blocking
        self._table, self._fresh = Table(), True

    @property
    def splits(self) -> tuple[str, ...]:
        return self.env.splits

    def tasks(self, split: str) -> Sequence[TaskId]:
        return self.env.tasks(split)

    @property
    def data_hash(self) -> str:
        return hashlib.blake2b(
            f"{self.env.data_hash}\n{self.play!r}".encode(), digest_size=16
        ).hexdigest()

    def _begin(self, task: TaskId) -> Outcome:
        observation, info = self.env.reset(
            seed=self._seed, options={"task": task, "split": self._split}
        )
        self._table, self._fresh = Table(), True
        return self._outcome(observation, info, info["tags"])

    def _act(self, action: str) -> Outcome:
        assert self._last is not None
        table, who = self._table, self.play.agent(self._table)
        move = self.play.hear(table, action)
        if self._last.terminated:
            move = replace(
                move, board=table.board, action=action
            )  # what comes after the end is the environment's to say
        if move.action is None:
            self._table, self._fresh = replace(table, board=move.board), False
            observation = f"{who}: {action}" if move.valid else f"{who}: {action}\n{NOT_ASKED}"
            return self._outcome(observation, self._env_info(), (), valid=move.valid)
        observation, reward, terminated, _, info = self.env.step(move.action)
        self._table, self._fresh = Table(move.board, table.acts + 1), True
        valid = move.valid and bool(info["valid"])
        made = self._outcome(
            observation, info, info["tags"], valid=valid, reward=reward, terminated=terminated
        )
        return replace(made, rewards=dict(info["rewards"]))

    def expert_action(self) -> str | None:
        """What an expert of the role whose turn it is says; None where the environment has no
        expert.
        """
        action = self.env.expert_action()
        if action is None or self._last is None:
            return None
        return self.play.expert(self._table, action, self._last.instruction)

    def _outcome(
        self, observation: str, info: Mapping[str, Any], tags: Sequence[str], *, valid: bool = True, reward: float = 0.0,
        terminated: bool = False,
    ) -> Outcome:  # fmt: skip
        state = hashlib.blake2b(
            repr((info["state"], self._table)).encode("utf8", "surrogatepass"), digest_size=8
        ).hexdigest()
        return Outcome(
            observation=observation, instruction=info["instruction"],
            admissible=self.play.admissible(self._table, info["admissible"]), state=state, reward=reward, terminated=terminated,
            valid=valid, success=info["success"], score=info["score"], tags=list(tags),
        )  # fmt: skip

    def _env_info(self) -> dict[str, Any]:
        assert self.env._last is not None
        return cast(dict[str, Any], self.env._info(self.env._last))

    def _info(self, last: Outcome) -> TeamInfo:
        table = self._table
        return TeamInfo(
            **super()._info(last),
            agent=self.play.agent(table),
            board=table.board,
            fresh=self._fresh,
            env=self._env_info(),
        )

    # Snapshots, forks
    # ---------------------------------------------------------------------------------------------

    def _save(self) -> Kept:
        assert self._last is not None
        return Kept(self.env.snapshot(), self._table, self._fresh, self._last)

    def _load(self, state: Kept) -> None:
        self.env.restore(state.env)
        self._table, self._fresh, self._last = state.table, state.fresh, state.last

    def spawn(self) -> Self:
        other = super().spawn()
        other.env = self.env.spawn()
        return other

    def fork(self) -> Self:
        """A second environment that continues from here; the environment within is forked in its
        own way.
        """
        other = super().spawn()
        other.env = self.env.fork()
        other._task, other._actions, other._last = self._task, list(self._actions), self._last
        return other

    def close(self) -> None:
        self.env.close()


class TeamAgent:
    """Asks the agent whose turn it is.

    Args:
        members: an agent for each role.
        team: what they play; its name stands for the prompt in a score.

    Raises:
        ConfigError: for an observation that names nobody, or somebody else.
    """

    name = "team"

    def __init__(self, members: Mapping[str, Agent], team: Team | None = None) -> None:
        self.members = dict(members)
        self.prompt = team
        self.sampling = getattr(next(iter(self.members.values()), None), "sampling", None)

    def begin(
        self, episode: Episode, history: Sequence[Step] = (), turns: Sequence[Turn] = ()
    ) -> Actor:
        return _TeamActor(self, episode, history, turns)


class _TeamActor:
    def __init__(
        self, agent: TeamAgent, episode: Episode, history: Sequence[Step], turns: Sequence[Turn]
    ) -> None:
        self.agent = agent
        self.episode = episode
        self.past = tuple(history), tuple(turns)
        self.actors: dict[str, Actor] = {}

    async def act(self, history: Sequence[Step], env: gymnasium.Env[str, str]) -> Act:
        role = history[-1].info.get("agent")
        if role not in self.agent.members:
            raise ConfigError(
                f"it is {role!r} who should act and the team has {', '.join(self.agent.members)}: play it in a TeamEnv"
            )
        if role not in self.actors:
            self.actors[role] = self._begin(role)
        return replace(await self.actors[role].act(history, env), agent=role)

    def _begin(self, role: str) -> Actor:
        """The actor of a role; in a forked episode it is told the past up to its own last turn,
        which is what it said.
        """
        history, turns = self.past
        own = max((k + 1 for k, turn in enumerate(turns) if turn.agent == role), default=0)
        return self.agent.members[role].begin(self.episode, history[:own], turns[:own])

    async def end(self) -> None:
        for actor in self.actors.values():
            await actor.end()
