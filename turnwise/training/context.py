"""What a run stands on, made once and found again when it goes on: environment, prompt, model, warm
start.

The model is made or loaded, warmed up, and written to `start/` with its tokenizer; a run that goes
on reads it from there. What it reads is what the first process read too, since that one also loads
what it has just written.
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

from turnwise.agents.agent import Agent
from turnwise.agents.scripted import Demonstrator
from turnwise.agents.teams.team import Team, TeamEnv
from turnwise.algorithms import Recipe
from turnwise.envs.base import TurnEnv
from turnwise.envs.prompt import Prompt
from turnwise.envs.registry import EnvSpec, env_spec, make, make_prompt
from turnwise.errors import ConfigError, DataError, TaskError
from turnwise.evaluation.runner import Claim, evaluate
from turnwise.evaluation.score import Score, software_versions
from turnwise.records import Trajectory
from turnwise.training.checkpoint import weights
from turnwise.training.config import Config
from turnwise.training.console import Terminal
from turnwise.training.learner import VALUES, Learner
from turnwise.training.learner_team import AnyLearner, LearnerTeam, team_of
from turnwise.training.model import autocasts, device_of, load_model, make_tiny
from turnwise.training.rollouts import RolloutContext
from turnwise.training.run_folder import RunFolder, read_json, write_whole, write_whole_directory
from turnwise.training.sft import Progressed, demonstrations, turn_likelihood, warm_start

HELD_OUT = 48
"""Demonstrations on the development split that say how well a warm start went."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """An environment, a stage to play on, and a model to train."""

    config: Config
    env: TurnEnv[Any]
    stage: RolloutContext

    @property
    def model(self) -> nn.Module:
        return self.stage.model

    def learner(self, recipe: Recipe) -> AnyLearner:
        """The learner of the reinforcement, with the model as it is now as its reference where the
        recipe wants one.
        """
        config, autocast = self.config, autocasts(self.config.model, device(self.model))

        def make(model: nn.Module) -> Learner:
            return Learner(
                model, config.optimiser, temperature=config.rollout.temperature, autocast=autocast,
                gradient_checkpointing=config.model.gradient_checkpointing, seed=config.run.seed,
                reference=bool(recipe.requirements & {"ref_logp", "precomputed:ref_logp"}),
                critic=config.critic if recipe.requirements & VALUES else None,
            )  # fmt: skip

        return learner_of(self.model, make)

    def save(self, directory: Path) -> None:
        """Write the model and its tokenizer as a Hugging Face directory; the models of a team as
        one of each role.
        """
        write_whole_directory(
            directory, lambda beside: _save(self.model, self.stage.tokenizer, beside)
        )


def learner_of(model: nn.Module, make_learner: Callable[[nn.Module], Learner]) -> AnyLearner:
    """The learner of a model, or of a team's."""
    return (
        LearnerTeam(model, make_learner)
        if isinstance(model, nn.ModuleDict)
        else make_learner(model)
    )


def device(model: nn.Module) -> torch.device:
    """Where a model is."""
    return next(model.parameters()).device


def prepare(config: Config, folder: RunFolder, say: Terminal) -> RunContext:
    """Make or find everything. Raises what `load_model`, `make`, `prompt` and `demonstrations`
    raise.
    """
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    known = env_spec(config.env.name)
    env, told, limit = _staged(config, known)
    device_of(config.model.device)
    for split in dict.fromkeys((config.rollout.split, config.eval.split)):
        if not len(env.tasks(split)):  # now and not after an hour of warm start
            raise TaskError(
                f"split {split!r} of {known.name} has no tasks: choose one of {', '.join(env.splits)}, or more data"
            )
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
    return RunContext(config, env, RolloutContext(env.spawn, told, tokenizer, model, config, limit))


def _staged(config: Config, known: EnvSpec) -> tuple[TurnEnv[Any], Prompt | Team, int]:
    """The environment, how it is told, and the turn limit; in a team everyone has as many turns as
    one alone would.
    """
    env, cast = make(config.env.name, **config.env.options), team_of(config.team)
    if cast is None:
        return (
            env,
            make_prompt(config.prompt.name or known.prompt),
            config.rollout.max_turns or known.max_turns,
        )
    if config.prompt.name:
        raise ConfigError(
            "prompt.name and team.name are both given, and a team has prompts of its own: leave the former out"
        )
    return (
        TeamEnv(env, cast.orchestration),
        cast,
        config.rollout.max_turns or known.max_turns * len(cast.orchestration.roles),
    )


def _same_data(folder: RunFolder, now: str) -> None:
    """A run goes on only over the data it began with: its tasks, and the score before, would mean
    something else.
    """
    was = read_json(folder.path / "facts.json").get("data_hash")
    if was != now:
        raise DataError(
            f"{folder.path} holds a run over other data ({was}, and the environment has {now} now): "
            "put the data back, or choose another run.name"
        )


def _started(
    config: Config,
    folder: RunFolder,
    env: TurnEnv[Any],
    told: Prompt | Team,
    limit: int,
    say: Terminal,
) -> tuple[nn.Module, Any]:
    """The model as reinforcement finds it."""
    start, source = folder.path / "start", config.model.path
    if config.model.tiny is not None:
        source = str(folder.path / "tiny")
        if not Path(source).is_dir():
            tasks, tiny = env.tasks(config.rollout.split), config.model.tiny

            def fill(beside: Path) -> None:
                make_tiny(
                    beside,
                    tiny,
                    env.spawn,
                    told,
                    tasks,
                    config.rollout.split,
                    limit,
                    config.run.seed,
                )

            say.line(
                f"making a tokenizer and a tiny model from {min(len(tasks), tiny.texts)} tasks"
            )
            write_whole_directory(Path(source), fill)
    if not config.warm_start.episodes:
        return _loaded(source, config)
    if not start.is_dir():
        model, tokenizer = _loaded(source, config)
        facts = _warm(config, env, told, limit, model, tokenizer, say)
        write_whole_directory(start, lambda beside: _save_start(model, tokenizer, facts, beside))
    if config.model.lora is None:
        return _loaded(start, config)
    model, tokenizer = _loaded(source, config)
    trained = load_file(start / "adapters.safetensors")
    with torch.no_grad():
        for name, weight in weights(model, shared=True).items():
            weight.copy_(trained[name])
    return model, tokenizer


def _loaded(source: str | Path, config: Config) -> tuple[nn.Module, Any]:
    """The model found at `source`; for a team without a shared one that of each role, its own where
    it has one there.
    """
    cast = team_of(config.team)
    if cast is None or config.team.shared:
        return load_model(source, config.model, config.run.seed)
    places = {role: Path(source) / role for role in cast.orchestration.roles}
    found = {
        role: load_model(at if at.is_dir() else source, config.model, config.run.seed)
        for role, at in places.items()
    }
    return nn.ModuleDict({role: model for role, (model, _) in found.items()}), found[
        cast.orchestration.roles[0]
    ][1]


def _demonstrator(tokenizer: Any, told: Prompt | Team, noise: float, seed: int) -> Agent:
    def member(role: str, own: Prompt) -> Demonstrator:
        return Demonstrator(tokenizer, own, noise=noise, seed=seed, name=role)

    return told.agent(member) if isinstance(told, Team) else member("policy", told)


def _warm(
    config: Config,
    env: TurnEnv[Any],
    told: Prompt | Team,
    limit: int,
    model: nn.Module,
    tokenizer: Any,
    say: Terminal,
) -> dict[str, Any]:
    settings, seed, split = config.warm_start, config.run.seed, config.rollout.split
    began = time.perf_counter()
    say.line(f"warm start: playing {settings.episodes} demonstrations")
    shown = demonstrations(
        env.spawn,
        _demonstrator(tokenizer, told, settings.noise, seed),
        env.tasks(split),
        settings.episodes,
        split,
        limit,
        seed,
    )
    demonstrated = time.perf_counter() - began
    autocast = autocasts(config.model, device(model))
    learner = learner_of(
        model, lambda own: Learner(own, settings.optimiser, autocast=autocast, seed=seed)
    )
    made = warm_start(learner, shown, settings, seed, report=_every(say))
    facts: dict[str, Any] = {
        **made,
        "demonstration_seconds": demonstrated,
        "demonstrations": len(shown),
    }
    if config.eval.dev_split in env.splits and len(env.tasks(config.eval.dev_split)):
        held = demonstrations(
            env.spawn,
            _demonstrator(tokenizer, told, 0.0, seed),
            env.tasks(config.eval.dev_split),
            HELD_OUT,
            config.eval.dev_split,
            limit,
            seed,
        )
        facts |= {
            f"held_out_{name}": value for name, value in turn_likelihood(learner, held).items()
        }
    say.warmed(facts)
    return facts


def _every(say: Terminal, lines: int = 10) -> Callable[[Progressed], None]:
    """Report about `lines` times in a warm start."""

    def report(at: Progressed) -> None:
        if at.step == at.steps or at.step % max(1, at.steps // lines) == 0:
            say.warming(asdict(at))

    return report


def _save(model: nn.Module, tokenizer: Any, directory: Path) -> None:
    for role, own in by_role(model).items():
        own.save_pretrained(directory / role)
        tokenizer.save_pretrained(directory / role)


def by_role(model: nn.Module) -> dict[str, Any]:
    """The models of a team; one alone under the empty name."""
    return dict(model.items()) if isinstance(model, nn.ModuleDict) else {"": model}


def _save_start(model: nn.Module, tokenizer: Any, facts: dict[str, Any], directory: Path) -> None:
    if any(hasattr(own, "get_base_model") for own in by_role(model).values()):
        save_file(weights(model), directory / "adapters.safetensors")
        tokenizer.save_pretrained(directory)
    else:
        _save(model, tokenizer, directory)
    (directory / "warm_start.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf8")


def prompt_hash(told: Prompt | Team) -> str:
    """Hash of a prompt's name and of the module that says what it does; of a team's play and
    prompts, of all of them.
    """
    parts = [told.name]
    for kind in (
        (type(told.orchestration), *map(type, told.prompts.values()))
        if isinstance(told, Team)
        else (type(told),)
    ):
        module = inspect.getmodule(kind)
        parts.append(inspect.getsource(module) if module is not None else "")
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


def evaluated(
    setting: RunContext,
    split: str,
    tasks: int | None,
    version: int = 0,
    attempts: int | None = None,
) -> tuple[Score, list[Trajectory]]:
    """Play a split with the model as it is. A split with fewer tasks than asked for is played
    whole.
    """
    config, stage = setting.config, setting.stage
    number = (
        min(tasks, len(setting.env.tasks(split)))
        if tasks is not None and len(setting.env.tasks(split))
        else None
    )
    agent = stage.agent(config.eval.temperature, version)
    claim = Claim(
        environment=env_spec(config.env.name).id,
        environment_args=config.env.options,
        agent=config.run.name,
    )
    return evaluate(
        stage.make_env, agent, split=split, tasks=number, attempts=attempts or config.eval.attempts, seed=config.eval.seed,
        max_turns=stage.max_turns, claim=claim, concurrency=config.rollout.concurrency, progress=True,
    )  # fmt: skip
