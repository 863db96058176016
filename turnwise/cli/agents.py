"""`--agent`: the text that names an agent, and the agent it means.

expert                    the environment's own expert
random                    uniformly among the admissible actions
replay:FILE               the actions of recorded trajectories
openai:MODEL@URL          a model behind an OpenAI-compatible endpoint
DIRECTORY or hub id       a transformers model, run here
"""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turnwise.agents.agent import Agent, ModelAgent
from turnwise.agents.engine import Engine, Sampling
from turnwise.agents.prompt import prompt as prompt_named
from turnwise.agents.renderer import Renderer
from turnwise.agents.scripted import ExpertAgent, RandomAgent, ReplayAgent
from turnwise.cli.models import load, tokenizer_of
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
    """Directory or hub id of an endpoint's tokenizer; a model's own when empty."""
    chat_template: str = ""
    device: str = "auto"
    dtype: str = "auto"
    slots: int = 64
    max_context: int | None = None


@asynccontextmanager
async def opened(request: Request) -> AsyncIterator[Agent]:
    """The agent, its engine closed afterwards.

    Raises:
        ConfigError: for an unknown agent or prompt, or a tokenizer that cannot render a dialogue.
        DataError: for a recording or a model that cannot be read.
        EngineError: for an endpoint that cannot be reached.
    """
    kind, _, rest = request.spec.partition(":")
    if request.spec == "expert":
        yield ExpertAgent()
    elif request.spec == "random":
        yield RandomAgent(request.sampling.seed or 0)
    elif kind == "replay":
        yield ReplayAgent(_whole(rest))
    else:
        if difflib.get_close_matches(request.spec, SCRIPTED, n=1, cutoff=0.7) and not Path(request.spec).exists():
            raise unknown("agent", request.spec, SCRIPTED)
        chosen = prompt_named(request.prompt)  # before anything heavy is loaded
        engine, tokenizer = _endpoint(rest, request) if kind == "openai" else _local(request)
        try:
            renderer = Renderer(tokenizer, template=request.chat_template or None)
            yield ModelAgent(engine, tokenizer, chosen, request.sampling, request.max_context, renderer=renderer)
        finally:
            await engine.close()


def _whole(path: str) -> list[Trajectory]:
    """The recordings that did not break off: repeating half an episode would score it as a failure."""
    recorded = [trajectory for trajectory in read_jsonl(path) if trajectory.error is None]
    if not recorded:
        raise DataError(f"{path} holds no episode that was played to its end, so there is nothing to replay")
    return recorded


def _endpoint(spec: str, request: Request) -> tuple[Engine, Any]:
    from turnwise.agents.openai_engine import OpenAIEngine

    model, at, url = spec.rpartition("@")
    if not at or not model or not url.startswith(("http://", "https://")):
        raise ConfigError(
            f"openai:{spec} does not name an endpoint: write openai:MODEL@URL, such as openai:qwen@http://localhost:8000/v1"
        )
    return OpenAIEngine(url, model), tokenizer_of(request.tokenizer or model)


def _local(request: Request) -> tuple[Engine, Any]:
    model, tokenizer = load(request.spec, request.device, request.dtype)
    from turnwise.agents.transformers_engine import TransformersEngine

    return TransformersEngine(model, slots=request.slots, max_context=request.max_context), tokenizer
