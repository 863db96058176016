"""The configuration of a training run: every key of its TOML file, with type, range and default.

An unknown key raises an error that names the nearest known one; a value out of range raises one
that names the key. The `options` tables are passed on to the environment, team, engine or recipe,
which check them. No other module of the package validates with pydantic.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from turnwise.envs.registry import env_spec
from turnwise.errors import ConfigError, unknown
from turnwise.plugins import import_module
from turnwise.training.tracking import check_tracker_names

RENAMED_KEYS: dict[str, str] = {"given:": "precomputed:"}
"""Former key -> its name now. A former key is a dotted path such as `rollout.length`; one that ends
with a colon is the beginning of a key or value inside an `options` table.
"""


class Section(BaseModel):
    """A table of the file: immutable, without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class RunSection(Section):
    """`[run]`: run folder, seed, trackers."""

    name: str = "run"
    directory: str = "runs"
    """The run folder is `directory/name`."""
    seed: int = 0
    threads: int = Field(default=0, ge=0)
    """Torch threads; 0 keeps torch's own choice."""
    trackers: tuple[str, ...] = ()
    """`wandb`, `trackio`, a registered name or `module:factory`. TensorBoard is always written
    where it is installed.
    """
    imports: tuple[str, ...] = ()
    """Modules to import before any name is looked up, so that what they register is known."""


class EnvSection(Section):
    """`[env]`: the environment (name, Gymnasium id or `module:Class`) and its keyword arguments."""

    name: str
    options: dict[str, Any] = {}


class PromptSection(Section):
    """`[prompt]`: name, `module:factory` or `file:PATH`; empty for the environment's default."""

    name: str = ""


class TeamSection(Section):
    """`[team]`: several roles that act in turn, each with its own prompt; empty for one agent."""

    name: str = ""
    """Name of a team, such as `solver_verifier`, or `module:factory`."""
    style: str = "full"
    """Style of the team's prompts: `full`, or `act` for tiny models."""
    shared: bool = True
    """One model for all roles; otherwise each role has its own model and optimizer."""
    options: dict[str, Any] = {}
    """Options of the team's orchestration."""


class Tiny(Section):
    """`[model.tiny]`: a Qwen3 architecture with random weights.

    Its tokenizer is trained on the environment's text.
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
    """Lower-case all text before it is tokenized, so that each word has one spelling."""
    texts: int = Field(default=200, ge=1)
    """Number of training tasks whose episodes the tokenizer is trained on."""


class Lora(Section):
    """`[model.lora]`: train low-rank adapters in place of the weights. Needs peft."""

    rank: int = Field(default=16, ge=1)
    alpha: float = 32.0
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    targets: tuple[str, ...] | Literal["all-linear"] = "all-linear"


class Model(Section):
    """`[model]`: either `tiny`, or `path` for a Hugging Face directory or hub id."""

    path: str = ""
    tiny: Tiny | None = None
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Dtype of the weights."""
    mixed_precision: Literal["auto", "yes", "no"] = "no"
    """Matrix products of the learner in bfloat16; `auto` where the hardware supports them."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    chat_template: str = ""
    """Path of a Jinja chat template that replaces the tokenizer's own."""
    gradient_checkpointing: bool = False
    lora: Lora | None = None


class EngineSection(Section):
    """`[engine]`: generator of tokens during rollouts, and its keyword arguments.

    A name or `module:factory`.
    """

    name: str = "transformers"
    options: dict[str, Any] = {}


class Optimiser(Section):
    """`[optimiser]`: optimizer, learning-rate schedule, and how a batch is divided into steps."""

    name: Literal["adamw", "muon"] = "adamw"
    lr: float = Field(default=1e-3, gt=0)
    """Learning rate of AdamW; with `muon`, of the embeddings and vectors that AdamW trains."""
    muon_lr: float = Field(default=0.02, gt=0)
    """Learning rate of the hidden matrices, with `name = "muon"`."""
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = Field(default=0.0, ge=0)
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """Decay of the learning rates to `final_lr` times their full value over all steps."""
    final_lr: float = Field(default=0.0, ge=0, le=1)
    warmup_steps: int = Field(default=0, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    mini_batches: int = Field(default=1, ge=1)
    """Optimizer steps per pass over the trajectories of a training step."""
    epochs: int = Field(default=1, ge=1)
    """Passes over the trajectories of a training step."""
    micro_tokens: int = Field(default=2048, ge=1)
    """Tokens of one forward and backward pass."""
    skip_zero_advantage: bool = True
    """Skip trajectories whose advantages are all 0 where the loss gives them no gradient."""
    old_logprobs: Literal["learner", "rollout"] = "learner"
    """Denominator of the probability ratios: log-probabilities of the learner before the update, or
    those the engine recorded.
    """


class CriticSection(Section):
    """`[critic]`: the value model; used only by recipes that have one."""

    kind: Literal["head", "model"] = "model"
    """A linear layer on the policy's hidden states, or a network of its own."""
    optimiser: Optimiser = Optimiser(lr=1e-3)
    """Its learning rates; `mini_batches`, `epochs` and `micro_tokens` are the policy's."""
    pretrain_steps: int = Field(default=0, ge=0)
    """First steps in which only the critic is trained."""


class WarmStart(Section):
    """`[warm_start]`: SFT on demonstrations of the environment's expert, before RL."""

    episodes: int = Field(default=0, ge=0)
    """Demonstrations; 0 skips the warm start."""
    epochs: float = Field(default=1.0, gt=0)
    batch: int = Field(default=8, ge=1)
    """Demonstrations per optimizer step."""
    noise: float = Field(default=0.0, ge=0, le=1)
    """Probability of a random admissible action in place of the expert's, so that the data show how
    to recover from mistakes.
    """
    observation_weight: float = Field(default=0.0, ge=0)
    """Loss weight of the environment's tokens; the agent's own have weight 1."""
    optimiser: Optimiser = Optimiser(name="muon", lr=3e-3, schedule="linear")


class Algorithm(Section):
    """`[algorithm]`: the recipe (name or `module:function`) and its options."""

    name: str = "grpo"
    options: dict[str, Any] = {}


class Rollout(Section):
    """`[rollout]`: the episodes of a training step."""

    tasks: int = Field(default=16, ge=1)
    group_size: int = Field(default=8, ge=1)
    split: str = "train"
    temperature: float = Field(default=1.0, gt=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_tokens: int = Field(default=64, ge=1)
    """Most tokens of one reply."""
    max_turns: int = Field(default=0, ge=0)
    """Most turns of an episode; 0 for the environment's registered limit."""
    concurrency: int = Field(default=64, ge=1)
    """Most episodes in flight."""
    dtype: Literal["model", "float32", "bfloat16"] = "model"
    """Dtype of the engine; it copies the weights where this is not the model's."""
    timeout: float = Field(default=600.0, gt=0)
    """Most seconds that an episode waits for a reply or for its environment."""


class Train(Section):
    """`[train]`: number of steps, and what is written during them."""

    steps: int = Field(default=40, ge=0)
    eval_every: int = Field(default=0, ge=0)
    """Steps between evaluations on `eval.dev_split`; 0 for none."""
    checkpoint_every: int = Field(default=10, ge=1)
    keep: int = Field(default=2, ge=1)
    """Checkpoints to keep; older ones are removed."""
    trajectories_every: int = Field(default=10, ge=0)
    """Steps between those whose rollouts are written to `trajectories/`; 0 for none."""


class Eval(Section):
    """`[eval]`: the evaluation before and after RL, and those on the development split."""

    split: str = ""
    """Empty for the environment's own evaluation split."""
    tasks: int = Field(default=100, ge=0)
    """Tasks of the split, chosen by `seed`; 0 for all."""
    dev_split: str = "dev"
    dev_tasks: int = Field(default=50, ge=1)
    attempts: int = Field(default=1, ge=1)
    seed: int = 0
    """Chooses the tasks and seeds their sampling. It does not depend on `run.seed`, so that runs
    can be compared task by task.
    """
    temperature: float = Field(default=0.0, ge=0)
    samples: int = Field(default=4, ge=0)
    """Tasks whose episodes before and after RL are shown in the report."""


class Config(Section):
    """The configuration of a training run."""

    run: RunSection = RunSection()
    env: EnvSection
    prompt: PromptSection = PromptSection()
    team: TeamSection = TeamSection()
    model: Model
    engine: EngineSection = EngineSection()
    warm_start: WarmStart = WarmStart()
    algorithm: Algorithm = Algorithm()
    rollout: Rollout = Rollout()
    optimiser: Optimiser = Optimiser()
    critic: CriticSection = CriticSection()
    train: Train = Train()
    eval: Eval = Eval()


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a TOML file and import the modules it names in `run.imports`.

    Args:
        path: a TOML file.
        overrides: `"section.key=value"`, the value in TOML syntax; bare words are strings.

    Raises:
        ConfigError: for a missing or malformed file, an unknown key, a value that does not fit, or
            a module that cannot be imported.
    """
    source = Path(path)
    if not source.is_file():
        raise ConfigError(
            f"there is no config {source}: give the path of a TOML file, "
            "such as configs/quickstart.toml"
        )
    try:
        data = tomllib.loads(source.read_text(encoding="utf8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{source} is not TOML: {problem}") from problem
    for override in overrides:
        _override(data, override)
    config = parse_config(data, where=str(source))
    import_modules(config)
    check_tracker_names(config.run.trackers)
    return config


def parse_config(data: dict[str, Any], where: str = "the config") -> Config:
    """Validate a nested dictionary as `load_config` does. Raises `ConfigError`."""
    _check_renamed(data, where)
    try:
        config = Config.model_validate(data)
    except ValidationError as problem:
        raise _sentence(problem, where) from problem
    if (config.model.tiny is None) == (not config.model.path):
        raise ConfigError(f"[model] in {where} needs exactly one of a [model.tiny] table or a path")
    return config


def import_modules(config: Config) -> None:
    """Import `run.imports`. Raises `ConfigError` for a module that cannot be imported."""
    for module in config.run.imports:
        import_module(module, "run.imports")


def resolve(config: Config) -> Config:
    """Import `run.imports` and return the config with the environment's evaluation split filled in.

    Raises:
        ConfigError: for an unknown environment or a module that cannot be imported.
    """
    import_modules(config)
    split = config.eval.split or env_spec(config.env.name).eval_split
    return config.model_copy(update={"eval": config.eval.model_copy(update={"split": split})})


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


# Error sentences
# --------------------------------------------------------------------------------------------------


def _check_renamed(data: Mapping[str, Any], where: str) -> None:
    """Raise `ConfigError` for a former key or value, naming what replaces it."""
    for key, values in _leaves_and_tables(data):
        if key in RENAMED_KEYS:
            raise ConfigError(f"{key} in {where} was renamed to {RENAMED_KEYS[key]}: change it")
        for old, new in RENAMED_KEYS.items():
            for text in (key.rpartition(".")[2], *values):
                if old.endswith(":") and text.startswith(old):
                    now = new + text.removeprefix(old)
                    raise ConfigError(
                        f"{text!r} at {key} in {where} was renamed to {now!r}: change it"
                    )


def _leaves_and_tables(data: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, list[str]]]:
    """Yield every dotted key with the strings of its value."""
    for name, value in data.items():
        key = f"{at}.{name}" if at else str(name)
        texts = value if isinstance(value, list | tuple) else [value]
        yield key, [text for text in texts if isinstance(text, str)]
        if isinstance(value, Mapping):
            yield from _leaves_and_tables(value, key)


def _sentence(problem: ValidationError, where: str) -> ConfigError:
    """Return the first validation error as a sentence, with the name nearest to an unknown key."""
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
    """Find the model of a table by walking the annotations."""
    here: type[Section] = Config
    for name in path:
        annotation = here.model_fields[name].annotation
        options = [annotation, *getattr(annotation, "__args__", ())]
        here = next(o for o in options if isinstance(o, type) and issubclass(o, Section))
    return here
