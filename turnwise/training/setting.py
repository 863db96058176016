"""What a run stands on, made once and found again when it goes on: environment, prompt, model, warm start.

The model is made or loaded, warmed up, and written to `start/` with its tokenizer; a run that goes on reads it from there.
What it reads is what the first process read too, since that one also loads what it has just written.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from turnwise.agents.prompt import Prompt, prompt
from turnwise.agents.scripted import Demonstrator
from turnwise.algorithms import Recipe
from turnwise.envs.core import TurnEnv
from turnwise.envs.registration import card, make
from turnwise.errors import DataError, TaskError
from turnwise.evaluation.evaluate import Claim, evaluate
from turnwise.evaluation.score import Score, software_versions
from turnwise.records import Trajectory
from turnwise.training.checkpoint import weights
from turnwise.training.config import Config
from turnwise.training.learner import VALUES, Learner
from turnwise.training.model import autocasts, device_of, load_model, make_tiny
from turnwise.training.rollouts import Stage
from turnwise.training.run_folder import RunFolder, read_json, write_whole, write_whole_directory
from turnwise.training.terminal import Terminal
from turnwise.training.warm_start import Progressed, demonstrations, turn_likelihood, warm_start

HELD_OUT = 48
"""Demonstrations on the development split that say how well a warm start went."""


@dataclass(frozen=True, slots=True)
class Setting:
    """An environment, a stage to play on, and a model to train."""

    config: Config
    env: TurnEnv[Any]
    stage: Stage

    @property
    def model(self) -> nn.Module:
        return self.stage.model

    def learner(self, recipe: Recipe) -> Learner:
        """The learner of the reinforcement, with the model as it is now as its reference where the recipe wants one."""
        config, autocast = self.config, autocasts(self.config.model, device(self.model))
        return Learner(
            self.model, config.optimiser, temperature=config.rollout.temperature, autocast=autocast,
            gradient_checkpointing=config.model.gradient_checkpointing, seed=config.run.seed,
            reference=bool(recipe.requires & {"ref_logp", "given:ref_logp"}),
            critic=config.critic if recipe.requires & VALUES else None,
        )  # fmt: skip

    def save(self, directory: Path) -> None:
        """Write the model and its tokenizer as a Hugging Face directory."""
        write_whole_directory(directory, lambda beside: _save(self.model, self.stage.tokenizer, beside))


def device(model: nn.Module) -> torch.device:
    """Where a model is."""
    return next(model.parameters()).device


def prepare(config: Config, folder: RunFolder, say: Terminal) -> Setting:
    """Make or find everything. Raises what `load_model`, `make`, `prompt` and `demonstrations` raise."""
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    known = card(config.env.name)
    env = make(config.env.name, **config.env.options)
    told = prompt(config.prompt.name or known.prompt)
    limit = config.rollout.max_turns or known.max_turns
    device_of(config.model.device)
    for split in dict.fromkeys((config.rollout.split, config.eval.split)):
        if not len(env.tasks(split)):  # now and not after an hour of warm start
            raise TaskError(f"split {split!r} of {known.name} has no tasks: choose one of {', '.join(env.splits)}, or more data")
    if folder.fresh or not (folder.path / "facts.json").is_file():
        facts: dict[str, Any] = {
            "environment": known.id,
            "data_hash": env.data_hash,
            "prompt": told.name,
            "prompt_hash": prompt_hash(told),
        }
        facts |= {"versions": {**software_versions(), "platform": platform.platform()}}
        write_whole(folder.path / "facts.json", json.dumps(facts, indent=1) + "\n")
    _same_data(folder, env.data_hash)
    model, tokenizer = _started(config, folder, env, told, limit, say)
    torch.manual_seed(config.run.seed)
    return Setting(config, env, Stage(env.spawn, told, tokenizer, model, config, limit))


def _same_data(folder: RunFolder, now: str) -> None:
    """A run goes on only over the data it began with: its tasks, and the score before, would mean something else."""
    was = read_json(folder.path / "facts.json").get("data_hash")
    if was != now:
        raise DataError(
            f"{folder.path} holds a run over other data ({was}, and the environment has {now} now): "
            "put the data back, or choose another run.name"
        )


def _started(
    config: Config, folder: RunFolder, env: TurnEnv[Any], told: Prompt, limit: int, say: Terminal
) -> tuple[nn.Module, Any]:
    """The model as reinforcement finds it."""
    start, source = folder.path / "start", config.model.path
    if config.model.tiny is not None:
        source = str(folder.path / "tiny")
        if not Path(source).is_dir():
            tasks, tiny = env.tasks(config.rollout.split), config.model.tiny

            def fill(beside: Path) -> None:
                make_tiny(beside, tiny, env.spawn, told, tasks, config.rollout.split, limit, config.run.seed)

            say.line(f"making a tokenizer and a tiny model from {min(len(tasks), tiny.texts)} tasks")
            write_whole_directory(Path(source), fill)
    if not config.warm_start.episodes:
        return load_model(source, config.model, config.run.seed)
    if not start.is_dir():
        model, tokenizer = load_model(source, config.model, config.run.seed)
        facts = _warm(config, env, told, limit, model, tokenizer, say)
        write_whole_directory(start, lambda beside: _save_start(model, tokenizer, facts, beside))
    if config.model.lora is None:
        return load_model(start, config.model, config.run.seed)
    model, tokenizer = load_model(source, config.model, config.run.seed)
    trained = load_file(start / "adapters.safetensors")
    with torch.no_grad():
        for name, weight in weights(model, shared=True).items():
            weight.copy_(trained[name])
    return model, tokenizer


def _warm(
    config: Config, env: TurnEnv[Any], told: Prompt, limit: int, model: nn.Module, tokenizer: Any, say: Terminal
) -> dict[str, Any]:
    settings, seed, split = config.warm_start, config.run.seed, config.rollout.split
    began = time.perf_counter()
    say.line(f"warm start: playing {settings.episodes} demonstrations")
    shown = demonstrations(
        env.spawn,
        Demonstrator(tokenizer, told, noise=settings.noise, seed=seed),
        env.tasks(split),
        settings.episodes,
        split,
        limit,
        seed,
    )
    demonstrated = time.perf_counter() - began
    learner = Learner(model, settings.optimiser, autocast=autocasts(config.model, device(model)), seed=seed)
    made = warm_start(learner, shown, settings, seed, report=_every(say))
    facts: dict[str, Any] = {**made, "demonstration_seconds": demonstrated, "demonstrations": len(shown)}
    if config.eval.dev_split in env.splits and len(env.tasks(config.eval.dev_split)):
        held = demonstrations(
            env.spawn,
            Demonstrator(tokenizer, told, seed=seed),
            env.tasks(config.eval.dev_split),
            HELD_OUT,
            config.eval.dev_split,
            limit,
            seed,
        )
        facts |= {f"held_out_{name}": value for name, value in turn_likelihood(learner, held).items()}
    say.warmed(facts)
    return facts


def _every(say: Terminal, lines: int = 10) -> Callable[[Progressed], None]:
    """Report about `lines` times in a warm start."""

    def report(at: Progressed) -> None:
        if at.step == at.steps or at.step % max(1, at.steps // lines) == 0:
            say.warming(asdict(at))

    return report


def _save(model: nn.Module, tokenizer: Any, directory: Path) -> None:
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def _save_start(model: nn.Module, tokenizer: Any, facts: dict[str, Any], directory: Path) -> None:
    if hasattr(model, "get_base_model"):
        save_file(weights(model), directory / "adapters.safetensors")
        tokenizer.save_pretrained(directory)
    else:
        _save(model, tokenizer, directory)
    (directory / "warm_start.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf8")


def prompt_hash(told: Prompt) -> str:
    """Hash of a prompt's name and of the module that says what it does."""
    module = inspect.getmodule(type(told))
    source = inspect.getsource(module) if module is not None else ""
    return hashlib.blake2b(f"{told.name}\n{source}".encode(), digest_size=16).hexdigest()


def evaluated(
    setting: Setting, split: str, tasks: int | None, version: int = 0, attempts: int | None = None
) -> tuple[Score, list[Trajectory]]:
    """Play a split with the model as it is. A split with fewer tasks than asked for is played whole."""
    config, stage = setting.config, setting.stage
    number = min(tasks, len(setting.env.tasks(split))) if tasks is not None and len(setting.env.tasks(split)) else None
    agent = stage.agent(config.eval.temperature, version)
    claim = Claim(environment=card(config.env.name).id, environment_args=config.env.options, agent=config.run.name)
    return evaluate(
        stage.make_env, agent, split=split, tasks=number, attempts=attempts or config.eval.attempts, seed=config.eval.seed,
        max_turns=stage.max_turns, claim=claim, concurrency=config.rollout.concurrency, progress=True,
    )  # fmt: skip
