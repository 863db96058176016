"""Teams: several agents act in one environment, and each turn is one message of one of them.

A `TeamEnv` is an environment with an `Orchestration` between the agents and another environment.
Its actions are messages; one that does not end a round changes only the board and has no reward.
So a team's episode is an ordinary trajectory whose turns record who acted (`Turn.agent`), and
rollouts, forks, credit and training need nothing special.

A `TeamAgent` has an agent for each role and asks the one whose turn it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, cast

import gymnasium

from turnwise.agents.agent import Act, Actor, Agent, Episode
from turnwise.agents.teams.orchestration import Orchestration, TeamMessage, TeamState
from turnwise.agents.teams.role_prompt import RolePrompt
from turnwise.envs.base import Info, Outcome, Snapshot, TaskId, TurnEnv
from turnwise.envs.prompt import Prompt, Step
from turnwise.errors import ConfigError, unknown
from turnwise.records import Turn

MALFORMED = "That is not of the form asked for."


@dataclass(frozen=True, slots=True)
class Team:
    """An orchestration and a prompt for each of its roles."""

    orchestration: Orchestration
    prompts: Mapping[str, Prompt]
    name: str
    """Recorded as the prompt of a score, such as `solver_verifier/act@1`."""

    @classmethod
    def with_style(
        cls, orchestration: Orchestration, styles: Mapping[str, Sequence[RolePrompt]], style: str
    ) -> Self:
        """Return a team with the prompts of one style.

        Raises:
            ConfigError: for an unknown style.
        """
        if style not in styles:
            raise unknown("style", style, styles, f"team {orchestration.name!r}")
        prompts = styles[style]
        return cls(orchestration, {prompt.role: prompt for prompt in prompts}, prompts[0].name)

    def agent(self, member: Callable[[str, Prompt], Agent]) -> TeamAgent:
        """Return the team as an agent; `member` makes the agent of a role from its prompt."""
        roles = self.orchestration.roles
        return TeamAgent({role: member(role, self.prompts[role]) for role in roles}, self)


class TeamInfo(Info):
    """`Info` and the team's state. `admissible`, `valid` and `tags` are those of the message."""

    agent: str
    """Role that acts now."""
    board: tuple[TeamMessage, ...]
    """Messages of this round."""
    fresh: bool
    """Whether the observation is the environment's own rather than a teammate's message."""
    env: dict[str, Any]
    """The environment's own info."""


@dataclass(frozen=True, slots=True)
class TeamSnapshot:
    """Saved state of a team's episode: the environment's, and the team's."""

    env: Snapshot[Any]
    state: TeamState
    fresh: bool
    last: Outcome


class TeamEnv(TurnEnv[TeamSnapshot]):
    """`env`, played by a team.

    Args:
        env: the environment; a new instance is spawned from it.
        orchestration: decides which role acts when.
    """

    stochastic = False  # random numbers are the inner environment's, and in its snapshot

    def __init__(
        self, env: TurnEnv[Any], orchestration: Orchestration, render_mode: str | None = None
    ) -> None:
        super().__init__(env.split, render_mode)
        self.env = env.spawn()
        self.orchestration = orchestration
        self.blocking = env.blocking
        self._state, self._fresh = TeamState(), True

    @property
    def splits(self) -> tuple[str, ...]:
        return self.env.splits

    def tasks(self, split: str) -> Sequence[TaskId]:
        return self.env.tasks(split)

    @property
    def data_hash(self) -> str:
        """Hash of the environment's data and the orchestration with its options."""
        return hashlib.blake2b(
            f"{self.env.data_hash}\n{self.orchestration!r}".encode(), digest_size=16
        ).hexdigest()

    def _begin(self, task: TaskId) -> Outcome:
        observation, info = self.env.reset(
            seed=self._seed, options={"task": task, "split": self._split}
        )
        self._state, self._fresh = TeamState(), True
        return self._outcome(observation, info, info["tags"])

    def _act(self, action: str) -> Outcome:
        assert self._last is not None
        state, role = self._state, self.orchestration.agent(self._state)
        result = self.orchestration.receive(state, action)
        if self._last.terminated:
            # The environment answers whatever comes after its end.
            result = replace(result, board=state.board, action=action)
        if result.action is None:
            self._state, self._fresh = replace(state, board=result.board), False
            message = f"{role}: {action}"
            observation = message if result.valid else f"{message}\n{MALFORMED}"
            return self._outcome(observation, self._env_info(), (), valid=result.valid)
        observation, reward, terminated, _, info = self.env.step(result.action)
        self._state, self._fresh = TeamState(result.board, state.steps + 1), True
        outcome = self._outcome(
            observation, info, info["tags"], valid=result.valid and bool(info["valid"]),
            reward=reward, terminated=terminated,
        )  # fmt: skip
        return replace(outcome, rewards=dict(info["rewards"]))

    def expert_action(self) -> str | None:
        """Return the expert message of the role that acts now; None without an expert."""
        action = self.env.expert_action()
        if action is None or self._last is None:
            return None
        return self.orchestration.expert(self._state, action, self._last.instruction)

    def _outcome(
        self,
        observation: str,
        info: Mapping[str, Any],
        tags: Sequence[str],
        *,
        valid: bool = True,
        reward: float = 0.0,
        terminated: bool = False,
    ) -> Outcome:
        # Plain tuples, so that recorded hashes do not depend on the names of classes.
        board = [tuple(message) for message in self._state.board]
        state = repr((info["state"], board, self._state.steps)).encode("utf8", "surrogatepass")
        return Outcome(
            observation=observation, instruction=info["instruction"],
            admissible=self.orchestration.admissible(self._state, info["admissible"]),
            state=hashlib.blake2b(state, digest_size=8).hexdigest(), reward=reward,
            terminated=terminated, valid=valid, success=info["success"], score=info["score"],
            tags=list(tags),
        )  # fmt: skip

    def _env_info(self) -> dict[str, Any]:
        assert self.env._last is not None
        return cast(dict[str, Any], self.env._info(self.env._last))

    def _info(self, last: Outcome) -> TeamInfo:
        return TeamInfo(
            **super()._info(last),
            agent=self.orchestration.agent(self._state),
            board=self._state.board,
            fresh=self._fresh,
            env=self._env_info(),
        )

    # Snapshots, forks

    def _save(self) -> TeamSnapshot:
        assert self._last is not None
        return TeamSnapshot(self.env.snapshot(), self._state, self._fresh, self._last)

    def _load(self, state: TeamSnapshot) -> None:
        self.env.restore(state.env)
        self._state, self._fresh, self._last = state.state, state.fresh, state.last

    def spawn(self) -> Self:
        other = super().spawn()
        other.env = self.env.spawn()
        return other

    def fork(self) -> Self:
        """Return an environment that continues from here; the inner one is forked its own way."""
        # Restoring a snapshot could replay an environment whose own fork is a copy.
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
        team: recorded in place of a prompt in a score.

    Raises:
        ConfigError: for an observation that names no member as the one to act.
    """

    name = "team"

    def __init__(self, members: Mapping[str, Agent], team: Team | None = None) -> None:
        self.members = dict(members)
        self.prompt = team
        self.sampling = getattr(next(iter(self.members.values()), None), "sampling", None)

    def begin(
        self, episode: Episode, history: Sequence[Step] = (), turns: Sequence[Turn] = ()
    ) -> Actor:
        """Return an actor that begins each member's actor when it first acts."""
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
                f"role {role!r} should act, and the team has only {', '.join(self.agent.members)}: "
                "play the team in a TeamEnv"
            )
        if role not in self.actors:
            self.actors[role] = self._begin(role)
        return replace(await self.actors[role].act(history, env), agent=role)

    def _begin(self, role: str) -> Actor:
        """Begin the actor of a role, with a fork's past up to the role's own last turn."""
        history, turns = self.past
        own = max((k + 1 for k, turn in enumerate(turns) if turn.agent == role), default=0)
        return self.agent.members[role].begin(self.episode, history[:own], turns[:own])

    async def end(self) -> None:
        for actor in self.actors.values():
            await actor.end()
