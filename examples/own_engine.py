"""An engine of your own: token ids in, token ids and log-probabilities out.

    python own_engine.py
    turnwise eval own_environment:Guess --agent MODEL --engine own_engine:make

In a config: `[engine]` with `name = "own_engine:make"` and `options = { ... }`. This one has no
model: it reads the range in the prompt and halves it. Yours would ask a server or another library.
"""

import argparse
import re
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from own_environment import Guess

import turnwise
from turnwise.agents.engines.base import Capabilities, Completion, EngineContext, Sampling

TINY = {"hidden": 32, "layers": 1, "heads": 2, "kv_heads": 1, "head_dim": 16, "intermediate": 32}


class HalvingEngine:
    """Continues a prompt with the middle of the last range in it."""

    capabilities = Capabilities(seeds=True)  # entropies, stop_when, in_flight_updates: no
    max_context: int | None = None

    def __init__(self, tokenizer: Any, weights_version: int) -> None:
        self.tokenizer = tokenizer
        self.weights_version = weights_version

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, session: str | None = None
    ) -> Completion:
        text = self.tokenizer.decode(prompt_ids)
        low, high = re.findall(r"from (\d+) to (\d+)", text)[-1]
        reply = str((int(low) + int(high)) // 2)
        ids = self.tokenizer.encode(reply, add_special_tokens=False) + list(sampling.stop_ids[:1])
        logprobs = (0.0,) * len(ids)  # it is certain
        return Completion(tuple(ids), logprobs, None, "stop", self.weights_version)

    async def release(self, session: str) -> None:
        """Forget an episode. Nothing is kept here."""

    async def update_weights(self, weights: Mapping[str, Any] | None, version: int) -> None:
        """Load new weights. There are none here."""
        self.weights_version = version

    async def close(self) -> None:
        """Free everything."""


def make(context: EngineContext) -> HalvingEngine:
    """Make the engine; further parameters would be its options."""
    return HalvingEngine(context.tokenizer, context.weights_version)


def main() -> None:
    parser = argparse.ArgumentParser(description="An engine of your own.")
    parser.add_argument("--tasks", type=int, default=20)
    tasks = parser.parse_args().tasks
    with tempfile.TemporaryDirectory() as directory:
        config = {
            "run": {"directory": directory}, "env": {"name": "own_environment:Guess"},
            "prompt": {"name": "text/act@1"}, "model": {"tiny": TINY},
            "train": {"steps": 0}, "eval": {"tasks": 2}, "rollout": {"max_tokens": 4},
        }  # fmt: skip
        model = str(turnwise.train(config) / "model")  # random weights, and a tokenizer
        for engine in ("transformers", "own_engine:make"):
            score, _ = turnwise.evaluate(Guess, model, engine=engine, tasks=tasks, max_tokens=4)
            print(f"{engine:16} success {score.metrics.success}")


if __name__ == "__main__":
    main()
