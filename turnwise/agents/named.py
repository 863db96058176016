"""Agents by name, as `--agent` and `turnwise.evaluate` take them.

expert                    the environment's own expert
random                    uniformly among the admissible actions
always:ACTION             the same action every turn, such as always:submit
replay:FILE               the actions of recorded trajectories
openai:MODEL@URL          a model behind an OpenAI-compatible endpoint
MODULE:ATTRIBUTE          an agent of your own: an `Agent`, its class, or a function that makes one
DIRECTORY or hub id       a transformers model, run here; or the models of a team that was trained
"""

from __future__ import annotations

import difflib
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from turnwise.agents.agent import Agent, ModelAgent
from turnwise.agents.engines.base import Engine, EngineContext, Sampling
from turnwise.agents.engines.openai import ChatAgent, OpenAIEngine
from turnwise.agents.engines.registry import make_engine
from turnwise.agents.engines.transformers.pretrained import load, tokenizer_of
from turnwise.agents.renderer import Renderer
from turnwise.agents.scripted import AlwaysAgent, ExpertAgent, RandomAgent, ReplayAgent
from turnwise.agents.teams.team import Team, TeamAgent
from turnwise.envs.prompt import Prompt
from turnwise.envs.registry import make_prompt
from turnwise.errors import ConfigError, DataError, unknown
from turnwise.plugins import call_factory, import_object
from turnwise.records import Trajectory, read_jsonl

SCRIPTED = ("expert", "random")
AGENT_FORMS = (
    "always:ACTION", "replay:FILE", "openai:MODEL@URL", "module:attribute",
    "a model's directory or hub id",
)  # fmt: skip
IMPORT_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


@dataclass(frozen=True, slots=True)
class AgentRequest:
    """An agent by name, and the settings that a model needs."""

    spec: str
    prompt: str
    sampling: Sampling
    tokenizer: str = ""
    """Directory or hub id of a tokenizer. An endpoint is then sent token ids instead of chat
    messages; an engine of your own needs one where `spec` has none."""
    chat_template: str = ""
    """A Jinja file in place of the tokenizer's template."""
    device: str = "auto"
    dtype: str = "auto"
    slots: int = 64
    """Sequences that an engine holds at once."""
    max_context: int | None = None
    engine: str = "transformers"
    """A known name or an import path `module:factory`."""
    engine_options: Mapping[str, Any] = field(default_factory=dict)
    team: Team | None = None
    """The team that plays with the models of the directory; it has prompts of its own."""


@asynccontextmanager
async def open_agent(request: AgentRequest) -> AsyncIterator[Agent]:
    """Make the agent, and close its engine afterwards.

    Raises:
        ConfigError: for an unknown agent, prompt or engine, or a tokenizer that cannot render a
            dialogue.
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
        yield ReplayAgent(_whole_episodes(rest))
    elif kind != "openai" and IMPORT_PATH.fullmatch(request.spec):
        yield _imported(request.spec)
    else:
        async with _closing(_model_agent(request, kind, rest)) as agent:
            yield agent


def _model_agent(request: AgentRequest, kind: str, rest: str) -> ModelAgent | ChatAgent | TeamAgent:
    if request.team is not None:
        return _team_agent(request, request.team)
    near = difflib.get_close_matches(request.spec, SCRIPTED, n=1, cutoff=0.7)
    if near and not Path(request.spec).exists():
        raise unknown("agent", request.spec, (*SCRIPTED, *AGENT_FORMS))
    prompt = make_prompt(request.prompt)  # before anything heavy is loaded
    return _endpoint(rest, request, prompt) if kind == "openai" else _local(request, prompt)


@asynccontextmanager
async def _closing(agent: ModelAgent | ChatAgent | TeamAgent) -> AsyncIterator[Agent]:
    members: list[Any] = list(agent.members.values()) if isinstance(agent, TeamAgent) else [agent]
    try:
        yield agent
    finally:
        engines = [getattr(member, "engine", member) for member in members]
        for engine in {id(one): one for one in engines}.values():
            await engine.close()


def _whole_episodes(path: str) -> list[Trajectory]:
    """Read the recordings that did not end in an error.

    Replaying half an episode would score it as a failure.
    """
    recorded = [trajectory for trajectory in read_jsonl(path) if trajectory.error is None]
    if not recorded:
        raise DataError(
            f"{path} has no complete episode to replay: give a recording in which at least one did "
            "not error"
        )
    return recorded


def _imported(path: str) -> Agent:
    found = import_object(path, "agent")
    ready = hasattr(found, "begin") and not isinstance(found, type)
    made = callable(found) and not ready
    agent = call_factory(found, f"agent {path!r}") if made else found
    lacking = [member for member in ("name", "begin") if not hasattr(agent, member)]
    if lacking:
        raise ConfigError(
            f"agent {path!r} is a {type(agent).__name__} without {' and '.join(lacking)}: see "
            "turnwise.agents.agent.Agent"
        )
    return agent


def _endpoint(spec: str, request: AgentRequest, prompt: Prompt) -> ModelAgent | ChatAgent:
    """Exchange token ids where a tokenizer is named, else chat messages."""
    model, at, url = spec.rpartition("@")
    if not at or not model:
        raise ConfigError(
            f"openai:{spec} does not name an endpoint: write openai:MODEL@URL, such as "
            "openai:qwen@http://localhost:8000/v1"
        )
    if not request.tokenizer:
        return ChatAgent(url, model, prompt, request.sampling)
    return _with_prompt(OpenAIEngine(url, model), tokenizer_of(request.tokenizer), request, prompt)


def _local(request: AgentRequest, prompt: Prompt) -> ModelAgent:
    model = None
    if request.engine == "transformers":  # tokenizer and weights are checked against each other
        model, tokenizer = load(request.spec, request.device, request.dtype)
    else:
        tokenizer = tokenizer_of(request.tokenizer or request.spec)
    context = EngineContext(
        model=model, path=request.spec, tokenizer=tokenizer, concurrency=request.slots,
        max_context=request.max_context,
        device="auto" if model is not None else request.device,
        dtype="auto" if model is not None else request.dtype,
    )  # fmt: skip
    engine = make_engine(request.engine, context, **request.engine_options)
    return _with_prompt(engine, tokenizer, request, prompt)


def _team_agent(request: AgentRequest, team: Team) -> TeamAgent:
    """Give every role the directory's model, or that of the role's own directory within it."""
    agents: dict[str, ModelAgent] = {}

    def member(role: str, prompt: Prompt) -> ModelAgent:
        own = Path(request.spec) / role
        spec = str(own) if own.is_dir() else request.spec
        if spec not in agents:
            agents[spec] = _local(replace(request, spec=spec), prompt)
        known = agents[spec]
        return ModelAgent(
            known.engine, known.renderer.tokenizer, prompt, request.sampling, request.max_context,
            role,
        )  # fmt: skip

    return team.agent(member)


def _with_prompt(
    engine: Engine, tokenizer: Any, request: AgentRequest, prompt: Prompt
) -> ModelAgent:
    renderer = Renderer.of(tokenizer, prompt, template=request.chat_template or None)
    return ModelAgent(
        engine, tokenizer, prompt, request.sampling, request.max_context, renderer=renderer
    )
