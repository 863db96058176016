"""`--agent`: the text that names an agent, and the agent it means.

expert                    the environment's own expert
random                    uniformly among the admissible actions
always:ACTION             the same action every turn, such as always:submit
replay:FILE               the actions of recorded trajectories
openai:MODEL@URL          a model behind an OpenAI-compatible endpoint
DIRECTORY or hub id       a transformers model, run here; or the models of a team that was trained
"""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from turnwise.agents.agent import Agent, ModelAgent
from turnwise.agents.engines.base import Engine, Sampling
from turnwise.agents.engines.openai import ChatAgent, OpenAIEngine
from turnwise.agents.engines.transformers.pretrained import load, tokenizer_of
from turnwise.agents.renderer import Renderer
from turnwise.agents.scripted import AlwaysAgent, ExpertAgent, RandomAgent, ReplayAgent
from turnwise.agents.teams.team import Team, TeamAgent
from turnwise.envs.prompt import Prompt
from turnwise.envs.registry import make_prompt
from turnwise.errors import ConfigError, DataError, unknown
from turnwise.records import Trajectory, read_jsonl

SCRIPTED = ("expert", "random")


@dataclass(frozen=True, slots=True)
class Request:
    """What the options of the command line say about an agent."""

    spec: str
    prompt: str
    sampling: Sampling
    tokenizer: str = ""
    """Directory or hub id of an endpoint's tokenizer: it is then sent token ids. Without one it is
    sent chat messages.
    """
    chat_template: str = ""
    device: str = "auto"
    dtype: str = "auto"
    slots: int = 64
    max_context: int | None = None
    team: Team | None = None
    """Who plays with the models of the directory; it has prompts of its own."""


@asynccontextmanager
async def opened(request: Request) -> AsyncIterator[Agent]:
    """The agent, its engine closed afterwards.

    Raises:
        ConfigError: for an unknown agent or prompt, or a tokenizer that cannot render a dialogue.
        DataError: for a recording or a model that cannot be read.
    """
    kind, _, rest = request.spec.partition(":")
    if request.spec == "expert":
        yield ExpertAgent()
    elif request.spec == "random":
        yield RandomAgent(request.sampling.seed or 0)
    elif kind == "always":
        yield AlwaysAgent(rest)
    elif kind == "replay":
        yield ReplayAgent(_whole(rest))
    elif request.team is not None:
        async with _closing(_team(request, request.team)) as agent:
            yield agent
    else:
        if (
            difflib.get_close_matches(request.spec, SCRIPTED, n=1, cutoff=0.7)
            and not Path(request.spec).exists()
        ):
            raise unknown("agent", request.spec, SCRIPTED)
        chosen = make_prompt(request.prompt)  # before anything heavy is loaded
        async with _closing(
            _endpoint(rest, request, chosen) if kind == "openai" else _local(request, chosen)
        ) as agent:
            yield agent


@asynccontextmanager
async def _closing(agent: ModelAgent | ChatAgent | TeamAgent) -> AsyncIterator[Agent]:
    members: list[Any] = list(agent.members.values()) if isinstance(agent, TeamAgent) else [agent]
    try:
        yield agent
    finally:
        engines = [getattr(member, "engine", member) for member in members]
        for engine in {id(one): one for one in engines}.values():
            await engine.close()


def _whole(path: str) -> list[Trajectory]:
    """The recordings that did not break off: repeating half an episode would score it as a failure."""
    recorded = [trajectory for trajectory in read_jsonl(path) if trajectory.error is None]
    if not recorded:
        raise DataError(
            f"{path} holds no episode that was played to its end, so there is nothing to replay"
        )
    return recorded


def _endpoint(spec: str, request: Request, prompt: Prompt) -> ModelAgent | ChatAgent:
    """Token ids in and out where a tokenizer is named, else chat completions, which any such server
    speaks.
    """
    model, at, url = spec.rpartition("@")
    if not at or not model:
        raise ConfigError(
            f"openai:{spec} does not name an endpoint: write openai:MODEL@URL, such as openai:qwen@http://localhost:8000/v1"
        )
    if not request.tokenizer:
        return ChatAgent(url, model, prompt, request.sampling)
    return _acting(OpenAIEngine(url, model), tokenizer_of(request.tokenizer), request, prompt)


def _local(request: Request, prompt: Prompt) -> ModelAgent:
    model, tokenizer = load(request.spec, request.device, request.dtype)
    from turnwise.agents.engines.transformers.engine import TransformersEngine

    engine = TransformersEngine(model, slots=request.slots, max_context=request.max_context)
    return _acting(engine, tokenizer, request, prompt)


def _team(request: Request, cast: Team) -> TeamAgent:
    """The directory's model in every role, or that of the role's own directory within it."""
    agents: dict[str, ModelAgent] = {}

    def member(role: str, prompt: Prompt) -> ModelAgent:
        own = Path(request.spec) / role
        spec = str(own) if own.is_dir() else request.spec
        if spec not in agents:
            agents[spec] = _local(replace(request, spec=spec), prompt)
        known = agents[spec]
        return ModelAgent(
            known.engine,
            known.renderer.tokenizer,
            prompt,
            request.sampling,
            request.max_context,
            role,
        )

    return cast.agent(member)


def _acting(engine: Engine, tokenizer: Any, request: Request, prompt: Prompt) -> ModelAgent:
    renderer = Renderer.of(tokenizer, prompt, template=request.chat_template or None)
    return ModelAgent(
        engine, tokenizer, prompt, request.sampling, request.max_context, renderer=renderer
    )
