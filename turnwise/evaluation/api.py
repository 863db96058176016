"""`turnwise.rollout` and `turnwise.evaluate`: play and measure in one call.

Environments and agents may be given by name. Both functions return when all is played, also where
an event loop already runs, as in a notebook. `turnwise eval` is `evaluate` with options.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypedDict, TypeVar, Unpack

from turnwise.agents.agent import Agent
from turnwise.agents.driver import episodes_for
from turnwise.agents.driver import rollout as play_episodes
from turnwise.agents.engines.base import Sampling
from turnwise.agents.named import AgentRequest, open_agent
from turnwise.agents.scripted import ReplayAgent
from turnwise.agents.teams import make_team
from turnwise.agents.teams.team import Team, TeamEnv
from turnwise.envs.base import TurnEnv
from turnwise.envs.registry import (
    EnvFactory,
    EnvSpec,
    env_spec,
    make,
    make_prompt,
    prompt_names,
)
from turnwise.errors import ConfigError
from turnwise.evaluation.runner import Claim, choose_tasks, evaluation
from turnwise.evaluation.score import Score, check_comparable
from turnwise.records import TaskId, Trajectory

AnyEnv: TypeAlias = str | EnvSpec | EnvFactory | TurnEnv[Any]
Result = TypeVar("Result")


class AgentOptions(TypedDict, total=False):
    """Settings of an agent that is given by name; see `AgentRequest`."""

    prompt: str
    """A name, import path or file. By default the prompt the model was trained with, or the
    environment's."""
    temperature: float
    """0, the default, is greedy."""
    top_p: float
    max_tokens: int
    """Most tokens of one reply; 256 by default."""
    tokenizer: str
    chat_template: str
    device: str
    dtype: str
    engine: str
    engine_options: Mapping[str, Any]


def rollout(
    env: AnyEnv,
    agent: str | Agent = "expert",
    *,
    tasks: int | Sequence[TaskId] = 1,
    n: int = 1,
    split: str = "",
    seed: int = 0,
    max_turns: int | None = None,
    env_options: Mapping[str, Any] | None = None,
    concurrency: int = 64,
    **options: Unpack[AgentOptions],
) -> list[Trajectory]:
    """Play episodes and return what was recorded.

        trajectories = turnwise.rollout("webshop", "expert", tasks=4)
        print(trajectories[0].score, [turn.action for turn in trajectories[0].turns])

    Args:
        env: a name, an id, an import path, an `EnvSpec`, a class, or an environment.
        agent: an `Agent`, or one by name: `expert`, `random`, `always:ACTION`, a model's directory
            or hub id, `openai:MODEL@URL`, `module:attribute` (see `turnwise.agents.named`).
        tasks: how many tasks of the split, drawn by `seed`; or the tasks themselves.
        n: episodes of each task.
        split: the environment's training split when empty.
        max_turns: the turn limit; the environment's own by default.
        env_options: settings of the environment.
        concurrency: episodes played at once.
        options: settings of an agent given by name; see `AgentOptions`.

    Returns:
        `n` trajectories for each task, in the order of the tasks.

    Raises:
        ConfigError, TaskError: for a mistake in the arguments.
        DataError: for a model that cannot be read.
    """
    setup = _set_up(env, agent, env_options, max_turns, seed, concurrency, options)
    chosen = split or setup.env.splits[0]
    ids = choose_tasks(setup.env, chosen, tasks, seed) if isinstance(tasks, int) else list(tasks)
    episodes = episodes_for(ids, n, chosen, seed)

    async def played() -> list[Trajectory]:
        async with setup.opened() as acting:
            return await play_episodes(
                episodes, setup.env.spawn, acting, max_turns=setup.max_turns,
                concurrency=concurrency,
            )  # fmt: skip

    return run_to_end(played())


def evaluate(
    env: AnyEnv,
    agent: str | Agent = "expert",
    *,
    tasks: int | Sequence[TaskId] | None = None,
    attempts: int = 1,
    split: str = "",
    seed: int = 0,
    max_turns: int | None = None,
    env_options: Mapping[str, Any] | None = None,
    baseline: Score | None = None,
    concurrency: int = 64,
    progress: bool = False,
    note: Callable[[str], None] = lambda sentence: None,
    **options: Unpack[AgentOptions],
) -> tuple[Score, list[Trajectory]]:
    """Measure an agent on a split.

        score, trajectories = turnwise.evaluate("webshop", "expert", tasks=100)
        print(score.metrics.success)

    Args:
        env, agent, max_turns, env_options, concurrency, options: as in `rollout`.
        tasks: how many tasks of the split, drawn by `seed`; the tasks themselves; or all.
        attempts: episodes of each task; more than one gives pass@k.
        split: the environment's evaluation split when empty.
        seed: seeds the choice of tasks, every episode and the intervals.
        baseline: an earlier score; whether the two can be compared is checked before anything is
            played.
        progress: whether a terminal shows a bar.
        note: called with remarks, such as settings that the run folder of a model names.

    Returns:
        The score, with 95 % intervals over tasks, and the trajectories it was taken from.

    Raises:
        ConfigError, TaskError: for a mistake in the arguments.
        DataError: for a model, recording or baseline that does not fit.
    """
    setup = _set_up(env, agent, env_options, max_turns, seed, concurrency, options, note)
    chosen = split or setup.spec.eval_split
    if chosen not in setup.env.splits and not split:
        raise ConfigError(
            f"the evaluation split of {setup.spec.name} is {chosen!r}, and it has no such split: "
            f"set its eval_split, or choose one of {', '.join(setup.env.splits)}"
        )
    if baseline is not None:
        check_comparable(baseline, setup.spec.id, setup.env.data_hash, chosen)
    name = agent if isinstance(agent, str) else agent.name
    claim = Claim(setup.spec.id, setup.env_options, name)

    async def measured() -> tuple[Score, list[Trajectory]]:
        async with setup.opened() as acting:
            recorded = acting.episodes() if isinstance(acting, ReplayAgent) else None
            return await evaluation(
                setup.env.spawn, acting, split=chosen, tasks=tasks, attempts=attempts, seed=seed,
                max_turns=setup.max_turns, episodes=recorded, claim=claim,
                concurrency=concurrency, progress=progress,
            )  # fmt: skip

    return run_to_end(measured())


@dataclass(frozen=True, slots=True)
class _Setup:
    """The environment and the agent of one call."""

    spec: EnvSpec
    env: TurnEnv[Any]
    env_options: Mapping[str, Any]
    max_turns: int
    agent: AgentRequest | Agent

    def opened(self) -> AbstractAsyncContextManager[Agent]:
        if isinstance(self.agent, AgentRequest):
            return open_agent(self.agent)
        return nullcontext(self.agent)


def _set_up(
    env: AnyEnv, agent: str | Agent, env_options: Mapping[str, Any] | None, max_turns: int | None,
    seed: int, concurrency: int, options: AgentOptions,
    note: Callable[[str], None] = lambda sentence: None,
) -> _Setup:  # fmt: skip
    run = (
        RunOfModel(Path(agent).parent) if isinstance(agent, str) and Path(agent).is_dir() else None
    )
    settings = dict(env_options or {})
    if run is not None and not settings and isinstance(env, str):
        settings = run.env_options(env, note)
    if isinstance(env, TurnEnv):
        spec, playable = _spec_of_instance(env), env.spawn()
    else:
        spec = env_spec(env)
        playable = make(spec, **settings)
    team = run.team() if run is not None else None
    if team is not None:
        playable = TeamEnv(playable, team.orchestration)
    limit = max_turns or spec.max_turns * (len(team.orchestration.roles) if team is not None else 1)
    if not isinstance(agent, str):
        if isinstance(agent, type) or not hasattr(agent, "begin"):
            raise ConfigError(
                f"the agent is {agent!r}: give an instance of an Agent, or the name of one"
            )
        return _Setup(spec, playable, settings, limit, agent)
    given = dict(options)
    sampling = Sampling(
        temperature=options.get("temperature", 0.0), top_p=options.get("top_p", 1.0),
        max_tokens=options.get("max_tokens", 256), seed=seed,
    )  # fmt: skip
    for name in ("temperature", "top_p", "max_tokens"):
        given.pop(name, None)
    prompt = str(given.pop("prompt", "") or "")
    if prompt:
        make_prompt(prompt)  # a misspelt name is an error for agents without a prompt, too
    if not prompt and run is not None:
        prompt = run.prompt(playable, note)
    request = AgentRequest(
        agent,
        prompt or spec.prompt,
        sampling,
        slots=concurrency,
        team=team,
        **given,  # type: ignore[arg-type]
    )
    return _Setup(spec, playable, settings, limit, request)


def _spec_of_instance(env: TurnEnv[Any]) -> EnvSpec:
    kind = type(env)
    path = env.spec.id if env.spec is not None else f"{kind.__module__}:{kind.__qualname__}"
    return EnvSpec(path, kind, env.max_turns, env.default_prompt, env.eval_split, name=path)


def run_to_end(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine and return its result, also where an event loop runs already."""
    return outside_loop(lambda: asyncio.run(work))


def outside_loop(function: Callable[[], Result]) -> Result:
    """Call a function that starts an event loop: in a thread where one runs already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return function()
    with ThreadPoolExecutor(1, thread_name_prefix="turnwise") as pool:
        return pool.submit(function).result()


# Settings from the run folder of a trained model
# -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunOfModel:
    """The folder above a model's directory; without effect unless it is a run folder."""

    folder: Path

    def env_options(self, env: str, note: Callable[[str], None]) -> dict[str, Any]:
        """Return the settings of the environment that the model was trained in."""
        section = self._read("config.json").get("env", {})
        if section.get("name") != env:
            return {}
        found = dict(section.get("options", {}))
        if found:
            listed = " ".join(f"{name}={value}" for name, value in found.items())
            note(
                f"using the environment settings this model was trained with ({listed}); pass "
                "settings to replace them"
            )
        return found

    def team(self) -> Team | None:
        """Return the team whose models the run trained; None for a single agent."""
        section = self._read("config.json").get("team", {})
        if not section.get("name"):
            return None
        return make_team(section["name"], section["style"], **section["options"])

    def prompt(self, env: TurnEnv[Any], note: Callable[[str], None]) -> str:
        """Return the prompt the model was trained with; empty if unknown."""
        facts = self._read("facts.json")
        if facts and facts.get("data_hash") != env.data_hash:
            note(
                "this model was trained on other data or with other settings than these; pass "
                "those of its run to the environment"
            )
        # A prompt of a user's own was named by its import path, and its own name is not known.
        named = str(self._read("config.json").get("prompt", {}).get("name", ""))
        recorded = str(facts.get("prompt", ""))
        return named or (recorded if recorded in prompt_names() else "")

    def _read(self, name: str) -> dict[str, Any]:
        file = self.folder / name
        return json.loads(file.read_text(encoding="utf8")) if file.is_file() else {}
