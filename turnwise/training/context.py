"""The context of a run: environment, prompt, and the model that RL starts from.

The model is made or loaded, trained on demonstrations, and written to `start/` with its tokenizer.
A resumed run reads it from there, and so does the process that wrote it, so that both train the
same weights.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import platform
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from turnwise.agents.engines.registry import ENGINES
from turnwise.agents.teams.team import Team, TeamEnv
from turnwise.algorithms import Recipe
from turnwise.envs.base import TurnEnv, split_tasks
from turnwise.envs.prompt import Prompt
from turnwise.envs.registry import EnvSpec, env_spec, make, make_prompt
from turnwise.errors import ConfigError, DataError, TaskError
from turnwise.evaluation.runner import Claim, evaluate
from turnwise.evaluation.score import Score, software_versions
from turnwise.records import Trajectory
from turnwise.training.checkpoint import weights
from turnwise.training.config import Config
from turnwise.training.console import RunConsole
from turnwise.training.learner import CRITIC_REQUIREMENTS, Learner
from turnwise.training.learner_team import AnyLearner, learner_of, models_by_role, team_of
from turnwise.training.model import autocasts, device_of, load_model, make_tiny
from turnwise.training.rollouts import RolloutContext
from turnwise.training.run_folder import (
    RunFolder,
    read_json,
    write_atomically,
    write_directory_atomically,
)
from turnwise.training.sft import train_on_demonstrations


@dataclass(frozen=True, slots=True)
class RunContext:
    """The environment, the context of rollouts, and the model to train."""

    config: Config
    env: TurnEnv[Any]
    rollout: RolloutContext

    @property
    def model(self) -> nn.Module:
        """The model that is trained, or the models of a team as an `nn.ModuleDict`."""
        return self.rollout.model

    def learner(self, recipe: Recipe) -> AnyLearner:
        """Make the learner for RL, with the critic and the reference that the recipe requires."""
        config = self.config
        autocast = autocasts(config.model, next(self.model.parameters()).device)

        def make_learner(model: nn.Module) -> Learner:
            return Learner(
                model, config.optimiser, temperature=config.rollout.temperature, autocast=autocast,
                gradient_checkpointing=config.model.gradient_checkpointing, seed=config.run.seed,
                reference=bool(recipe.requirements & {"ref_logp", "precomputed:ref_logp"}),
                critic=config.critic if recipe.requirements & CRITIC_REQUIREMENTS else None,
            )  # fmt: skip

        return learner_of(self.model, make_learner)

    def save(self, directory: Path) -> None:
        """Write model and tokenizer as a Hugging Face directory, or as one for each role."""
        write_directory_atomically(
            directory, lambda target: _save(self.model, self.rollout.tokenizer, target)
        )


def prepare(
    config: Config, folder: RunFolder, console: RunConsole, recipe: Recipe | None = None
) -> RunContext:
    """Make the context of a run, or find that of a run that was stopped.

    Args:
        config: resolved, with an evaluation split.
        recipe: the engine must meet its requirements; this is checked before the first episode.

    Raises:
        ConfigError, DataError, TaskError: for a mistake in the config or its data.
    """
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    ENGINES.find(config.engine.name)
    spec = env_spec(config.env.name)
    env, prompt, max_turns = _env_and_prompt(config, spec)
    device_of(config.model.device)
    _check_splits(config, spec, env)  # now, and not after an hour of SFT
    _write_facts(folder, spec, env, prompt)

    rollout = _StartingModel(config, folder, env, prompt, max_turns, recipe, console).prepare()
    torch.manual_seed(config.run.seed)
    return RunContext(config, env, rollout)


def _check_splits(config: Config, spec: EnvSpec, env: TurnEnv[Any]) -> None:
    """Raise `TaskError` for a split of the config that is unknown or empty."""
    named = {"rollout.split": config.rollout.split, "eval.split": config.eval.split}
    if config.train.eval_every:
        named["eval.dev_split"] = config.eval.dev_split
    for key, split in named.items():
        choices = f"choose one of {', '.join(env.splits)}"
        if split not in env.splits:
            raise TaskError(f"there is no split {split!r} here, which {key} names: {choices}")
        if not len(split_tasks(env, split)):
            raise TaskError(f"split {split!r} of {spec.name} has no tasks: {choices}, or more data")


def _env_and_prompt(config: Config, spec: EnvSpec) -> tuple[TurnEnv[Any], Prompt | Team, int]:
    """Make environment and prompt (or team), and return them with the turn limit.

    Each member of a team has as many turns as an agent on its own.
    """
    env, team = make(config.env.name, **config.env.options), team_of(config.team)
    if team is None:
        prompt = make_prompt(config.prompt.name or spec.prompt)
        return env, prompt, config.rollout.max_turns or spec.max_turns
    if config.prompt.name:
        raise ConfigError(
            "prompt.name and team.name are both given, but a team has its own prompts: leave out "
            "prompt.name"
        )
    max_turns = config.rollout.max_turns or spec.max_turns * len(team.orchestration.roles)
    return TeamEnv(env, team.orchestration), team, max_turns


def _write_facts(
    folder: RunFolder, spec: EnvSpec, env: TurnEnv[Any], prompt: Prompt | Team
) -> None:
    """Write versions and hashes to `facts.json`.

    Raises:
        DataError: for a resumed run over other data, where tasks and the first score would mean
            something else.
    """
    path = folder.path / "facts.json"
    if folder.fresh or not path.is_file():
        facts = {
            "environment": spec.id,
            "data_hash": env.data_hash,
            "prompt": prompt.name,
            "prompt_hash": prompt_hash(prompt),
            "versions": {**software_versions(), "platform": platform.platform()},
        }
        write_atomically(path, json.dumps(facts, indent=1) + "\n")
    was = read_json(path).get("data_hash")
    if was != env.data_hash:
        raise DataError(
            f"{folder.path} holds a run over other data ({was}, and the environment has "
            f"{env.data_hash} now): put the data back, or choose another run.name"
        )


def prompt_hash(prompt: Prompt | Team) -> str:
    """Hash a prompt's name, its fields and the source of its module; for a team, of all members."""
    members: list[object] = [prompt]
    if isinstance(prompt, Team):
        members = [prompt.orchestration, *prompt.prompts.values()]
    # Prompts that share a class differ in its fields; other objects have an address in their repr.
    fields = [repr(member) for member in members if is_dataclass(member)]
    sources = [_module_source(type(member)) for member in members]
    return hashlib.blake2b(
        "\n".join([prompt.name, *fields, *sources]).encode(), digest_size=16
    ).hexdigest()


def _module_source(kind: type) -> str:
    """Return the source of the module of a class; empty where it has no file."""
    module = inspect.getmodule(kind)
    try:
        return inspect.getsource(module) if module is not None else ""
    except OSError:  # a class that was typed into an interpreter or a notebook
        return ""


# The model that RL starts from
# --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _StartingModel:
    """Makes or loads the model that RL starts from."""

    config: Config
    folder: RunFolder
    env: TurnEnv[Any]
    prompt: Prompt | Team
    max_turns: int
    recipe: Recipe | None
    console: RunConsole

    def prepare(self) -> RolloutContext:
        """Return the context of rollouts, its model trained on demonstrations where asked for."""
        source, start = self._source(), self.folder.path / "start"
        if not self.config.warm_start.episodes:
            return self._checked(self._load(source))
        if not start.is_dir():
            rollout = self._checked(self._load(source))
            facts = train_on_demonstrations(rollout, self.env, self.console)
            write_directory_atomically(start, lambda target: _save_start(rollout, facts, target))
        if self.config.model.lora is None:
            return self._load(start)
        rollout = self._load(source)
        trained = load_file(start / "adapters.safetensors")
        with torch.no_grad():
            for name, weight in weights(rollout.model, shared=True).items():
                weight.copy_(trained[name])
        return rollout

    def _source(self) -> str:
        """Return the path of the untrained model, after making it where it is a tiny one."""
        tiny, split = self.config.model.tiny, self.config.rollout.split
        if tiny is None:
            return self.config.model.path
        path = self.folder.path / "tiny"
        if not path.is_dir():
            tasks = self.env.tasks(split)
            self.console.line(
                f"making a tokenizer and a tiny model from {min(len(tasks), tiny.texts)} tasks"
            )

            def fill(target: Path) -> None:
                make_tiny(
                    target, tiny, self.env.spawn, self.prompt, tasks, split, self.max_turns,
                    self.config.run.seed,
                )  # fmt: skip

            write_directory_atomically(path, fill)
        return str(path)

    def _load(self, source: str | Path) -> RolloutContext:
        """Load the model at `source`; for a team with a model for each role, these.

        A role's model is in a directory of its name where there is one, otherwise at `source`.
        """
        settings, seed, team = self.config.model, self.config.run.seed, self.prompt
        if isinstance(team, Team) and not self.config.team.shared:
            paths = {role: Path(source) / role for role in team.orchestration.roles}
            found = {
                role: load_model(path if path.is_dir() else source, settings, seed)
                for role, path in paths.items()
            }
            model: nn.Module = nn.ModuleDict({role: own for role, (own, _) in found.items()})
            tokenizer = found[team.orchestration.roles[0]][1]
        else:
            model, tokenizer = load_model(source, settings, seed)
        return RolloutContext(
            self.env.spawn, self.prompt, tokenizer, model, self.config, self.max_turns
        )

    def _checked(self, rollout: RolloutContext) -> RolloutContext:
        if self.recipe is not None:
            rollout.check_engine(self.recipe)
        return rollout


def _save(model: nn.Module, tokenizer: Any, directory: Path) -> None:
    for role, own in models_by_role(model).items():
        own.save_pretrained(directory / role)
        tokenizer.save_pretrained(directory / role)


def _save_start(rollout: RolloutContext, facts: dict[str, Any], directory: Path) -> None:
    model, tokenizer = rollout.model, rollout.tokenizer
    if any(hasattr(own, "get_base_model") for own in models_by_role(model).values()):
        save_file(weights(model), directory / "adapters.safetensors")
        tokenizer.save_pretrained(directory)
    else:
        _save(model, tokenizer, directory)
    (directory / "warm_start.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf8")


# Evaluation
# --------------------------------------------------------------------------------------------------


def evaluate_split(
    context: RunContext, split: str, tasks: int | None, version: int = 0,
    attempts: int | None = None,
) -> tuple[Score, list[Trajectory]]:  # fmt: skip
    """Evaluate the current weights on a split.

    Args:
        tasks: how many, at most; None for all.
        version: recorded as the weights version of each turn.
        attempts: episodes per task; None for `eval.attempts`.
    """
    config, rollout = context.config, context.rollout
    present = len(context.env.tasks(split))
    number = min(tasks, present) if tasks is not None and present else None
    claim = Claim(
        environment=env_spec(config.env.name).id,
        environment_args=config.env.options,
        agent=config.run.name,
    )
    return evaluate(
        rollout.make_env, rollout.agent(config.eval.temperature, version), split=split,
        tasks=number, attempts=attempts or config.eval.attempts, seed=config.eval.seed,
        max_turns=rollout.max_turns, claim=claim, concurrency=config.rollout.concurrency,
        progress=True,
    )  # fmt: skip
