"""The shipped ALFWorld configs: what they say is known to the environment, the prompt and the
recipe, and is the protocol.
"""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from turnwise.algorithms import recipe
from turnwise.envs.alfworld import ALFWorldEnv
from turnwise.envs.registry import env_spec, make_prompt
from turnwise.training.config import Config, load_config

CONFIGS = Path(__file__).parents[2] / "configs"
PUBLISHED = ["alfworld_qwen2.5_1.5b", "alfworld_qwen2.5_7b"]


def shipped(name: str) -> Config:
    return load_config(CONFIGS / f"{name}.toml")


@pytest.mark.parametrize("name", [*PUBLISHED, "alfworld_tiny"])
def test_every_part_is_known(name: str) -> None:
    config = shipped(name)
    assert env_spec(config.env.name).id == "turnwise/ALFWorld-v0"
    assert set(config.env.options) <= set(inspect.signature(ALFWorldEnv).parameters)
    assert make_prompt(config.prompt.name).name == config.prompt.name
    assert recipe(config.algorithm.name, **config.algorithm.options).name == config.algorithm.name


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_protocol(name: str) -> None:
    config = shipped(name)
    assert (
        config.rollout.tasks,
        config.rollout.group_size,
        config.train.steps,
        config.train.eval_every,
    ) == (16, 8, 150, 5)
    assert (config.rollout.max_turns, config.rollout.max_tokens, config.rollout.temperature) == (
        50,
        512,
        1.0,
    )
    assert config.prompt.name == "alfworld/verl-agent@1" and config.env.options["wording"] == "0.4"
    assert config.algorithm.name == "grpo" and config.algorithm.options["kl"] == 0.01
    assert {
        "success_reward": 10.0,
        "invalid_penalty": 0.1,
        "invalid_rule": "malformed",
    }.items() <= config.algorithm.options.items()
    assert (config.eval.split, config.eval.tasks, config.eval.temperature) == (
        "valid_seen",
        128,
        0.4,
    )
    assert config.optimiser.lr == (1e-6 if config.model.lora is None else 1e-5)


def test_the_published_webshop_protocol() -> None:
    config = shipped("webshop_qwen2.5_1.5b")
    made = recipe(config.algorithm.name, **config.algorithm.options)
    assert made.rewards == {"success": 10.0, "invalid": 1.0}
    assert made.shapers[0].rule == "malformed"  # type: ignore[attr-defined]


def test_the_tiny_one_needs_nothing_but_a_cpu() -> None:
    config = shipped("alfworld_tiny")
    assert config.model.tiny is not None and not config.model.path and config.model.device == "auto"
    env = ALFWorldEnv(**config.env.options)
    assert "data" not in config.env.options and config.env.options["expert"] == "partial"
    splits = (config.rollout.split, config.eval.dev_split, config.eval.split)
    assert splits == ("train", "valid_seen", "valid_unseen")
    assert (
        len(env.tasks("train")) >= config.warm_start.episodes
        and len(env.tasks("valid_unseen")) >= config.eval.tasks
    )
    env.reset(options={"task": env.tasks("valid_unseen")[0]})
    assert env.expert_action() is not None
