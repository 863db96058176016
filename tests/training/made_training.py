"""Small models, rows and configs for every test of training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    MistralConfig,
    MistralForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from turnwise.records import Row
from turnwise.training.config import Config, parse_config

VOCAB = 40


def qwen(seed: int = 0, **changes: Any) -> Qwen3ForCausalLM:
    settings: dict[str, Any] = {
        "vocab_size": VOCAB, "hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 8, "tie_word_embeddings": True,
        "max_position_embeddings": 256,
        "initializer_range": 0.3,
    }  # fmt: skip
    torch.manual_seed(seed)
    return Qwen3ForCausalLM(Qwen3Config(**{**settings, **changes})).eval()


def mistral(window: int) -> MistralForCausalLM:
    torch.manual_seed(0)
    return MistralForCausalLM(
        MistralConfig(
            vocab_size=VOCAB, hidden_size=24, intermediate_size=32, num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2, head_dim=8, sliding_window=window, initializer_range=0.3,
        )
    ).eval()  # fmt: skip


def gpt2() -> GPT2LMHeadModel:
    torch.manual_seed(0)
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=VOCAB, n_embd=24, n_layer=2, n_head=2, n_positions=256)
    ).eval()


def row(
    length: int, uid: str = "a", seed: int = 0, turns: int = 2, weight: float = 1.0, **streams: Any
) -> Row:
    """A prompt of a third, then turns of equal length with a token of observation before each but
    the first.
    """
    rng = np.random.default_rng([seed, length])
    mask = np.zeros(length, dtype=np.bool_)
    turn = np.full(length, -1)
    start = max(1, length // 3)
    for k, part in enumerate(np.array_split(np.arange(start, length), turns)):
        own = part[1:] if k else part
        mask[own], turn[own] = True, k
    given = {"logprob": -1.0, "advantage": float(rng.normal()), "weight": weight, **streams}
    return Row(
        ids=rng.integers(0, VOCAB, length), mask=mask, turn=turn, trajectory=uid,
        streams={name: np.where(mask, value, 0.0) for name, value in given.items()},
    )  # fmt: skip


def batch_of_rows(lengths: list[int]) -> list[Row]:
    """Make rows of a trajectory each, their weights summing to one."""
    made = [row(length, uid=f"t{k}", seed=k) for k, length in enumerate(lengths)]
    total = sum(int(r.mask.sum()) for r in made)
    return [row(length, uid=f"t{k}", seed=k, weight=1 / total) for k, length in enumerate(lengths)]


def small_config(directory: Path, **sections: dict[str, Any]) -> Config:
    """Return the config of a run on WebShop that takes a second or two."""
    data: dict[str, dict[str, Any]] = {
        "run": {"name": "small", "directory": str(directory)},
        "env": {
            "name": "webshop",
            "options": {
                "products": 120, "style": "compact", "reward": "fixed",
                "observation": "text+options",
            },
        },
        "prompt": {"name": "webshop/act@1"},
        "model": {
            "tiny": {
                "vocab": 400, "hidden": 32, "layers": 1, "heads": 2, "kv_heads": 1, "head_dim": 16,
                "intermediate": 64, "texts": 12,
                "lowercase": True,
            }
        },
        "warm_start": {"episodes": 12, "observation_weight": 0.3, "noise": 0.2},
        "rollout": {"tasks": 2, "group_size": 3, "max_tokens": 6, "max_turns": 3},
        "optimiser": {"lr": 0.003},
        # An entropy bonus moves the weights also where no reward was earned, so that steps differ
        # from one another.
        "algorithm": {"name": "grpo", "options": {"entropy_bonus": 0.01}},
        "train": {"steps": 4, "checkpoint_every": 2, "trajectories_every": 2},
        "eval": {"tasks": 4},
    }  # fmt: skip
    for name, section in sections.items():
        data[name] = {**data.get(name, {}), **section}
    return parse_config(data)
