"""The model a config asks for: made on the spot, or any Hugging Face directory or id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from turnwise.agents.agent import Agent
from turnwise.agents.driver import MakeEnv, episodes_for, play
from turnwise.agents.engines.transformers.pretrained import load
from turnwise.agents.scripted import ExpertAgent, RandomAgent
from turnwise.agents.teams.team import Team
from turnwise.envs.prompt import Prompt, Step
from turnwise.errors import ConfigError, DataError
from turnwise.records import TaskId, Trajectory
from turnwise.training.config import Lora, Model, Tiny
from turnwise.training.tiny import save_tiny


def device_of(name: str) -> torch.device:
    """`auto` is a GPU where there is one. Raises `ConfigError` for a GPU that is not there."""
    present = torch.cuda.is_available()
    if name == "cuda" and not present:
        raise ConfigError(
            "model.device is 'cuda' and this machine shows no GPU to torch: use 'auto' or 'cpu'"
        )
    return torch.device("cuda" if name == "cuda" or (name == "auto" and present) else "cpu")


def autocasts(settings: Model, device: torch.device) -> bool:
    """Whether matrix products are done in bfloat16; `auto` asks the hardware."""
    if settings.mixed_precision != "auto":
        return settings.mixed_precision == "yes"
    if device.type == "cuda":
        return settings.dtype == "float32" and torch.cuda.is_bf16_supported()
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def texts_of(
    make_env: MakeEnv, prompt: Prompt | Team, tasks: Sequence[TaskId], split: str, max_turns: int | None
) -> list[str]:  # fmt: skip
    """What an agent, or a team, reads and writes on these tasks, the expert playing half of them
    (or none) and chance the rest.
    """
    half = len(tasks) // 2
    prompts: Mapping[str, Prompt] = prompt.prompts if isinstance(prompt, Team) else {"": prompt}
    only = next(iter(prompts.values()))

    def played(agent: Agent, chosen: Sequence[TaskId]) -> list[Trajectory]:
        player = prompt.agent(lambda role, own: agent) if isinstance(prompt, Team) else agent
        return play(episodes_for(chosen, 1, split), make_env, player, max_turns=max_turns)

    by_chance = played(RandomAgent(), tasks[half:])
    experts = played(ExpertAgent(), tasks[:half]) if has_expert(make_env) else []
    texts: list[str] = []
    for trajectory in [*experts, *by_chance]:
        for turn in trajectory.turns:
            texts += [
                "user\n",
                turn.observation,
                "assistant\n",
                prompts.get(turn.agent, only).reply(turn.action),
            ]
    first = next((turn for trajectory in by_chance for turn in trajectory.turns), None)
    if first is None:
        why = by_chance[0].error if by_chance else "there is no task"
        raise DataError(f"no episode could be played to make a tokenizer from: {why}")
    step = Step(first.observation, {"admissible": [], "instruction": first.observation})
    rules = [
        m["content"]
        for own in prompts.values()
        for m in own.messages([step])
        if m["role"] == "system"
    ]
    cues = [f"\n{role}:" for role in prompts if role]
    return [*texts, *(["system\n", *rules, *cues] * len(by_chance))]


def has_expert(make_env: MakeEnv) -> bool:
    """Whether the environment can say what an expert does."""
    env = make_env()
    env.reset(seed=0)
    ask: Any = getattr(env.unwrapped, "expert_action", None)
    return ask is not None and ask() is not None


def make_tiny(
    directory: Path, settings: Tiny, make_env: MakeEnv, prompt: Prompt | Team, tasks: Sequence[TaskId], split: str,
    max_turns: int | None, seed: int,
) -> None:  # fmt: skip
    """Write a tiny model and its tokenizer, trained on `settings.texts` tasks evenly spread over
    those given.
    """
    spread = tasks[:: max(1, len(tasks) // settings.texts)][: settings.texts]
    save_tiny(directory, texts_of(make_env, prompt, spread, split, max_turns), settings, seed)


def load_model(path: str | Path, settings: Model, seed: int = 0) -> tuple[nn.Module, Any]:
    """A model to be trained and its tokenizer.

    Raises:
        DataError: when it is not there or cannot be loaded.
        ConfigError: without a chat template, or without peft when adapters are asked for.
    """
    model, tokenizer = load(str(path), str(device_of(settings.device)), settings.dtype)
    if settings.chat_template:
        template = Path(settings.chat_template)
        if not template.is_file():
            raise ConfigError(
                f"there is no chat template {template}: give the path of a Jinja file as model.chat_template"
            )
        tokenizer.chat_template = template.read_text(encoding="utf8")
    if not tokenizer.chat_template:
        raise ConfigError(
            f"the tokenizer of {path} has no chat template: give a Jinja file as model.chat_template"
        )
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # of the adapters
        return (adapted(model, settings.lora) if settings.lora is not None else model), tokenizer


def adapted(model: nn.Module, settings: Lora) -> nn.Module:
    """The model with low-rank adapters, which alone are trained. Raises `ConfigError` without peft."""
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as problem:
        raise ConfigError(
            "[model.lora] needs peft: install it with pip install 'turnwise[train]'"
        ) from problem
    targets = settings.targets if isinstance(settings.targets, str) else list(settings.targets)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )
    made: nn.Module = get_peft_model(model, config)
    return made
