"""One TOML file describes one experiment; this is every key it may have.

Pydantic stands here and only here, where text enters. Unknown keys are errors that name the nearest
known key, values out of range are errors that name the key. `options` tables are handed on to the
environment, the prompt or the recipe, which check them themselves.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from turnwise.errors import ConfigError, unknown


class Section(BaseModel):
    """A table of the file: immutable, without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Run(Section):
    """`[run]`: where it is written and what seeds it."""

    name: str = "run"
    directory: str = "runs"
    """The run folder is `directory/name`."""
    seed: int = 0
    threads: int = Field(default=0, ge=0)
    """Threads torch may use; 0 leaves torch's own choice."""
    trackers: tuple[Literal["wandb", "trackio"], ...] = ()
    """TensorBoard is always written when it is installed; these only when asked for."""


class EnvSection(Section):
    """`[env]`: which environment, and the keywords its factory takes."""

    name: str
    options: dict[str, Any] = {}


class PromptSection(Section):
    """`[prompt]`: how the environment is told to the model. Empty: the environment's own default
    prompt.
    """

    name: str = ""


class TeamSection(Section):
    """`[team]`: several roles act in turn, each told what to do in its own way; empty for a single
    agent.
    """

    name: str = ""
    """Of a team, such as `solver_verifier`."""
    style: str = "full"
    """Of its prompts: `full`, or `act` for tiny models."""
    shared: bool = True
    """One model for all roles; otherwise each has a model and an optimiser of its own."""
    options: dict[str, Any] = {}
    """Of its play."""


class Tiny(Section):
    """`[model.tiny]`: a Qwen3-architecture model with random weights and a tokenizer made from the
    environment's text.
    """

    vocab: int = Field(default=1024, ge=300, le=65536)
    hidden: int = Field(default=192, ge=8)
    layers: int = Field(default=4, ge=1)
    heads: int = Field(default=3, ge=1)
    kv_heads: int = Field(default=1, ge=1)
    head_dim: int = Field(default=64, ge=4)
    intermediate: int = Field(default=512, ge=8)
    context: int = Field(default=2048, ge=64)
    lowercase: bool = False
    """An uncased tokenizer: every letter it reads is lower-cased first, so that a word has one
    spelling.
    """
    texts: int = Field(default=200, ge=1)
    """Training tasks whose episodes the tokenizer is trained on."""


class Lora(Section):
    """`[model.lora]`: train low-rank adapters instead of the weights (needs peft)."""

    rank: int = Field(default=16, ge=1)
    alpha: float = 32.0
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    targets: tuple[str, ...] | Literal["all-linear"] = "all-linear"


class Model(Section):
    """`[model]`: `tiny`, or `path` for a Hugging Face directory or id."""

    path: str = ""
    tiny: Tiny | None = None
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of the weights."""
    mixed_precision: Literal["auto", "yes", "no"] = "no"
    """Matrix products of training in bfloat16; `auto` where the hardware has them."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    chat_template: str = ""
    """A file with a Jinja chat template that replaces the tokenizer's own."""
    gradient_checkpointing: bool = False
    lora: Lora | None = None


class Optimiser(Section):
    """`[optimiser]`: how weights move."""

    name: Literal["adamw", "muon"] = "adamw"
    lr: float = Field(default=1e-3, gt=0)
    """Of AdamW; with `muon`, of the embeddings and vectors it leaves to AdamW."""
    muon_lr: float = Field(default=0.02, gt=0)
    """Of the hidden matrices, when `name = "muon"`."""
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = Field(default=0.0, ge=0)
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """How the rates fall from their full value to `final_lr` times it over all steps."""
    final_lr: float = Field(default=0.0, ge=0, le=1)
    warmup_steps: int = Field(default=0, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    mini_batches: int = Field(default=1, ge=1)
    """Optimiser steps per pass over the trajectories of a training step."""
    epochs: int = Field(default=1, ge=1)
    """Passes over the trajectories of a training step."""
    micro_tokens: int = Field(default=2048, ge=1)
    """Tokens of one forward and backward pass."""
    skip_zero_advantage: bool = True
    """Spare the trajectories whose advantages are all 0 the forward and backward that could not
    move a weight.
    """
    old_logprobs: Literal["learner", "rollout"] = "learner"
    """Whose log-probabilities ratios are taken against: the learner's at the start of the update,
    or the engine's.
    """


class CriticSection(Section):
    """`[critic]`: the value model of recipes that have one; of no effect on others."""

    kind: Literal["head", "model"] = "model"
    """A linear layer on the policy's hidden states, or a network of its own."""
    optimiser: Optimiser = Optimiser(lr=1e-3)
    """Its rates; `mini_batches`, `epochs` and `micro_tokens` are the policy's."""
    pretrain_steps: int = Field(default=0, ge=0)
    """Steps at the beginning in which the critic alone moves."""


class WarmStart(Section):
    """`[warm_start]`: supervised training on the expert's trajectories, before any reinforcement."""

    episodes: int = Field(default=0, ge=0)
    """Demonstrations; 0 skips the warm start."""
    epochs: float = Field(default=1.0, gt=0)
    batch: int = Field(default=8, ge=1)
    """Demonstrations in one optimiser step."""
    noise: float = Field(default=0.0, ge=0, le=1)
    """Chance that a random admissible act replaces the expert's, so that the model sees how
    mistakes are mended.
    """
    observation_weight: float = Field(default=0.0, ge=0)
    """Weight of the environment's tokens in the loss; the agent's own count 1."""
    optimiser: Optimiser = Optimiser(name="muon", lr=3e-3, schedule="linear")


class Algorithm(Section):
    """`[algorithm]`: a recipe by name, and what to change in it."""

    name: str = "grpo"
    options: dict[str, Any] = {}


class Rollout(Section):
    """`[rollout]`: how a step's episodes are played."""

    tasks: int = Field(default=16, ge=1)
    group_size: int = Field(default=8, ge=1)
    split: str = "train"
    temperature: float = Field(default=1.0, gt=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_tokens: int = Field(default=64, ge=1)
    """Tokens of one reply."""
    max_turns: int = Field(default=0, ge=0)
    """Turns of one episode; 0 leaves the environment's registered limit."""
    concurrency: int = Field(default=64, ge=1)
    """Episodes in flight, and slots of the engine."""
    dtype: Literal["model", "float32", "bfloat16"] = "model"
    """What the engine computes in; other than the model's it keeps a copy."""
    timeout: float = Field(default=600.0, gt=0)
    """Seconds that one wait of an episode may last."""


class Train(Section):
    """`[train]`: how long, and what is written on the way."""

    steps: int = Field(default=40, ge=0)
    eval_every: int = Field(default=0, ge=0)
    """Evaluate on `eval.dev_split` every so many steps; 0 never."""
    checkpoint_every: int = Field(default=10, ge=1)
    keep: int = Field(default=2, ge=1)
    """Checkpoints to keep; older ones are removed."""
    trajectories_every: int = Field(default=10, ge=0)
    """Write the rollouts of every so many steps to `trajectories/`; 0 never."""


class Eval(Section):
    """`[eval]`: the held-out measurement before and after reinforcement."""

    split: str = "test"
    tasks: int = Field(default=100, ge=0)
    """So many tasks of the split, chosen by `seed`; 0 takes all."""
    dev_split: str = "dev"
    dev_tasks: int = Field(default=50, ge=1)
    attempts: int = Field(default=1, ge=1)
    seed: int = 0
    """Chooses the tasks and seeds their sampling: one for all values of `run.seed`, so that runs
    compare task by task.
    """
    temperature: float = Field(default=0.0, ge=0)
    samples: int = Field(default=4, ge=0)
    """Episodes of each evaluation that the report shows."""


class Config(Section):
    """A whole experiment."""

    run: Run = Run()
    env: EnvSection
    prompt: PromptSection = PromptSection()
    team: TeamSection = TeamSection()
    model: Model
    warm_start: WarmStart = WarmStart()
    algorithm: Algorithm = Algorithm()
    rollout: Rollout = Rollout()
    optimiser: Optimiser = Optimiser()
    critic: CriticSection = CriticSection()
    train: Train = Train()
    eval: Eval = Eval()


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read an experiment.

    Args:
        path: a TOML file.
        overrides: `"section.key=value"`, the value in TOML syntax; bare words are strings.

    Raises:
        ConfigError: for a missing or malformed file, an unknown key, a value that does not fit.
    """
    source = Path(path)
    if not source.is_file():
        raise ConfigError(
            f"there is no config {source}: give the path of a TOML file, such as configs/quickstart.toml"
        )
    try:
        data = tomllib.loads(source.read_text(encoding="utf8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{source} is not TOML: {problem}") from problem
    for override in overrides:
        _override(data, override)
    return parse_config(data, where=str(source))


def parse_config(data: dict[str, Any], where: str = "the config") -> Config:
    """Check a nested dictionary as `load_config` does. Raises `ConfigError`."""
    try:
        config = Config.model_validate(data)
    except ValidationError as problem:
        raise _sentence(problem, where) from problem
    if (config.model.tiny is None) == (not config.model.path):
        raise ConfigError(
            f"[model] in {where} wants either a [model.tiny] table or a path, and exactly one of them"
        )
    return config


def _override(data: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    names = key.strip().split(".")
    if not equals or not all(names):
        raise ConfigError(
            f"{text!r} is not an override: write section.key=value, such as train.steps=20"
        )
    try:
        parsed = tomllib.loads(f"value = {value.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    table = data
    for name in names[:-1]:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise ConfigError(f"cannot set {key.strip()!r}: {name!r} is a value and not a table")
    table[names[-1]] = parsed


def _sentence(problem: ValidationError, where: str) -> ConfigError:
    """The first problem as one sentence; an unknown key names the nearest known one."""
    first = problem.errors()[0]
    path = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        section = _section(path[:-1])
        return unknown(
            "key", path[-1], section.model_fields, where=f"{_table(path[:-1])} of {where}"
        )
    if first["type"] == "missing":
        return ConfigError(f"{_table(path[:-1])} of {where} lacks {path[-1]!r}: add it")
    return ConfigError(f"{'.'.join(path)} in {where} is {first.get('input')!r}: {first['msg']}")


def _table(path: Sequence[str]) -> str:
    return f"[{'.'.join(path)}]" if path else "the top level"


def _section(path: Sequence[str]) -> type[Section]:
    """The model of a table, found by walking the annotations."""
    here: type[Section] = Config
    for name in path:
        annotation = here.model_fields[name].annotation
        options = [annotation, *getattr(annotation, "__args__", ())]
        here = next(o for o in options if isinstance(o, type) and issubclass(o, Section))
    return here
