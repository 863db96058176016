"""Stand-ins for what other branches of this change bring; each does nothing once that is there."""

from __future__ import annotations

from typing import Any

import torch

from turnwise.agents.engines.base import Capabilities, EngineContext
from turnwise.agents.engines.transformers import engine
from turnwise.envs.registry import EnvSpec


def make(context: EngineContext, **options: Any) -> engine.TransformersEngine:
    dtype = None if context.dtype == "auto" else getattr(torch, context.dtype)
    made = engine.TransformersEngine(
        context.model, slots=context.concurrency, dtype=dtype, seed=0, **options
    )
    made.weights_version = context.weights_version
    return made


if not hasattr(engine, "make"):
    engine.make = make
    engine.TransformersEngine.capabilities = Capabilities(entropies=True, seeds=True)
if not hasattr(EnvSpec, "eval_split"):
    EnvSpec.eval_split = "test"
